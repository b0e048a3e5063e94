"""The ring at full speed, between threads and between processes, and when one of them is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gapless.realtime.ring import Ring, counts, make_ring, skip
from gapless.testing.ring_stress import check, feed, map_ring

pytestmark = pytest.mark.long

COUNT = 100_000_000
CAPACITY = 65_536
"""Large, so that a side that has no processor for a while does not stop the other one at once."""
FEW, SMALL = 2_000_000, 64
"""With a small ring the sides meet at every chunk."""
ENDLESS = 10**15
PATIENCE_S = 60.0


def chunk_for(ring: Ring) -> np.ndarray:
    return np.empty(2 * len(ring.samples), np.float32)


@contextmanager
def other_process(side: str, file: Path, count: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [side, str(file), str(CAPACITY), str(count)]
    process = subprocess.Popen([sys.executable, "-m", "gapless.testing.ring_stress", *arguments])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "the other side does not go on"
        time.sleep(0.001)


@pytest.mark.parametrize(("capacity", "count"), [(CAPACITY, COUNT), (SMALL, FEW)])
def test_between_threads_every_sample_goes_through_once_and_in_order(
    capacity: int, count: int
) -> None:
    ring = make_ring(capacity)
    fed: list[int] = []
    feeder = threading.Thread(target=lambda: fed.append(feed(*ring, chunk_for(ring), count, 1)))
    feeder.start()
    assert check(*ring, chunk_for(ring), count, 2) == (count, 0)
    feeder.join()
    assert fed == [count]
    seen = counts(ring)
    assert (seen.written, seen.read) == (count, count)
    assert seen.overrun
    assert seen.underrun, "both sides had to wait, else nothing was tried"


@pytest.mark.parametrize("here", ["feed", "check"])
def test_between_processes_every_sample_goes_through_once_and_in_order(
    here: str, tmp_path: Path
) -> None:
    ring = map_ring(tmp_path / "ring", CAPACITY)
    there = "check" if here == "feed" else "feed"
    with other_process(there, tmp_path / "ring", COUNT) as process:
        if here == "feed":
            assert feed(*ring, chunk_for(ring), COUNT, 1) == COUNT
        else:
            assert check(*ring, chunk_for(ring), COUNT, 2) == (COUNT, 0)
        assert process.wait(PATIENCE_S) == 0
    assert (counts(ring).written, counts(ring).read) == (COUNT, COUNT)


def test_writers_that_are_killed_leave_no_torn_sample(tmp_path: Path) -> None:
    ring = map_ring(tmp_path / "ring", CAPACITY)
    seen: list[tuple[int, int]] = []
    checker = threading.Thread(target=lambda: seen.append(check(*ring, chunk_for(ring), COUNT, 2)))
    checker.start()
    for goal in (COUNT // 4, COUNT):
        with other_process("feed", tmp_path / "ring", ENDLESS):
            wait_until(partial(written_up_to, ring, goal))
    checker.join()
    assert seen == [(COUNT, 0)]


def written_up_to(ring: Ring, position: int) -> bool:
    return counts(ring).written >= position


def test_a_reader_that_is_killed_is_replaced_where_it_stopped(tmp_path: Path) -> None:
    ring = map_ring(tmp_path / "ring", CAPACITY)
    feeder = threading.Thread(target=lambda: feed(*ring, chunk_for(ring), COUNT, 1))
    feeder.start()
    with other_process("check", tmp_path / "ring", ENDLESS):
        wait_until(lambda: counts(ring).read > COUNT // 10)
    rest = COUNT - counts(ring).read
    assert rest
    assert check(*ring, chunk_for(ring), rest, 3) == (rest, 0)
    feeder.join()


def test_a_writer_that_died_half_way_through_a_chunk_is_not_heard() -> None:
    ring = make_ring(64)
    chunk = chunk_for(ring)
    assert feed(*ring, chunk, 40, 1) == 40
    ring.samples[40:60] = np.nan  # copied, but its end was never told
    assert check(*ring, chunk, 40, 1) == (40, 0)
    assert counts(ring).written == 40
    assert feed(*ring, chunk, 30, 2) == 30
    assert check(*ring, chunk, 30, 2) == (30, 0)


@pytest.mark.parametrize("fault", ["changed", "lost", "early"])
def test_the_check_sees_what_is_wrong(fault: str) -> None:
    ring = make_ring(64)
    chunk = chunk_for(ring)
    feed(*ring, chunk, 40, 1)
    if fault == "changed":
        ring.samples[17] += 1
        expected = (40, 1)
    elif fault == "lost":
        ring.samples[10:39] = ring.samples[11:40].copy()
        expected = (40, 29)
    else:  # told before it was written
        ring.control[0] += 5
        expected = (45, 5)
    assert check(*ring, chunk, expected[0], 1) == expected
    assert skip(ring.control, 9) == 0
