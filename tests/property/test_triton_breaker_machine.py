"""The breaker under every order of calls that succeed, fail and come back late, of probes and of waits."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from hypothesis.strategies import booleans, floats, integers, sampled_from

from gapless.infer.triton.breaker import SPREAD, Breaker
from gapless.infer.triton.options import TritonOptions

pytestmark = pytest.mark.long

PAUSE_MS, MAX_PAUSE_MS = 100, 700


class BreakerMachine(RuleBasedStateMachine):
    """Drives a breaker beside a model of it: failures in a row, and when it has to be over."""

    @initialize(limit=integers(1, 3), chance=floats(0, 1, exclude_max=True))
    def start(self, limit: int, chance: float) -> None:
        self.options = TritonOptions(
            urls=("here:1",),
            breaker_failures=limit,
            breaker_pause_ms=PAUSE_MS,
            breaker_max_pause_ms=MAX_PAUSE_MS,
        )
        self.chance = chance
        self.breaker = Breaker(self.options, lambda: self.chance)
        self.now_ms = 0
        self.failures = 0
        self.pause_ms = PAUSE_MS
        self.open_until_ms: int | None = None
        self.probing = False
        self.opened = 0

    calls = Bundle[tuple[int, int]]("calls")
    """The era that a call was begun in, and how often the breaker had opened by then."""

    @property
    def closed(self) -> bool:
        return self.open_until_ms is None and not self.probing

    @precondition(lambda self: self.closed)
    @rule(target=calls)
    def begin(self) -> tuple[int, int]:
        return self.begin_a_call()

    @rule(call=consumes(calls), failed=booleans())
    def end(self, call: tuple[int, int], failed: bool) -> None:
        self.end_a_call(call, failed=failed)

    def begin_a_call(self) -> tuple[int, int]:
        return self.breaker.era, self.opened

    def end_a_call(self, call: tuple[int, int], *, failed: bool) -> None:
        era, opened_before = call
        counts = self.closed and opened_before == self.opened
        if failed:
            self.breaker.failed(era, self.now_ms)
            self.failures += counts
            if counts and self.failures == self.options.breaker_failures:
                self.open()
        else:
            self.breaker.succeeded(era)
            if counts:
                self.failures, self.pause_ms = 0, PAUSE_MS
        self.it_is_as_drawn()

    @precondition(lambda self: self.closed)
    @rule()
    def lose_the_server(self) -> None:
        call = self.begin_a_call()
        for _ in range(self.options.breaker_failures - self.failures):
            self.end_a_call(call, failed=True)

    @rule(ms=sampled_from((1, PAUSE_MS, MAX_PAUSE_MS)))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @precondition(lambda self: self.open_until_ms is not None)
    @rule(healthy=booleans())
    def probe_when_the_pause_is_over(self, healthy: bool) -> None:
        assert self.open_until_ms is not None
        self.now_ms = max(self.now_ms, self.open_until_ms)
        self.ask_for_a_probe()
        self.end_the_probe(healthy)

    @rule()
    def probe(self) -> None:
        self.ask_for_a_probe()

    def ask_for_a_probe(self) -> None:
        due = self.open_until_ms is not None and self.now_ms >= self.open_until_ms
        assert self.breaker.probe(self.now_ms) == due
        assert not self.breaker.probe(self.now_ms), "two probes at a time"
        if due:
            self.probing, self.open_until_ms = True, None

    @precondition(lambda self: self.probing)
    @rule(healthy=booleans())
    def end_a_probe(self, healthy: bool) -> None:
        self.end_the_probe(healthy)

    def end_the_probe(self, healthy: bool) -> None:
        self.breaker.probed(self.now_ms, healthy=healthy)
        self.probing = False
        if healthy:
            self.failures = 0
        else:
            self.open()

    def open(self) -> None:
        self.opened += 1
        self.open_until_ms = self.now_ms + round(self.pause_ms * (1 - SPREAD * self.chance))
        self.pause_ms = min(2 * self.pause_ms, MAX_PAUSE_MS)

    @invariant()
    def it_is_as_drawn(self) -> None:
        waiting = self.open_until_ms is not None
        assert self.breaker.state == (
            "half-open" if self.probing else "open" if waiting else "closed"
        )
        assert self.breaker.opened == self.opened
        assert self.breaker.next_probe_ms() == self.open_until_ms

    @invariant()
    def callers_are_told_when_to_come_back(self) -> None:
        retry_after_ms = self.breaker.retry_after_ms(self.now_ms)
        if self.open_until_ms is not None:
            assert retry_after_ms == max(self.open_until_ms - self.now_ms, 0)
        else:
            assert (retry_after_ms > 0) == self.probing


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
