"""Places between threads: what the state machine of ``test_places_machine`` cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Barrier, Event, Lock

import pytest

from gapless.errors import ModelError, OverloadError
from gapless.listen.recogniser.places import Places

BOUND_S = 20.0


def discard(_: object) -> None:
    """Nothing to free."""


def itself(thing: object) -> object:
    return thing


class Counted:
    """Counts how many hold something at the same time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.now = 0
        self.peak = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
        yield
        with self.lock:
            self.now -= 1


def test_never_more_than_the_bound_are_handed_out_and_nothing_is_lost_when_cancels_race() -> None:
    places = Places(object, discard, most=3, max_waiting=1000)
    counted = Counted()
    barrier = Barrier(8)

    def work(seed: int) -> int:
        barrier.wait(BOUND_S)
        served = 0
        for turn in range(200):
            future = places.request(itself)
            if (turn + seed) % 3 == 0 and future.cancel():
                continue
            # Cancelling failed or was not tried: the place is ours, sooner or later.
            thing = future.result(BOUND_S)
            with counted.held():
                served += 1
            places.release(thing)
        return served

    with ThreadPoolExecutor(8) as pool:
        served = sum(pool.map(work, range(8)))

    assert served > 0
    assert counted.peak <= 3
    stats = places.stats()
    assert (stats.busy, stats.waiting) == (0, 0)
    assert stats.made <= 3


def test_a_slow_factory_does_not_hold_up_others() -> None:
    slow, go = Event(), Event()
    made: list[object] = []

    def make() -> object:
        made.append(object())
        if len(made) == 2:
            slow.set()
            assert go.wait(BOUND_S)
        return made[-1]

    places = Places(make, discard, most=2, max_waiting=4)
    first = places.request(itself).result(0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(places.request, itself)
        assert slow.wait(BOUND_S)
        waiting = places.request(itself)
        places.release(first)
        served_meanwhile = waiting.done()
        go.set()
        assert second.result(BOUND_S).result(BOUND_S)

    assert served_meanwhile


def test_what_is_made_while_the_pool_closes_is_freed_when_it_is_released() -> None:
    making, go = Event(), Event()
    freed: list[object] = []

    def make() -> object:
        making.set()
        assert go.wait(BOUND_S)
        return object()

    places = Places(make, freed.append, most=1, max_waiting=4)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(places.request, itself)
        assert making.wait(BOUND_S)
        places.close()
        go.set()
        thing = asked.result(BOUND_S).result(BOUND_S)
    assert freed == []
    places.release(thing)

    assert freed == [thing]


def test_if_making_fails_the_next_who_waits_gets_a_try() -> None:
    outcomes: list[Exception | str] = [ModelError("no memory; try again"), "made"]
    making, go = Event(), Event()

    def make() -> str:
        making.set()
        assert go.wait(BOUND_S)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    places = Places(make, discard, most=1, max_waiting=4)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(places.request, itself)
        assert making.wait(BOUND_S)
        waiting = places.request(itself)
        go.set()
        failed = asked.result(BOUND_S)

    assert isinstance(failed.exception(0), ModelError)
    assert waiting.result(0) == "made"


def test_cancelled_waiters_do_not_fill_the_queue() -> None:
    places = Places(object, discard, most=1, max_waiting=2)
    places.request(itself)
    gone = [places.request(itself) for _ in range(2)]
    for future in gone:
        future.cancel()

    assert not places.request(itself).done()
    assert not wait(gone, timeout=0).not_done


def test_a_full_queue_says_when_to_come_back() -> None:
    places = Places(object, discard, most=1, max_waiting=0)
    places.request(itself)

    with pytest.raises(OverloadError, match="try again") as caught:
        places.request(itself)

    assert caught.value.retry_after_ms == 1000


def test_a_closed_pool_refuses_requests_and_cancels_those_who_wait() -> None:
    places = Places(object, discard, most=1, max_waiting=2)
    places.request(itself)
    waiting: Future[object] = places.request(itself)
    places.close()

    with pytest.raises(CancelledError):
        waiting.result(0)
    with pytest.raises(ModelError, match="open it again"):
        places.request(itself)
