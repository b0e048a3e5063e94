"""Streams: sequences of steps, each of which begins where the last one ended.

In: steps on their way, resets, a close. Out: where a step finds its state. Invariants: what a stream holds (a slot, or
its place at a server) is given back once, after its last step is over; a server is told of every end.
Thread: any; the state of a running step belongs to the thread that runs it, for steps of a stream never run together.
"""

from __future__ import annotations

import secrets
import threading
from types import TracebackType
from typing import Final, Self, final

import structlog

from gapless.errors import GaplessError, ModelError, OverloadError
from gapless.infer.contract import KeepsSequences, ModelInfo, SequenceStep
from gapless.infer.engine.rows import Row, settle_with
from gapless.infer.engine.served import Served
from gapless.infer.engine.slots import BLANK, RETRY_AFTER_MS, Handle
from gapless.infer.models import Held

log = structlog.get_logger()

NO_SLOT: Final = Handle(BLANK, -1)
"""What a stream has whose state is at a server; using it is an error."""


@final
class Stream:
    """See ``Sequence``. Made by ``Inference.open_sequence``.

    Args:
        served: its model.
        held: keeps it loaded; released by the stream.

    Raises:
        ModelError: the model keeps no state.
        OverloadError: as many streams are open as may be.
    """

    def __init__(self, served: Served, held: Held) -> None:
        info = served.info
        if info.sequences == "none":
            raise ModelError(
                f"the model {info.name} keeps no state; ask it without a sequence", param="sequence"
            )
        self._served = served
        self._held = held
        self.id = secrets.randbits(63) or 1
        """What a server knows it by. Other clients of that server make ids too, so it is a random one."""
        self.handle = NO_SLOT
        """Its slot, where the engine keeps the state."""
        self._lock = threading.Lock()
        self._era = 0
        self._steps: set[Row] = set()
        self._closed = False
        self._over = False
        # The two below belong to the running step.
        self._begun: int | None = None
        """The era that the state belongs to; None before the first step."""
        self._at_server = False
        """The server may know of it."""
        with served.lock:
            if info.sequences == "slots":
                self.handle = served.arena.lease()
            elif len(served.streams) == info.limits.max_sequences:
                raise OverloadError(
                    f"all {len(served.streams)} sequences of the model {info.name} are taken; close one, try again "
                    "shortly, or raise max_sequences in its manifest",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            served.streams.add(self)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._served.info.name

    @property
    def info(self) -> ModelInfo:
        """What the model takes and gives."""
        return self._served.info

    @property
    def served(self) -> Served:
        """The model it runs on, for life: a newer version gets new streams."""
        return self._served

    @property
    def busy(self) -> bool:
        """Whether steps wait or run."""
        return bool(self._steps)

    def reset(self) -> None:
        """Begin anew, behind the steps already submitted."""
        with self._lock:
            self._era += 1

    def close(self, *, drain: bool = False) -> None:
        """Take no more steps; give back what it holds, at the latest when the step that runs is over.

        Args:
            drain: let the steps that wait run first; otherwise they fail.
        """
        with self._lock:
            self._closed = True
            waiting = [] if drain else list(self._steps)
        worker = self._served.worker
        settle_with([row for row in waiting if worker.withdraw(row)], self._closed_error())
        self._give_back()

    def enter(self, row: Row) -> None:
        """A step is about to be offered.

        Raises:
            ModelError: the stream was closed.
        """
        with self._lock:
            if self._closed:
                raise self._closed_error()
            row.era = self._era
            self._steps.add(row)

    def leave(self, row: Row) -> None:
        """A step was settled, cancelled or refused."""
        with self._lock:
            self._steps.discard(row)
            over = self._closed
        if row.end:
            self.close()
        elif over:
            self._give_back()

    def is_new(self, row: Row) -> bool:
        """Whether this step, which runs now, is the first since the stream was opened or reset."""
        return self._begun != row.era

    def server_step(self, row: Row) -> SequenceStep:
        """Where this step, which runs now, stands."""
        start = self.is_new(row)
        self._at_server = True
        return SequenceStep(self.id, start=start, end=row.end)

    def advance(self, row: Row) -> None:
        """This step, which runs now, has succeeded or its state was put back."""
        self._begun = row.era
        if row.end:
            self._at_server = False

    def _closed_error(self) -> ModelError:
        return ModelError(
            f"this sequence of the model {self.model} was closed; open a new one", param="sequence"
        )

    def _give_back(self) -> None:
        with self._lock:
            if self._over or self._steps:
                return
            self._over = True
        with self._served.lock:
            self._served.streams.discard(self)
            if self.handle != NO_SLOT:
                self._served.arena.release(self.handle)
        model = self._served.model
        if self._at_server and isinstance(model, KeepsSequences):
            try:
                model.end(self.id)
            except GaplessError as error:
                log.warning("sequence not ended", model=self.model, error=str(error))
        self._held.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
