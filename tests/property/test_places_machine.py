"""The pool of places under every order of requests, cancellations, releases and failures."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, wait

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
from hypothesis.strategies import integers

from gapless.errors import ModelError, OverloadError
from gapless.listen.recogniser.places import Places

MAX_WAITING = 3


class Thing:
    """What is scarce."""


def itself(thing: Thing) -> Thing:
    return thing


class PlacesMachine(RuleBasedStateMachine):
    """Drives ``Places`` beside a model of it: a queue of futures and a set of owners."""

    @initialize(most=integers(1, 3))
    def start(self, most: int) -> None:
        self.most = most
        self.made: set[Thing] = set()
        self.freed: set[Thing] = set()
        self.failing = False
        self.closed = False
        self.owned: list[Future[Thing]] = []
        self.queue: deque[Future[Thing]] = deque()
        self.places = Places(self.make, self.freed.add, most=most, max_waiting=MAX_WAITING)

    def make(self) -> Thing:
        if self.failing:
            raise ModelError("no memory; try again")
        thing = Thing()
        self.made.add(thing)
        return thing

    futures = Bundle[Future[Thing]]("futures")

    @rule(target=futures)
    def request(self) -> Future[Thing]:
        if self.closed:
            with pytest.raises(ModelError):
                self.places.request(itself)
            return Future()
        free = len(self.owned) < self.most
        spare_thing = len(self.made) > len(self.owned)
        if not free and len(self.queue) == MAX_WAITING:
            with pytest.raises(OverloadError):
                self.places.request(itself)
            return Future()
        future = self.places.request(itself)
        if not free:
            assert not future.done()
            self.queue.append(future)
        elif self.failing and not spare_thing:
            assert isinstance(future.exception(timeout=0), ModelError)
        else:
            assert future.done()
            self.owned.append(future)
        return future

    @rule(future=consumes(futures))
    def cancel(self, future: Future[Thing]) -> None:
        if future in self.queue:
            assert future.cancel()
            self.queue.remove(future)
        elif future in self.owned:
            assert not future.cancel()

    @precondition(lambda self: self.owned)
    @rule(which=integers(0, 2))
    def release(self, which: int) -> None:
        future = self.owned.pop(which % len(self.owned))
        self.places.release(future.result(timeout=0))
        if self.queue and not self.closed:
            first = self.queue.popleft()
            assert first.done()
            self.owned.append(first)

    @rule()
    def break_or_mend_the_factory(self) -> None:
        self.failing = not self.failing

    @precondition(lambda self: not self.closed)
    @rule(times=integers(0, 9))
    def close(self, times: int) -> None:
        if times:
            return  # closing ends the interesting part: do it seldom
        self.places.close()
        self.places.close()
        self.closed = True
        done = wait(self.queue, timeout=0).not_done
        assert not done
        assert all(future.cancelled() for future in self.queue)
        self.queue.clear()

    @invariant()
    def nobody_has_what_another_has(self) -> None:
        things = [future.result(timeout=0) for future in self.owned]
        assert len(set(things)) == len(things) <= self.most
        assert len(self.made) <= self.most
        assert not self.freed & set(things)

    @invariant()
    def nobody_waits_while_a_place_is_free(self) -> None:
        assert all(not future.done() for future in self.queue)
        assert not self.queue or len(self.owned) == self.most

    @invariant()
    def the_statistics_agree(self) -> None:
        stats = self.places.stats()
        assert stats.waiting == len(self.queue)
        assert stats.busy == len(self.owned)
        assert stats.made == len(self.made - self.freed)

    def teardown(self) -> None:
        self.places.close()
        for future in self.owned:
            self.places.release(future.result(timeout=0))
        assert self.freed == self.made


TestPlaces = PlacesMachine.TestCase
TestPlaces.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
