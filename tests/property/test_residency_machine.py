"""Residency under every order of loads, failures, uses, evictions and farewells."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gapless.infer.repository.residency import FIRST_PAUSE_NS, LONGEST_PAUSE_NS, Evict, Residency

pytestmark = pytest.mark.long

KEYS = 5
SIZES = st.integers(0, 15)


class ResidencyMachine(RuleBasedStateMachine):
    """Drives ``Residency`` beside a plain record of who is where.

    Keys are used once: one that is retired comes back under the next number, as a revision does.
    """

    @initialize(budget=st.integers(10, 40))
    def start(self, budget: int) -> None:
        self.budget = budget
        self.residency = Residency[int](budget)
        self.now = 0
        self.keys = list(range(KEYS))
        self.next_key = KEYS
        self.loading: dict[int, int] = {}
        self.may_evict: dict[int, bool] = {}
        self.resident: dict[int, int] = {}
        self.last_use: dict[int, int] = {}
        self.uses: Counter[int] = Counter()
        self.pinned: set[int] = set()
        self.retired: set[int] = set()
        self.failures: Counter[int] = Counter()
        self.retry_at: dict[int, int] = {}

    def key(self, index: int) -> int:
        return self.keys[index % len(self.keys)]

    def used(self) -> int:
        return sum(self.loading.values()) + sum(self.resident.values())

    def idle(self) -> list[int]:
        """Those that may be evicted, the longest unused first."""
        free = [
            key
            for key, size in self.resident.items()
            if size and not (self.uses[key] or key in self.pinned or key in self.retired)
        ]
        return sorted(free, key=lambda key: self.last_use[key])

    def evicted(self, keys: tuple[int, ...]) -> None:
        for key in keys:
            del self.resident[key]
            self.pinned.discard(key)

    @rule(ns=st.integers(0, 3 * FIRST_PAUSE_NS))
    def time_passes(self, ns: int) -> None:
        self.now += ns + 1

    @rule(index=st.integers(0, KEYS - 1), size=SIZES, may_evict=st.booleans())
    def load_begins(self, index: int, size: int, may_evict: bool) -> None:
        self.now += 1
        key, idle, used = self.key(index), self.idle(), self.used()
        answer = self.residency.begin(key, size, self.now, may_evict=may_evict)
        if key in self.resident:
            assert answer == "resident"
        elif key in self.loading:
            assert answer == "loading"
        elif self.retry_at.get(key, 0) > self.now:
            assert answer == "failed"
        elif isinstance(answer, Evict):
            assert may_evict or not answer.keys
            assert list(answer.keys) == idle[: len(answer.keys)], "the longest unused go first"
            sizes = [self.resident[evicted] for evicted in answer.keys]
            if answer.keys:
                assert used - sum(sizes[:-1]) + size > self.budget, "no more go than must"
            self.evicted(answer.keys)
            self.loading[key] = size
            self.may_evict[key] = may_evict
        else:
            assert answer == "full"
            free = sum(self.resident[other] for other in idle) if may_evict else 0
            assert used - free + size > self.budget, "there was room"

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), size=SIZES)
    def load_ends(self, data: st.DataObject, size: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.loading)))
        self.end_load(key, size)

    @rule(index=st.integers(0, KEYS - 1), size=SIZES, more=SIZES, may_evict=st.booleans())
    def is_loaded(self, index: int, size: int, more: int, may_evict: bool) -> None:
        """Begin and end, so that memory fills up."""
        key = self.key(index)
        if key not in self.loading:
            self.load_begins(index, size, may_evict=may_evict)
            if key in self.loading:
                self.end_load(key, size + more)

    def end_load(self, key: int, size: int) -> None:
        self.now += 1
        idle = self.idle() if self.may_evict[key] else []
        del self.loading[key]
        answer = self.residency.finish(key, size, self.now)
        if isinstance(answer, Evict):
            assert key not in self.retired
            assert list(answer.keys) == idle[: len(answer.keys)]
            self.evicted(answer.keys)
            self.resident[key] = size
            self.last_use[key] = self.now
            self.failures[key] = 0
        elif answer == "full":
            assert self.used() - sum(self.resident[other] for other in idle) + size > self.budget
        else:
            assert answer == "retired"
            assert key in self.retired
            self.retired.discard(key)

    @precondition(lambda self: self.loading)
    @rule(data=st.data())
    def load_fails(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.loading)))
        del self.loading[key]
        self.residency.fail(key, self.now)
        if key in self.retired:
            self.retired.discard(key)
        else:
            self.failures[key] += 1
            pause = min(FIRST_PAUSE_NS * 2 ** (self.failures[key] - 1), LONGEST_PAUSE_NS)
            self.retry_at[key] = self.now + pause

    @rule(index=st.integers(0, KEYS - 1))
    def failure_is_forgiven(self, index: int) -> None:
        key = self.key(index)
        self.residency.forgive(key)
        if key not in self.loading:
            self.retry_at.pop(key, None)
            self.failures[key] = 0

    @precondition(lambda self: self.resident.keys() - self.retired)
    @rule(data=st.data())
    def is_taken(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.resident.keys() - self.retired)))
        assert self.residency.is_resident(key)
        self.residency.take(key)
        self.uses[key] += 1

    @precondition(lambda self: +self.uses)
    @rule(data=st.data())
    def is_given_back(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(+self.uses)))
        self.now += 1
        must_close = self.residency.give_back(key, self.now)
        self.uses[key] -= 1
        self.last_use[key] = self.now
        assert must_close == (key in self.retired and not self.uses[key])
        if must_close:
            del self.resident[key]
            self.retired.discard(key)

    @rule(index=st.integers(0, KEYS - 1), pinned=st.booleans())
    def is_pinned(self, index: int, pinned: bool) -> None:
        key = self.key(index)
        self.residency.pin(key, pinned=pinned)
        if key in self.resident:
            (self.pinned.add if pinned else self.pinned.discard)(key)

    @rule(index=st.integers(0, KEYS - 1))
    def is_retired(self, index: int) -> None:
        key = self.key(index)
        must_close = self.residency.retire(key)
        assert must_close == (key in self.resident and not self.uses[key])
        if must_close:
            del self.resident[key]
        elif key in self.resident or key in self.loading:
            self.retired.add(key)
        self.keys[self.keys.index(key)] = self.next_key
        self.next_key += 1

    @invariant()
    def the_budget_holds(self) -> None:
        assert self.residency.used_bytes == self.used() <= self.budget

    @invariant()
    def those_in_use_are_in_memory(self) -> None:
        assert all(key in self.resident for key in +self.uses)

    @invariant()
    def the_pause_is_the_rest_of_it(self) -> None:
        for key in self.keys:
            rest = max(self.retry_at.get(key, 0) - self.now, 0)
            if key in self.loading or key in self.resident:
                rest = 0
            assert self.residency.pause_ns(key, self.now) == rest

    @invariant()
    def a_key_is_resident_while_nobody_retired_it(self) -> None:
        for key in self.keys:
            assert self.residency.is_resident(key) == (key in self.resident)


TestResidency = ResidencyMachine.TestCase
TestResidency.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
