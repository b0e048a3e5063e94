"""The pool of channels under threads: who waits is served in order, in time, or told why not."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from gapless.errors import ConnectionLostError, DeadlineError, OverloadError
from gapless.infer.triton.channels import Channels, Lease
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages
from gapless.testing.triton_channel import FakeTriton

LONG_MS = 60_000


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Pool:
    """Channels to a server that is never asked."""

    def __init__(self, **options: int) -> None:
        self.server = FakeTriton(lambda method, request: messages.ModelReadyResponse())
        self.woken = threading.Event()
        said = {"min_channels": 0, "max_channels": 1, "acquire_timeout_ms": LONG_MS} | options
        self.channels = Channels(
            TritonOptions(urls=("here:1",), **said),  # type: ignore[arg-type]
            self.server.connect,
            "the model here",
            clock=now_ms,
            wake=self.woken.set,
        )

    def acquire(self, timeout_ms: int = LONG_MS) -> Lease | Failure:
        return self.channels.acquire(now_ms() + timeout_ms)

    def take(self) -> Lease:
        lease = self.acquire()
        assert isinstance(lease, Lease)
        return lease

    def until_waiting(self, number: int) -> None:
        while self.channels.stats().waiting != number:
            pass

    def close(self) -> None:
        self.channels.close()


@pytest.fixture
def pool() -> Iterator[Pool]:
    with closing(Pool()) as pool:
        yield pool


def error_of(outcome: Lease | Failure) -> Exception:
    assert isinstance(outcome, Failure)
    return outcome.error


def test_who_waits_is_served_in_order(pool: Pool) -> None:
    lease = pool.take()
    order: list[int] = []

    def wait(number: int) -> None:
        mine = pool.take()
        order.append(number)
        pool.channels.release(mine)

    with ThreadPoolExecutor(3) as callers:
        waits: list[Future[None]] = []
        for number in range(3):
            waits.append(callers.submit(wait, number))
            pool.until_waiting(number + 1)
        pool.channels.release(lease)
    assert [future.result() for future in waits] == [None] * 3
    assert order == [0, 1, 2]
    assert pool.server.opened == [1]


def test_who_waits_too_long_is_refused() -> None:
    with closing(Pool(acquire_timeout_ms=1)) as pool:
        lease = pool.take()
        refused = error_of(pool.acquire())
        assert isinstance(refused, OverloadError)
        assert refused.retry_after_ms
        assert "none of the 1 connections to the model here came free within 1 ms" in str(refused)
        pool.channels.release(lease)
        assert pool.take().channel == lease.channel


def test_who_finds_too_many_waiting_is_refused_at_once() -> None:
    with closing(Pool(max_waiting_calls=1)) as pool, ThreadPoolExecutor(1) as other:
        lease = pool.take()
        waits = other.submit(pool.take)
        pool.until_waiting(1)
        refused = error_of(pool.acquire())
        assert isinstance(refused, OverloadError)
        assert "1 calls wait" in str(refused)
        pool.channels.release(lease)
        assert waits.result().channel == lease.channel


def test_who_has_less_time_than_the_pool_gives_up_by_the_deadline(pool: Pool) -> None:
    lease = pool.take()
    assert isinstance(error_of(pool.acquire(timeout_ms=1)), DeadlineError)
    assert pool.channels.stats().waiting == 0
    pool.channels.release(lease)
    assert pool.channels.stats().lent == 0, "lent to somebody who is gone"


@pytest.mark.parametrize("end", [Channels.suspend, Channels.close])
def test_an_outage_sends_away_who_waits(pool: Pool, end: Callable[[Channels], None]) -> None:
    lease = pool.take()
    with ThreadPoolExecutor(1) as other:
        waits = other.submit(pool.acquire)
        pool.until_waiting(1)
        end(pool.channels)
        assert isinstance(error_of(waits.result()), ConnectionLostError)
    assert isinstance(error_of(pool.acquire()), ConnectionLostError)
    assert pool.server.open == {lease.channel}
    pool.channels.release(lease)
    assert pool.server.open == set()


def test_an_interrupted_caller_takes_no_channel_with_it(pool: Pool) -> None:
    lease = pool.take()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            pool.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert pool.channels.stats().waiting == 0
    pool.channels.release(lease)
    assert pool.channels.stats().lent == 0


def test_a_suspect_channel_is_to_be_checked(pool: Pool) -> None:
    lease = pool.take()
    pool.channels.release(lease, suspect=True)
    assert pool.woken.is_set()
    assert pool.channels.to_check() == [lease]
    assert pool.channels.to_check() == []
    pool.channels.checked(lease, healthy=False)
    assert pool.server.open == set()
    assert pool.take().channel != lease.channel


@pytest.mark.long
def test_many_threads_never_have_more_than_there_may_be() -> None:
    with closing(Pool(max_channels=3)) as pool:
        lent: set[int] = set()
        lock = threading.Lock()

        def borrow(_: int) -> int:
            lease = pool.take()
            with lock:
                assert lease.channel not in lent
                lent.add(lease.channel)
                among = len(lent)
            with lock:
                lent.remove(lease.channel)
            pool.channels.release(lease)
            return among

        with ThreadPoolExecutor(16) as callers:
            assert max(callers.map(borrow, range(2000))) <= 3
        stats = pool.channels.stats()
        assert stats.granted == 2000
        assert stats.lent == stats.waiting == stats.refused == stats.timed_out == 0
        assert len(pool.server.opened) <= 3
