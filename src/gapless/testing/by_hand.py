"""The engine's core without its threads: batches run when a test says so, so that every order can be tried.

In: rows for one model. Out: outcomes. Invariants: what rows go through is the real thing (checks, batcher, slots, step,
streams); only who runs a batch, and when, is the test's. Thread: one.
"""

from __future__ import annotations

from typing import cast, final

from gapless.batching.batcher import Batch, Batcher
from gapless.errors import GaplessError
from gapless.infer.contract import Array, Model
from gapless.infer.engine.request import Outcome
from gapless.infer.engine.rows import Answer, Row, settle
from gapless.infer.engine.served import Kind, Served
from gapless.infer.engine.statistics import Counters
from gapless.infer.engine.step import Step
from gapless.infer.engine.streams import Stream
from gapless.infer.engine.worker import Worker
from gapless.testing.models import FixedModels


@final
class Question:
    """A row that was offered."""

    def __init__(self) -> None:
        self.row: Row
        self.outcomes: list[Outcome] = []
        """One at most, in the end."""

    def tell(self, answer: Answer) -> None:
        """The row was settled."""
        self.outcomes.append(answer())


@final
class ByHand:
    """One model and its queue."""

    def __init__(self, model: Model, *, max_waiting: int = 1000) -> None:
        self.models = FixedModels(model)
        self._batcher: Batcher[Kind, Row] = Batcher(
            lambda kind: kind.served.policy, max_waiting=max_waiting
        )
        self.served = Served(model, cast("Worker", self), Counters(model.info.name, "1"))

    def stream(self) -> Stream:
        """A new stream."""
        held = self.models.acquire(self.served.info.name)
        try:
            return Stream(self.served, held)
        except GaplessError:
            held.release()
            raise

    def offer(
        self, inputs: dict[str, Array], stream: Stream | None = None, *, end: bool = False
    ) -> Question:
        """Let a row wait."""
        size, signature = self.served.checks.inputs(inputs)
        question = Question()
        question.row = row = Row(
            kind=self.served.kind(signature),
            inputs=inputs,
            size=size,
            wanted=self.served.checks.outputs(None),
            held=None,
            tell=question.tell,
            stream=stream,
            end=end,
        )
        if stream is not None:
            stream.enter(row)
        row.entry = self._batcher.offer(row.kind, row, 0, size=size, chain=stream)
        return question

    def withdraw(self, row: Row) -> bool:
        """As ``Worker.withdraw``; streams call it."""
        return row.entry is not None and self._batcher.cancel(row.entry)

    def take(self) -> Batch[Kind, Row] | None:
        """The next batch, if any row may run."""
        return self._batcher.take(0)

    def run(self, batch: Batch[Kind, Row]) -> Step:
        """Run a batch that was taken, and tell its callers; returns how it went."""
        step = Step(batch)
        step.run()
        self._batcher.finish(batch, 0)
        settle(step.rows, step.outcome)
        return step

    def run_all(self) -> None:
        """Run batches until no row may run."""
        while (batch := self.take()) is not None:
            self.run(batch)
