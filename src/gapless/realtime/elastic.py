"""An elastic buffer between two clocks: one side pushes samples, the other pulls blocks, and neither waits.

In: float32 mono samples and the time of each push, from one thread. Out: blocks of float32 at any other times, from
another. Invariants: the delay through it stays at a target or comes back to it in bounded time; nobody hears a click:
too much is cut out with a cross-fade where the signal is most like itself, too little is repeated in the same way,
what runs out fades out in a repetition of itself and fades in again; clocks that differ by up to 250 ppm are followed
by resampling, without cuts, which adds noise 90 dB under a tone; finite samples give finite samples.
Thread: ``push`` the producer's, ``pull`` the consumer's, the rest any; the two may be callbacks.

    push -> ring -> voice that plays  ---+--> out         delay = what came by now, in samples, less what was taken
                 -> voice that leaves --/                 target = blocks of both sides + reserve (fill.py)

The delay is counted by the clock, not by the ring: what the producer's device has heard since its last push counts as
there. Else it would jump by a block whenever a push and a pull pass each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from gapless.realtime.drift import DRIFT, forgive, steer
from gapless.realtime.fill import (
    FILL,
    FillOptions,
    begin_fill,
    forget_difference,
    lasting_difference,
    note_blocks,
    note_late,
    note_left,
    target_samples,
)
from gapless.realtime.interpolate import AHEAD, BEFORE, make_table
from gapless.realtime.ring import OVERRUN, READ, WRITTEN, write
from gapless.realtime.voices import (
    SEARCH_SAMPLES,
    VOICES,
    fading,
    jump,
    leave,
    oldest_needed,
    render,
    start,
)
from gapless.realtime.zone import zone

CAPACITY: Final = 65_536
"""Of the ring."""
HISTORY: Final = 4_096
"""Samples that are kept after they were played, to repeat them."""
MAX_CAP: Final = 48_000
MAX_FADE: Final = 960
SHORTEST_FADE: Final = 32
SPARE: Final = 5
"""Samples more than a block that are wanted ahead of a voice: it may take them faster than its clock says."""

STAMPS: Final = 8
"""Places for the time of a push, so that the consumer reads one that the producer is not writing."""

# Indices into the counts.
DROPS: Final = 0
DROPPED: Final = 1
REPEATS: Final = 2
REPEATED: Final = 3
UNDERRUNS: Final = 4
MISSING: Final = 5
LATE: Final = 6
TARGET: Final = 7
DELAY: Final = 8
PARTS_PER_BILLION: Final = 9


class ElasticOptions(NamedTuple):
    """How a buffer behaves."""

    rate_hz: int = 48_000
    """Of both sides, by their own clocks."""
    cap_samples: int = 24_000
    """A longer delay is cut at once."""
    fade_samples: int = 240
    """Of cross-fades."""
    fill: FillOptions = FillOptions()


class ElasticCounts(NamedTuple):
    """What became of a buffer so far, in samples where nothing else is said."""

    drops: int
    """Cuts, because too much was waiting."""
    dropped: int
    """Samples that were left out by them, or while nothing was played."""
    repeats: int
    """Repetitions, because too little was waiting."""
    repeated: int
    """Samples of them."""
    underruns: int
    """How often nothing was left to play."""
    missing: int
    """Samples that had to be played without any."""
    late: int
    """Blocks that came so late that hardly anything was left."""
    overrun: int
    """Samples that did not even fit in."""
    target: int
    """The delay that is wanted now."""
    delay: int
    """The delay that there was at the last block."""
    drift_ppm: float
    """How much faster the producer's clock is thought to be."""


ELASTIC: Final = np.dtype(
    [
        # The producer's, but for the consumer's line of the ring's control.
        ("control", np.int64, (32,)),
        ("stamps", np.int64, (STAMPS * 3,)),  # position, nanoseconds, length of the block
        ("stamped", np.int64, (16,)),  # [0]: how many; the rest keeps the sides' lines apart
        ("samples", np.float32, (CAPACITY,)),
        # The consumer's.
        ("counts", np.int64, (16,)),
        ("fill", FILL),
        ("drift", DRIFT),
        ("voices", VOICES),
        ("rate_hz", np.float64),
        ("cap_samples", np.int64),
        ("position", np.int64),  # of the last push that was seen
        ("arrived", np.int64),  # samples that came since the one before
        ("overrun", np.int64),  # count that was seen
    ],
    align=True,
)

Elastic: TypeAlias = Annotated[Any, ELASTIC]
"""A record of it, as kernels see it."""


def make_elastic(options: ElasticOptions = ElasticOptions()) -> npt.NDArray[np.void]:  # noqa: B008  immutable
    """A buffer with nothing in it: one record of ``ELASTIC``; kernels take its element 0.

    Raises:
        ValueError: an option is out of its bounds.
    """
    elastic = np.zeros(1, ELASTIC)
    prepare_elastic(elastic, options)
    return elastic


