"""The pool of channels under every order of requests, releases, checks, outages and waits."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, integers, sampled_from

from gapless.infer.triton.options import TritonOptions
from gapless.infer.triton.pool import Decision, Pool

pytestmark = pytest.mark.long

ACQUIRE_MS, IDLE_MS, MAX_AGE_MS = 500, 3000, 8000

SELDOM = sampled_from((False, False, False, True))
"""For what changes much: it must not be all that happens."""


class PoolMachine(RuleBasedStateMachine):
    """Does what the pool decides to channels that are only numbers, beside a model of who has which."""

    @initialize(
        least=integers(0, 2),
        more=integers(0, 1),
        max_waiting=integers(1, 3),
        health_ms=sampled_from((1000, 20_000)),
    )
    def start(self, least: int, more: int, max_waiting: int, health_ms: int) -> None:
        self.options = TritonOptions(
            urls=("here:1",),
            min_channels=least,
            max_channels=max(least + more, 1),
            max_waiting_calls=max_waiting,
            acquire_timeout_ms=ACQUIRE_MS,
            idle_ms=IDLE_MS,
            max_age_ms=MAX_AGE_MS,
            health_interval_ms=health_ms,
        )
        self.pool = Pool(self.options)
        self.now_ms = 0
        self.opened_ms: dict[int, int] = {}
        self.used_ms: dict[int, int] = {}
        self.seen_ms: dict[int, int] = {}
        self.gone: set[int] = set()
        self.lent: set[int] = set()
        self.checking: set[int] = set()
        self.pins: dict[int, int] = {}
        self.waiting: deque[tuple[int, int]] = deque()
        self.asked: set[int] = set()
        self.answered: set[int] = set()
        self.down = self.closed = False
        self.refill_ms = 0
        self.may_close: set[int] = set()
        """Channels that the server lost, or that did not pass their check."""
        self.carry_out(self.pool.decide(0))

    @property
    def idle(self) -> set[int]:
        return self.opened_ms.keys() - self.lent - self.checking

    def decide(self) -> None:
        self.carry_out(self.pool.decide(self.now_ms))

    def carry_out(self, decision: Decision) -> None:
        for channel in decision.close:
            assert channel in self.opened_ms.keys() - self.lent
            if channel not in self.may_close:
                assert not self.pins[channel]
                old = self.now_ms >= self.opened_ms[channel] + MAX_AGE_MS
                assert old or len(self.opened_ms) > self.options.min_channels
            self.checking.discard(channel)
            del self.opened_ms[channel]
            self.gone.add(channel)
        for channel in decision.open:
            assert not self.down
            assert channel not in self.opened_ms
            assert channel not in self.gone
            self.opened_ms[channel] = self.used_ms[channel] = self.now_ms
            self.pins[channel] = 0
            asked_for = channel in [answer.channel for answer in decision.answers]
            assert asked_for or self.now_ms >= self.refill_ms
        assert len(self.opened_ms) <= self.options.max_channels
        for answer in decision.answers:
            assert answer.request in self.asked - self.answered
            self.answered.add(answer.request)
            if answer.refusal == "full":
                assert len(self.waiting) == self.options.max_waiting_calls
            elif answer.refusal == "down":
                assert self.down
                self.waiting = deque(one for one in self.waiting if one[0] != answer.request)
            else:
                first, deadline_ms = self.waiting.popleft()
                assert answer.request == first, "somebody overtook"
                if answer.channel is None:
                    assert answer.refusal == "timeout"
                    assert self.now_ms >= deadline_ms
                else:
                    assert answer.channel in self.idle
                    self.lent.add(answer.channel)
        for channel in decision.check:
            assert channel in self.idle
            self.checking.add(channel)

    @rule(times=integers(1, 3))
    def request(self, times: int = 1) -> None:
        for _ in range(times):
            request = self.pool.request(self.now_ms)
            self.asked.add(request)
            if not self.down and len(self.waiting) < self.options.max_waiting_calls:
                self.waiting.append((request, self.now_ms + ACQUIRE_MS))
            self.decide()

    @precondition(lambda self: self.waiting)
    @rule(which=integers(0, 2))
    def withdraw(self, which: int) -> None:
        request = self.waiting[which % len(self.waiting)]
        self.pool.withdraw(request[0])
        self.waiting.remove(request)
        self.answered.add(request[0])
        self.decide()

    @precondition(lambda self: self.lent)
    @rule(which=integers(0, 3), suspect=SELDOM)
    def release(self, which: int, suspect: bool) -> None:
        channel = sorted(self.lent)[which % len(self.lent)]
        self.lent.remove(channel)
        self.used_ms[channel] = self.seen_ms[channel] = self.now_ms
        self.pool.release(channel, self.now_ms, suspect=suspect)
        self.decide()
        assert not suspect or channel in self.checking | self.gone

    @precondition(lambda self: self.checking)
    @rule(which=integers(0, 3), broken=SELDOM)
    def checked(self, which: int, broken: bool) -> None:
        channel = sorted(self.checking)[which % len(self.checking)]
        self.checking.remove(channel)
        self.seen_ms[channel] = self.now_ms
        if broken:
            self.may_close.add(channel)
            self.refill_ms = self.now_ms + self.options.health_interval_ms
        self.pool.checked(channel, self.now_ms, healthy=not broken)
        self.decide()
        assert not broken or channel in self.gone

    @precondition(lambda self: self.gone)
    @rule(which=integers(0, 3), healthy=booleans())
    def answer_late_for_a_closed_channel(self, which: int, healthy: bool) -> None:
        channel = sorted(self.gone)[which % len(self.gone)]
        self.pool.checked(channel, self.now_ms, healthy=healthy)
        self.pool.unpin(channel)
        self.decide()

    @precondition(lambda self: self.lent)
    @rule(which=integers(0, 3))
    def pin(self, which: int) -> None:
        channel = sorted(self.lent)[which % len(self.lent)]
        self.pool.pin(channel)
        self.pins[channel] += 1

    @precondition(lambda self: any(self.pins[channel] for channel in self.opened_ms))
    @rule(which=integers(0, 3))
    def unpin(self, which: int) -> None:
        pinned = [channel for channel in self.opened_ms if self.pins[channel]]
        channel = pinned[which % len(pinned)]
        self.pins[channel] -= 1
        self.pool.unpin(channel)
        self.decide()

    @rule(ms=sampled_from((1, 100, ACQUIRE_MS, 1000, IDLE_MS, MAX_AGE_MS)))
    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.decide()

    @rule()
    def wait_as_long_as_nothing_happens(self) -> None:
        event_ms = self.pool.next_event_ms()
        until_ms = self.now_ms + 60_000 if event_ms is None else event_ms - 1
        if until_ms > self.now_ms:
            self.now_ms = until_ms
            assert self.pool.decide(self.now_ms) == ([], [], [], [])

    @precondition(lambda self: not self.down)
    @rule(really=SELDOM)
    def suspend(self, really: bool) -> None:
        if not really:
            return
        self.down = True
        self.may_close |= self.opened_ms.keys()
        self.pool.suspend()
        self.decide()
        assert self.opened_ms.keys() == self.lent
        assert not self.waiting

    @precondition(lambda self: self.down and not self.closed)
    @rule()
    def resume(self) -> None:
        self.down = False
        self.refill_ms = 0
        self.pool.resume()
        self.decide()

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        assert self.asked == self.answered | {request for request, _ in self.waiting}
        assert all(deadline_ms > self.now_ms for _, deadline_ms in self.waiting)
        if self.waiting:
            assert not self.idle
            assert len(self.opened_ms) == self.options.max_channels

    @invariant()
    def the_fewest_are_there(self) -> None:
        if not self.down and self.now_ms >= self.refill_ms:
            assert len(self.opened_ms) >= self.options.min_channels

    @invariant()
    def nothing_idle_is_too_old_superfluous_or_forgotten(self) -> None:
        for channel in self.idle:
            assert self.now_ms < self.seen_ms[channel] + self.options.health_interval_ms
            if not self.pins[channel]:
                assert self.now_ms < self.opened_ms[channel] + MAX_AGE_MS
                if len(self.opened_ms) > self.options.min_channels:
                    assert self.now_ms < self.used_ms[channel] + IDLE_MS

    @invariant()
    def the_statistics_agree(self) -> None:
        stats = self.pool.stats()
        assert stats.channels == len(self.opened_ms)
        assert stats.lent == len(self.lent)
        assert stats.checking == len(self.checking)
        assert stats.waiting == len(self.waiting)
        assert stats.pins == sum(self.pins[channel] for channel in self.opened_ms)
        assert stats.opened == len(self.opened_ms) + len(self.gone)
        assert stats.closed == len(self.gone)

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        self.down = self.closed = True
        self.may_close |= self.opened_ms.keys()
        self.pool.close()
        self.pool.resume()
        self.decide()
        for channel in sorted(self.lent):
            self.lent.remove(channel)
            self.pool.release(channel, self.now_ms)
            self.decide()
        assert not self.opened_ms
        assert self.asked == self.answered
        self.request()
        assert self.asked == self.answered
        assert self.pool.next_event_ms() is None


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
