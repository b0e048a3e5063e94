"""Streaming through shared batches equals streaming alone, whoever else is there and whatever they do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)
from hypothesis.strategies import booleans, integers, sampled_from

from gapless.errors import ModelError, OverloadError
from gapless.infer.contract import Array, ModelLimits, Tensors
from gapless.infer.engine.request import Result
from gapless.infer.engine.streams import Stream
from gapless.testing.by_hand import ByHand, Question
from gapless.testing.models import FAILS, GOES_NAN, FunctionModel, running_sum

LIMITS = ModelLimits(buckets=(1, 2, 4), max_sequences=4)


class Step:
    """A step that was submitted and not cancelled."""

    def __init__(self, question: Question, value: float, era: int, *, end: bool) -> None:
        self.question = question
        self.value = value
        self.era = era
        self.end = end


class Alone:
    """What the owner of a stream expects of it, were it alone."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.waiting: list[Step] = []
        self.era = 0
        self.closed = False
        self.total, self.count, self.total_era = 0.0, 0, 0

    @property
    def over(self) -> bool:
        return self.closed and not self.waiting

    def look(self) -> None:
        """Steps are settled in their order, each with the sum so far."""
        while self.waiting and self.waiting[0].question.outcomes:
            step = self.waiting.pop(0)
            (outcome,) = step.question.outcomes
            if step.end:
                self.closed = True
            if isinstance(outcome, Result):
                assert step.value > 0
                if step.era != self.total_era:
                    self.total, self.count, self.total_era = 0.0, 0, step.era
                self.total += step.value
                self.count += 1
                assert outcome.outputs["sum"].tolist() == [[self.total] * 3]
                assert outcome.outputs["steps"].tolist() == [[self.count]]
            elif "was closed" in str(outcome):
                assert self.closed
            else:
                assert step.value < 0
        assert not any(step.question.outcomes for step in self.waiting)


class StreamsMachine(RuleBasedStateMachine):
    """Drives streams through the engine's core beside a sum for each of them."""

    def __init__(self) -> None:
        super().__init__()
        inner = running_sum(limits=LIMITS)
        self.to_close: Alone | None = None

        def function(inputs: Tensors) -> dict[str, Array]:
            if self.to_close is not None:
                # In the middle of a call: the step that runs goes on, and its slot stays its own.
                self.to_close.stream.close()
                self.to_close.closed = True
            return inner.run(inputs)

        self.engine = ByHand(FunctionModel(inner.info, function))
        self.all: list[Alone] = []
        self.strangers: list[tuple[Question, int]] = []
        self.cancelled: list[Question] = []

    streams = Bundle[Alone]("streams")

    @rule(target=streams)
    def open(self) -> Alone | MultipleResults[Alone]:
        if sum(not alone.over for alone in self.all) == LIMITS.max_sequences:
            with pytest.raises(OverloadError):
                self.engine.stream()
            return multiple()
        alone = Alone(self.engine.stream())
        self.all.append(alone)
        return alone

    @rule(alone=streams, value=sampled_from([1, 2, 3, 4, FAILS, GOES_NAN]), end=integers(0, 9))
    def submit(self, alone: Alone, value: float, end: int) -> None:
        inputs = {"x": np.full((1, 3), value, np.float32)}
        if alone.closed:
            with pytest.raises(ModelError, match="was closed"):
                self.engine.offer(inputs, alone.stream)
            return
        question = self.engine.offer(inputs, alone.stream, end=end == 0)
        alone.waiting.append(Step(question, value, alone.era, end=end == 0))

    @rule(value=integers(1, 9))
    def submit_without_a_stream(self, value: int) -> None:
        inputs = {"x": np.full((1, 3), value, np.float32)}
        self.strangers.append((self.engine.offer(inputs), value))

    @rule(alone=streams)
    def reset(self, alone: Alone) -> None:
        alone.stream.reset()
        alone.era += 1

    @rule(alone=streams, which=integers(0, 3))
    def cancel(self, alone: Alone, which: int) -> None:
        if alone.waiting:
            step = alone.waiting.pop(which % len(alone.waiting))
            alone.closed |= step.end
            assert step.question.row.cancel()
            assert not step.question.row.cancel()
            self.cancelled.append(step.question)

    @rule(alone=streams, drain=booleans())
    def close(self, alone: Alone, drain: bool) -> None:
        alone.closed = True
        alone.stream.close(drain=drain)
        if not drain:
            assert all(step.question.outcomes for step in alone.waiting)

    @rule(alone=streams)
    def run_while_one_closes(self, alone: Alone) -> None:
        self.to_close = alone
        self.run(1)
        self.to_close = None

    @rule(batches=integers(1, 3))
    def run(self, batches: int) -> None:
        for _ in range(batches):
            batch = self.engine.take()
            if batch is None:
                assert not any(alone.waiting for alone in self.all)
                return
            self.engine.run(batch)
            self.settled_steps_are_right()

    @invariant()
    def settled_steps_are_right(self) -> None:
        for alone in self.all:
            alone.look()
        for question, value in self.strangers:
            for outcome in question.outcomes:
                assert isinstance(outcome, Result)
                assert outcome.outputs["sum"].tolist() == [[float(value)] * 3]
        assert not any(question.outcomes for question in self.cancelled)

    @invariant()
    def what_is_over_holds_nothing(self) -> None:
        open_streams = sum(not alone.over for alone in self.all)
        assert len(self.engine.served.streams) == open_streams
        assert self.engine.served.arena.leased == open_streams
        assert self.engine.models.held == open_streams

    def teardown(self) -> None:
        self.engine.run_all()
        for alone in self.all:
            assert not alone.waiting or alone.waiting[0].question.outcomes
            alone.stream.close()
        assert all(len(question.outcomes) == 1 for question, _ in self.strangers)
        assert self.engine.models.held == 0


TestStreams = StreamsMachine.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
