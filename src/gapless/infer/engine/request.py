"""What callers and the engine say to each other: requests, results, sequences.

Thread: any; all of it is immutable but ``Sequence``, which says itself.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import msgspec

from gapless.errors import GaplessError
from gapless.infer.contract import Array, ModelInfo


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a model."""

    model: str
    version: str | None = None
    """None: the newest that is ready."""
    inputs: dict[str, Array]
    """With the batch axis in front where ``ModelInfo.batched``. They must not change before the answer is there."""
    outputs: tuple[str, ...] | None = None
    """What is wanted; None: all."""
    live: bool = True
    """False for bulk work, which waits behind live rows."""
    alone: bool = False
    """Not to be run in one call with others' rows, nor several of its own in one: what batching gains is given up."""
    timeout_ms: float | None = None
    """When the answer is of no use any more; None: the model's limit, if it has one."""
    sequence: Sequence | None = None
    """The stream whose next step this is; one row. None for a model with state: a stream of this one step."""
    end: bool = False
    """Whether this is the sequence's last step: it is closed after it, whatever comes of it."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    model: str
    version: str
    outputs: dict[str, Array]
    """The caller's own."""
    queue_ns: int
    """From acceptance to the call."""
    compute_ns: int
    """Gathering the batch, the call, and keeping states."""
    rows: int
    """How many rows shared the call."""
    offered_ns: int = 0
    """When it was accepted, on the monotonic clock; 0: it was remembered."""
    gather_ns: int = 0
    """Of ``compute_ns``: putting the batch together."""
    cached: bool = False
    """Whether it was remembered from an equal request: the model was not asked."""


Outcome: TypeAlias = Result | GaplessError
Done: TypeAlias = Callable[[Outcome], None]
"""Called once, from any thread; must be quick and must not raise."""


class Ticket(Protocol):
    """A request that was accepted."""

    def cancel(self) -> bool:
        """Take it back; False if it runs already or is settled. A cancelled request's ``Done`` is never called."""
        ...


class Sequence(Protocol):
    """A stream: the state that one step leaves for the next. Close it, or use it as a context manager.

    Steps run in the order they were submitted, one at a time. A step that fails leaves the state as it was.
    Thread: any.
    """

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def info(self) -> ModelInfo:
        """What the model takes and gives."""
        ...

    @property
    def busy(self) -> bool:
        """Whether steps wait or run."""
        ...

    def reset(self) -> None:
        """Begin anew; takes effect behind the steps already submitted."""
        ...

    def close(self, *, drain: bool = False) -> None:
        """Give back what the stream holds (a slot, or its place at the server). Idempotent.

        Args:
            drain: let the steps that wait run first; otherwise they fail.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