def prepare_elastic(elastic: npt.NDArray[np.void], options: ElasticOptions) -> None:
    """Make zeroed records of ``ELASTIC``, for instance a field of another record, an empty buffer.

    Args:
        elastic: [1], written.
        options: see there.

    Raises:
        ValueError: an option is out of its bounds.
    """
    fill = options.fill
    _require("rate_hz", options.rate_hz, 8_000, 384_000)
    _require("fade_samples", options.fade_samples, SHORTEST_FADE, MAX_FADE)
    _require("max_reserve_samples", fill.max_reserve_samples, 1, MAX_CAP // 2)
    _require("min_reserve_samples", fill.min_reserve_samples, 1, fill.max_reserve_samples)
    _require("cap_samples", options.cap_samples, 2 * fill.max_reserve_samples, MAX_CAP)
    _require("near_miss_samples", fill.near_miss_samples, 0, fill.min_reserve_samples - 1)
    _require("growth_samples", fill.growth_samples, 1, fill.max_reserve_samples)
    _require("tolerance_samples", fill.tolerance_samples, 1, 1_000)
    _require("standing_samples", fill.standing_samples, 1, 10 * options.rate_hz)
    _require("calm_samples", fill.calm_samples, fill.standing_samples, 3_600 * options.rate_hz)
    elastic["voices"]["table"] = make_table()
    elastic["rate_hz"] = options.rate_hz
    elastic["cap_samples"] = options.cap_samples
    elastic["voices"]["fade_samples"] = options.fade_samples
    for name, value in fill._asdict().items():
        elastic["fill"][name] = value
    # A past of silence, so that there is always one.
    elastic["control"][0, WRITTEN] = elastic["position"] = HISTORY
    elastic["voices"]["at"] = HISTORY
    elastic["fill"]["standing_ns"] = fill.standing_samples * 1_000_000_000 // options.rate_hz
    begin_fill(elastic[0]["fill"])


def elastic_counts(elastic: npt.NDArray[np.void]) -> ElasticCounts:
    """What became of it so far; for any thread."""
    return ElasticCounts(*(values := _look(elastic[0]))[:-1], values[-1] / 1_000)


@zone
def push(elastic: Elastic, source: npt.NDArray[np.float32], now_ns: int) -> int:
    """Put samples in, as many as fit; the others are lost and counted.

    Args:
        elastic: a record of ``ELASTIC``.
        source: float32 [n], finite.
        now_ns: the time, by the clock that ``pull`` is told it by.

    Returns:
        How many fitted.
    """
    count = write(elastic.control, elastic.samples, source)
    number = load_relaxed(elastic.stamped, 0)
    place = number % STAMPS * 3
    store_relaxed(elastic.stamps, place, load_relaxed(elastic.control, WRITTEN))
    store_relaxed(elastic.stamps, place + 1, now_ns)
    store_relaxed(elastic.stamps, place + 2, source.shape[0])
    store_release(elastic.stamped, 0, number + 1)
    return count


@zone
def pull(elastic: Elastic, out: npt.NDArray[np.float32], now_ns: int) -> None:
    """Take the next block, whatever there is.

    Args:
        elastic: a record of ``ELASTIC``.
        out: float32 [n], written.
        now_ns: the time.
    """
    voices = elastic.voices
    block = out.shape[0]
    behind = _see_pushes(elastic, now_ns, block)
    written = load_acquire(elastic.control, WRITTEN)
    oldest = load_relaxed(elastic.control, READ)
    target = min(target_samples(elastic.fill), 0.75 * elastic.cap_samples)
    delay = elastic.position + behind - (voices.at + voices.fraction)
    lost = load_relaxed(elastic.control, OVERRUN)
    if lost != elastic.overrun:
        # Between what is here and what will come there is a hole that nobody may hear.
        elastic.overrun = lost
        leave(voices, elastic.samples, oldest)
        _add(elastic, DROPPED, written - voices.at)
        voices.at = written
    elif not voices.playing:
        _resume(elastic, delay, target, written, block)
    else:
        steer(elastic.drift, delay - target, elastic.fill.glide, block, elastic.rate_hz)
        if not fading(voices):
            _splice(elastic, delay - target, written, block, now_ns)
    played = voices.playing
    step = 1.0 + elastic.drift.speed
    missing = render(voices, elastic.samples, oldest, written, step, out)
    _add(elastic, MISSING, missing)
    if voices.playing:
        left = written - AHEAD - 1 - voices.at
        if left < elastic.fill.near_miss_samples:
            _add(elastic, LATE, 1)
            note_late(elastic.fill)
        note_left(elastic.fill, left, block)
    elif played:
        _add(elastic, UNDERRUNS, 1)
        note_late(elastic.fill)
    store_relaxed(elastic.counts, TARGET, int(target))
    store_relaxed(elastic.counts, DELAY, int(delay))
    store_relaxed(elastic.counts, PARTS_PER_BILLION, int(elastic.drift.constant * 1e9))
    keep_from = min(voices.at - HISTORY, oldest_needed(voices))
    if keep_from > oldest:
        store_release(elastic.control, READ, keep_from)


@zone
def _see_pushes(elastic: Elastic, now_ns: int, block: int) -> float:
    """Look at the last push; gives how many samples the producer must have heard since."""
    number = load_acquire(elastic.stamped, 0)
    if number == 0:
        return 0.0
    place = (number - 1) % STAMPS * 3
    position = load_relaxed(elastic.stamps, place)
    stamp_ns = load_relaxed(elastic.stamps, place + 1)
    pushed = load_relaxed(elastic.stamps, place + 2)
    note_blocks(elastic.fill, pushed, block)
    if position > elastic.position:
        elastic.arrived = position - elastic.position
        elastic.position = position
    heard: float = (now_ns - stamp_ns) * 1e-9 * elastic.rate_hz
    most = max(elastic.arrived, elastic.fill.pushed, elastic.fill.pushed_before)
    return min(max(heard, 0.0), float(most))


@zone
def _resume(elastic: Elastic, delay: float, target: float, written: int, block: int) -> None:
    """Play again, if enough is there: from where the delay is the target."""
    if fading(elastic.voices):
        return
    at = elastic.voices.at
    last = written - AHEAD - SPARE - block
    if delay < target or at > last:
        return
    place = min(at + int(delay - target), last)
    _add(elastic, DROPPED, place - at)
    start(elastic.voices, place)
    _set_right(elastic)


@zone
def _splice(elastic: Elastic, difference: float, written: int, block: int, now_ns: int) -> None:
    """Take out what is too much, repeat what is too little, if it lasts."""
    lasting = lasting_difference(elastic.fill, difference, now_ns)
    if elastic.position - elastic.voices.at > elastic.cap_samples:
        lasting = difference
    if lasting > 0.0:
        _cut(elastic, int(lasting), written, block)
    elif lasting < 0.0:
        _repeat(elastic, int(-lasting), written)


@zone
def _cut(elastic: Elastic, surplus: int, written: int, block: int) -> None:
    voices = elastic.voices
    fade = voices.fade_samples
    # What the new voice needs in this block and in the fade must be there.
    ahead = written - AHEAD - SPARE - max(block, fade) - voices.at
    high = min(surplus + elastic.fill.tolerance_samples, ahead)
    low = max(surplus - min(surplus // 2, SEARCH_SAMPLES), 1)
    if high < low:
        return
    cut = jump(voices, elastic.samples, min(surplus, high), low, high, fade)
    _add(elastic, DROPS, 1)
    _add(elastic, DROPPED, cut)
    _set_right(elastic)


@zone
def _repeat(elastic: Elastic, lack: int, written: int) -> None:
    voices = elastic.voices
    # The old voice is ahead of the new one: it fades over what is there.
    fade = min(voices.fade_samples, written - AHEAD - SPARE - voices.at)
    past = voices.at - BEFORE - load_relaxed(elastic.control, READ)
    wanted = min(lack, past, HISTORY // 2)
    if fade < SHORTEST_FADE or wanted < 1:
        return
    most = min(wanted + elastic.fill.tolerance_samples, past)
    least = max(wanted // 2, 1)
    back = -jump(voices, elastic.samples, -wanted, -most, -least, fade)
    _add(elastic, REPEATS, 1)
    _add(elastic, REPEATED, back)
    _set_right(elastic)


@zone
def _set_right(elastic: Elastic) -> None:
    forgive(elastic.drift)
    forget_difference(elastic.fill)


@zone
def _add(elastic: Elastic, index: int, amount: int) -> None:
    store_relaxed(elastic.counts, index, load_relaxed(elastic.counts, index) + amount)


@zone
def _look(elastic: Elastic) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    counts = elastic.counts
    return (
        load_relaxed(counts, DROPS),
        load_relaxed(counts, DROPPED),
        load_relaxed(counts, REPEATS),
        load_relaxed(counts, REPEATED),
        load_relaxed(counts, UNDERRUNS),
        load_relaxed(counts, MISSING),
        load_relaxed(counts, LATE),
        load_relaxed(elastic.control, OVERRUN),
        load_relaxed(counts, TARGET),
        load_relaxed(counts, DELAY),
        load_relaxed(counts, PARTS_PER_BILLION),
    )


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}; choose {least} to {most}")
