"""A row on its way through the engine, and how its caller is told what became of it.

In: outcomes of a batch. Out: each to its caller; callers on an event loop are told together, in one call of that loop
for each batch, because waking a loop costs more than a row. Invariants: a row is settled once. Thread: any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, final

from gapless.errors import GaplessError
from gapless.infer.contract import Array
from gapless.infer.engine.request import Outcome
from gapless.infer.models import Held

if TYPE_CHECKING:
    from gapless.batching.batcher import Entry
    from gapless.infer.engine.served import Kind
    from gapless.infer.engine.streams import Stream


Answer: TypeAlias = Callable[[], Outcome]
"""What became of a row. Its copies of the outputs are made when it is asked, by whoever asks."""

Tell: TypeAlias = Callable[[Answer], None]
"""Tells a caller; called once, quick, does not raise."""


@final
class Row:
    """One request, or a part of one that is too large for a batch; it may hold several rows of the model.

    It is a ``Ticket`` as well.
    """

    __slots__ = (
        "end", "entry", "era", "held", "inputs", "kind", "loop", "size", "stream", "tell", "wanted",
    )  # fmt: skip

    era: int
    """How often the stream had been reset when this was submitted."""

    def __init__(
        self,
        *,
        kind: Kind,
        inputs: dict[str, Array],
        size: int,
        wanted: tuple[str, ...],
        held: Held | None,
        tell: Tell,
        loop: asyncio.AbstractEventLoop | None = None,
        stream: Stream | None = None,
        end: bool = False,
    ) -> None:
        self.entry: Entry[Kind, Row] | None = None
        """Its place in the queue, once it is accepted."""
        self.kind = kind
        self.inputs = inputs
        self.size = size
        self.wanted = wanted
        self.held = held
        """Keeps the model loaded; None where the stream or another part does."""
        self.tell = tell
        self.loop = loop
        """Where to call ``tell``; None: anywhere."""
        self.stream = stream
        self.end = end
        """The stream is over after this."""

    def cancel(self) -> bool:
        """Take it back; False if it runs already or is settled."""
        if not self.kind.served.worker.withdraw(self):
            return False
        self.let_go()
        return True

    def let_go(self) -> None:
        """Give back what it holds: it is settled, or cancelled."""
        if self.held is not None:
            self.held.release()
        if self.stream is not None:
            self.stream.leave(self)


def settle(rows: Sequence[Row], outcome: Callable[[int], Outcome]) -> None:
    """Tell callers what became of their rows.

    Args:
        rows: all of a batch, or some that were never run.
        outcome: what became of the row that is the so manyth of them.
    """
    loops = set()
    for index, row in enumerate(rows):
        row.let_go()
        if row.loop is None:
            row.tell(partial(outcome, index))
        else:
            loops.add(row.loop)
    for loop in loops:
        call_on(loop, partial(_tell, loop, rows, outcome))


def settle_with(rows: Sequence[Row], error: GaplessError) -> None:
    """Tell callers that this error became of their rows."""
    settle(rows, lambda _: copied(error))


def copied(error: GaplessError) -> GaplessError:
    """The same error for one more caller: an exception that several threads raise mixes up their tracebacks."""
    copy = type(error)(error.message, param=error.param, retry_after_ms=error.retry_after_ms)
    copy.__cause__ = error.__cause__
    return copy


def call_on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call this on the event loop, unless it is gone, and with it whoever waited there."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _tell(
    loop: asyncio.AbstractEventLoop, rows: Sequence[Row], outcome: Callable[[int], Outcome]
) -> None:
    for index, row in enumerate(rows):
        if row.loop is loop:
            row.tell(partial(outcome, index))
