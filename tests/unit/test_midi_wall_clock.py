"""The wall clock of a performance: blocks, late looks, drift and sound that stands still."""

from __future__ import annotations

import random

import pytest

from gapless.play.live.wall_clock import WallClock

RATE_HZ = 48_000
MS = 1_000_000


def sights(
    seconds: float,
    *,
    block: int,
    drift: float = 0.0,
    late_ms: float = 2.0,
    stop_at_s: float = 1e9,
    stop_ms: float = 0.0,
) -> list[tuple[int, int]]:
    """What looks every 0 to ``late_ms`` after a block see: position and time.

    Block k is computed at k * block / rate, seen from a clock that goes by ``1 + drift``.
    """
    chance = random.Random(7)
    found = []
    for k in range(1, int(seconds * RATE_HZ / block)):
        true_ns = k * block / RATE_HZ * 1e9 * (1 + drift)
        if true_ns > stop_at_s * 1e9:
            true_ns += stop_ms * MS
        found.append((k * block, round(true_ns + chance.uniform(0, late_ms) * MS)))
    return found


# Of large blocks there are only few sights to choose from.
@pytest.mark.long
@pytest.mark.parametrize(
    ("block", "bound_ms"), [(64, 0.2), (256, 0.3), (1024, 0.8), (8192, 1.6)], ids=str
)
@pytest.mark.parametrize("drift", [-1e-4, 0.0, 1e-4], ids=str)
def test_it_follows_a_drifting_device_within_a_part_of_what_looks_are_late(
    block: int, bound_ms: float, drift: float
) -> None:
    clock = WallClock(RATE_HZ, 0, 0)
    worst = 0.0
    for position, now_ns in sights(60, block=block, drift=drift):
        clock.saw(position, now_ns)
        if position > 20 * RATE_HZ:
            true_ns = position / RATE_HZ * 1e9 * (1 + drift)
            worst = max(worst, abs(clock.time_ns_of(position) - true_ns))
    assert worst < bound_ms * MS
    assert clock.jumps == 0


def test_there_are_no_steps() -> None:
    clock = WallClock(RATE_HZ, 0, 0)
    before = None
    for position, now_ns in sights(30, block=256, drift=1e-4):
        clock.saw(position, now_ns)
        time_ns = clock.time_ns_of(position)
        if before is not None and position > RATE_HZ:
            step = time_ns - before - 256 / RATE_HZ * 1e9
            assert abs(step) < 0.6 * MS
        before = time_ns


def test_looks_between_blocks_say_nothing() -> None:
    clock = WallClock(RATE_HZ, 0, 0)
    clock.saw(256, 256 * 1_000_000_000 // RATE_HZ)
    was = clock.time_ns_of(10_000)
    for late in range(1, 400):
        clock.saw(256, late * MS)
    assert clock.time_ns_of(10_000) == was


@pytest.mark.parametrize("stop_ms", [30.0, 5000.0])
def test_sound_that_stood_still_is_followed(stop_ms: float) -> None:
    clock = WallClock(RATE_HZ, 0, 0)
    for position, now_ns in sights(15, block=256, stop_at_s=10, stop_ms=stop_ms):
        clock.saw(position, now_ns)
        true_ns = position / RATE_HZ * 1e9
        if RATE_HZ < position <= 10 * RATE_HZ:
            assert abs(clock.time_ns_of(position) - true_ns) < 2 * MS
        elif position > 10.6 * RATE_HZ:
            assert abs(clock.time_ns_of(position) - true_ns - stop_ms * MS) < 2 * MS
    assert clock.jumps == 1


def test_sound_that_runs_ahead_is_followed_at_once() -> None:
    clock = WallClock(RATE_HZ, 0, 0)
    for position, now_ns in sights(2, block=256):
        clock.saw(position, now_ns)
    clock.saw(4 * RATE_HZ, 2_000_000_000)
    assert clock.time_ns_of(4 * RATE_HZ) == 2_000_000_000
    assert clock.jumps == 1


def test_both_directions_agree() -> None:
    clock = WallClock(44_100, 1000, 5_000_000_000)
    for sample in (0, 999, 123_456_789):
        assert clock.sample_at(clock.time_ns_of(sample)) == sample
