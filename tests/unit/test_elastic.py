"""The elastic buffer: schedules of two clocks, played through without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.realtime.elastic import (
    ELASTIC,
    HISTORY,
    ElasticCounts,
    ElasticOptions,
    elastic_counts,
    make_elastic,
    prepare_elastic,
    pull,
    push,
)
from gapless.realtime.fill import FillOptions
from gapless.realtime.interpolate import AHEAD
from gapless.testing.detectors import clicks, find_flaws
from gapless.testing.two_clocks import Heard, Wakeups, play, regular

pytestmark = pytest.mark.long

RATE_HZ: Final = 48_000
SECOND: Final = 1_000_000_000
MS: Final = 1_000_000
TOLERANCE: Final = FillOptions().tolerance_samples
RESERVE: Final = FillOptions().min_reserve_samples


def tone(n: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE_HZ)).astype(np.float32)


def hiss(n: int) -> Samples:
    return (0.2 * np.random.default_rng(7).standard_normal(n)).astype(np.float32)


def voiced(n: int) -> Samples:
    """Pulses of a throat at 110 Hz through two formants, louder and softer four times a second."""
    pulses = np.zeros(n)
    pulses[:: RATE_HZ // 110] = 1.0
    for frequency_hz, width_hz in ((600, 80), (1_300, 120), (2_600, 200)):
        pole = np.exp(np.pi * (-width_hz + 2j * frequency_hz) / RATE_HZ)
        length = np.arange(4_000)
        response = (pole**length).imag * np.hanning(8_000)[4_000:]
        size = 1 << (n + 4_000).bit_length()
        pulses = np.fft.irfft(np.fft.rfft(pulses, size) * np.fft.rfft(response, size), size)[:n]
    pulses *= 1.1 + np.sin(2 * np.pi * 4 * np.arange(n) / RATE_HZ)
    return np.asarray(0.5 * pulses / np.abs(pulses).max(), np.float32)


SOUNDS: Final = {"tone": tone, "hiss": hiss, "voiced": voiced}


@pytest.mark.parametrize(("push_block", "pull_block"), [(240, 32), (128, 441), (480, 1_024)])
def test_sound_comes_out_as_late_as_it_says(push_block: int, pull_block: int) -> None:
    elastic = make_elastic()
    pushes = regular(push_block, seconds=1)
    pulls = regular(pull_block, seconds=0.99, phase=0.37)
    source = hiss(RATE_HZ)
    heard = play(elastic, source, pushes, pulls)
    seen = elastic_counts(elastic)
    assert seen.target == push_block + pull_block + AHEAD + RESERVE
    assert abs(seen.delay - seen.target) <= 1
    assert seen._replace(dropped=0, missing=0)[:8] == (0,) * 8
    # A pull's first sample is as old as the delay at that time.
    late = int(np.argmax(np.correlate(source, heard.samples[RATE_HZ // 2 :][:4_000], "valid")))
    first_pull = int(pulls.at_ns[0] * RATE_HZ / SECOND)
    assert RATE_HZ // 2 + first_pull - late == pytest.approx(seen.delay, abs=2)


@pytest.mark.parametrize("frequency_hz", [1_000, 10_000])
def test_following_another_clock_adds_no_noise_to_a_tone(frequency_hz: int) -> None:
    elastic = make_elastic()
    pushes = regular(480, seconds=40, ppm=150)
    pulls = regular(441, seconds=39.9)
    angle = 2 * np.pi * frequency_hz * np.arange(RATE_HZ) / RATE_HZ
    source = np.resize(0.5 * np.sin(angle), int(pushes.blocks.sum())).astype(np.float32)
    heard = play(elastic, source, pushes, pulls).samples[-RATE_HZ:]
    assert elastic_counts(elastic).drift_ppm > 100
    power = np.abs(np.fft.rfft(heard * np.kaiser(RATE_HZ, 24))) ** 2
    tone_is = np.abs(np.arange(len(power)) - frequency_hz) < 50
    assert 10 * np.log10(power[~tone_is].sum() / power[tone_is].sum()) < -90


def test_it_begins_with_silence_and_fades_in() -> None:
    elastic = make_elastic()
    heard = play(
        elastic, np.ones(RATE_HZ, np.float32), regular(480, seconds=1), regular(480, seconds=0.9)
    )
    first = int(np.flatnonzero(heard.samples)[0])
    assert 480 <= first <= 1_440
    fade = heard.samples[first : first + 240]
    assert np.diff(fade).max() < 1.6 / 240
    assert (np.diff(fade) >= 0).all()
    assert (heard.samples[first + 240 :] == 1).all()
    assert elastic_counts(elastic).missing == first


@pytest.mark.parametrize(
    ("rate_hz", "ppm", "push_block", "pull_block"),
    [(48_000, 200, 480, 441), (16_000, -200, 128, 160), (16_000, 250, 512, 100)],
)
def test_eleven_minutes_of_two_clocks_are_followed_without_a_cut(
    rate_hz: int, ppm: int, push_block: int, pull_block: int
) -> None:
    elastic = make_elastic(ElasticOptions(rate_hz=rate_hz))
    rng = np.random.default_rng(8)

    def jitter() -> np.ndarray:
        return np.minimum(rng.exponential(0.3 * MS, 9_973), 1 * MS).astype(np.int64)

    pushes = regular(push_block, seconds=662, rate_hz=rate_hz, ppm=ppm, late_ns=jitter())
    pulls = regular(pull_block, seconds=661, rate_hz=rate_hz, phase=0.3, late_ns=jitter())
    angle = 2 * np.pi * 440 * np.arange(rate_hz * 62) / rate_hz
    sound = (0.5 * np.sin(angle)).astype(np.float32)
    bend = np.abs(np.diff(sound[:rate_hz], 2)).max()
    given = 0
    settled = elastic_counts(elastic)
    for minute in range(11):
        span = (60 * SECOND * minute, 60 * SECOND * (minute + 1))
        part = pushes.between(*span)
        heard = play(elastic, sound[given % rate_hz :], part, pulls.between(*span))
        given += int(part.blocks.sum())
        if minute == 0:
            settled = elastic_counts(elastic)
            continue
        assert np.abs(heard.delays - heard.targets).max() <= TOLERANCE
        assert np.abs(np.diff(heard.samples, 2)).max() < 1.05 * bend
    seen = elastic_counts(elastic)
    assert seen[:8] == settled[:8]
    assert seen.target == push_block + pull_block + AHEAD + RESERVE
    assert seen.drift_ppm == pytest.approx(ppm, abs=5)
    assert not find_flaws(heard.samples[-20 * rate_hz :], rate_hz).any()


STALLS: Final[dict[str, Callable[[Wakeups, Wakeups, int, int], tuple[Wakeups, Wakeups]]]] = {
    "producer-late": lambda pushes, pulls, start, end: (pushes.stalled(start, end), pulls),
    "consumer-late": lambda pushes, pulls, start, end: (pushes, pulls.stalled(start, end)),
    "consumer-skips": lambda pushes, pulls, start, end: (pushes, pulls.without(start, end)),
}
"""A thread that is not woken up and catches up later; a device that did not ask for a while, and never will."""


def stall(
    sound: Callable[[int], Samples], kind: str, stall_ms: int, block: int, seconds: int = 4
) -> tuple[Samples, Heard, Wakeups, ElasticCounts]:
    elastic = make_elastic(ElasticOptions(fill=FillOptions(calm_samples=RATE_HZ)))
    pushes = regular(block, seconds=seconds, ppm=50)
    pulls = regular(block, seconds=seconds - 0.1, phase=0.4)
    source = sound(int(pushes.blocks.sum()))
    changed = STALLS[kind](pushes, pulls, 2 * SECOND, 2 * SECOND + stall_ms * MS)
    heard = play(elastic, source, *changed)
    return source, heard, changed[1], elastic_counts(elastic)


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("kind", STALLS)
@pytest.mark.parametrize(
    ("stall_ms", "block"), [(1, 128), (5, 128), (20, 128), (20, 480), (100, 128), (700, 480)]
)
def test_a_stall_is_not_heard_as_a_click_and_the_delay_comes_back(
    sound: str, kind: str, stall_ms: int, block: int
) -> None:
    source, heard, pulls, seen = stall(SOUNDS[sound], kind, stall_ms, block)
    # The seam's largest step is not larger than the signal's own.
    own = np.abs(np.diff(source)).max()
    assert np.abs(np.diff(heard.samples)).max() < 1.12 * own
    assert not len(clicks(heard.samples[RATE_HZ // 2 :], RATE_HZ))
    # Back at the target soon after; the target allows for one more step.
    off = np.abs(heard.delays - heard.targets) > TOLERANCE
    off &= pulls.at_ns >= 1 * SECOND
    last_ns = pulls.at_ns[off].max(initial=2 * SECOND)
    assert last_ns <= 2 * SECOND + (stall_ms + 300) * MS
    before = heard.targets[np.searchsorted(pulls.at_ns, 2 * SECOND) - 1]
    assert heard.targets.max() <= before + FillOptions().growth_samples
    if stall_ms >= 100 and kind == "producer-late":
        assert seen.underruns == 1
        assert seen.missing > 0.8 * (stall_ms - 20) * RATE_HZ / 1_000
    if stall_ms <= 100 and kind == "consumer-late":
        assert (seen.drops, seen.underruns) == (0, 0)
    if stall_ms >= 5 and kind == "consumer-skips":
        assert 1 <= seen.drops <= 4
        assert seen.underruns == 0


@pytest.mark.parametrize("kind", STALLS)
@pytest.mark.parametrize("stall_ms", [1, 5, 20, 100])
def test_a_stall_leaves_no_lasting_delay(kind: str, stall_ms: int) -> None:
    _, heard, pulls, _ = stall(tone, kind, stall_ms, 128, seconds=30)
    before = heard.targets[np.searchsorted(pulls.at_ns, 2 * SECOND) - 1]
    assert heard.targets[-1] == before
    assert abs(heard.delays[-1] - before) <= 20


def test_what_runs_out_fades_out_and_comes_back_when_enough_is_there() -> None:
    source, heard, _, seen = stall(tone, "producer-late", 100, 480)
    silent = np.flatnonzero(np.abs(heard.samples) < 1e-7)
    silent = silent[(silent > 2 * RATE_HZ) & (silent < 3 * RATE_HZ)]
    begin, end = silent[0], silent[-1]
    assert 0.07 * RATE_HZ < end - begin < seen.missing
    loudness = [np.abs(heard.samples[k : k + 110]).max() for k in range(begin - 330, begin, 110)]
    assert loudness[0] > loudness[1] > loudness[2]
    # Everything that was there was played: the fade is made of what is repeated.
    assert np.abs(heard.samples[begin - 400 : begin - 240]).max() > 0.49
    assert np.abs(heard.samples[end + 240 : end + 400]).max() > 0.49
    assert np.abs(source).max() == pytest.approx(0.5, abs=1e-3)


def test_late_wake_ups_again_and_again_are_allowed_for_and_forgotten() -> None:
    elastic = make_elastic(ElasticOptions(fill=FillOptions(calm_samples=RATE_HZ)))
    late_ns = np.zeros(3_750, np.int64)
    late_ns[375:3_000:75] = 6 * MS
    seconds = 60
    pushes = regular(
        128, seconds=seconds, late_ns=np.concatenate([late_ns, np.zeros(40_000, np.int64)])
    )
    pulls = regular(128, seconds=seconds - 0.1, phase=0.5)
    heard = play(elastic, tone(int(pushes.blocks.sum())), pushes, pulls)
    seen = elastic_counts(elastic)
    at = np.searchsorted(pulls.at_ns, np.array([1, 4, 8, 59]) * SECOND)
    first, later, grown, last = heard.targets[at]
    assert first == last == 256 + AHEAD + RESERVE
    assert first < grown <= later
    # It learned: later ones of the same lateness are not heard any more.
    hurt = np.flatnonzero(np.abs(heard.samples[RATE_HZ // 10 :]) == 0)
    gaps = np.unique(hurt[np.abs(np.diff(hurt, prepend=-9)) == 1] // (RATE_HZ // 5))
    assert len(gaps) <= 4
    assert seen.underruns <= 4
    assert seen.repeats >= 1
    assert not len(clicks(heard.samples, RATE_HZ))


def test_a_delay_beyond_the_cap_is_cut_at_once() -> None:
    elastic = make_elastic(ElasticOptions(cap_samples=9_600))
    pushes = regular(480, seconds=3)
    pulls = regular(480, seconds=2.9, phase=0.5).without(1 * SECOND, 1 * SECOND + 300 * MS)
    heard = play(elastic, voiced(3 * RATE_HZ), pushes, pulls)
    after = int(np.searchsorted(pulls.at_ns, 1 * SECOND))
    assert heard.delays[after] > 9_600
    assert heard.delays[after + 1] < 9_600 // 2
    assert not len(clicks(heard.samples, RATE_HZ))


def test_what_did_not_fit_leaves_a_hole_that_is_not_heard_as_a_click() -> None:
    elastic = make_elastic()
    pushes = regular(480, seconds=5)
    pulls = regular(480, seconds=4.9, phase=0.5).without(1 * SECOND, 3 * SECOND)
    heard = play(elastic, tone(5 * RATE_HZ), pushes, pulls)
    seen = elastic_counts(elastic)
    assert seen.overrun > 0
    assert not len(clicks(heard.samples, RATE_HZ))
    assert abs(heard.delays[-1] - heard.targets[-1]) <= TOLERANCE
    assert np.abs(heard.samples[-RATE_HZ:]).max() > 0.49


def test_without_a_producer_there_is_silence() -> None:
    elastic = make_elastic()
    out = np.ones(480, np.float32)
    for k in range(100):
        pull(elastic[0], out, k * 10 * MS)
        assert not out.any()
    assert elastic_counts(elastic).underruns == 0


def test_without_a_consumer_the_producer_is_told() -> None:
    elastic = make_elastic()
    block = np.ones(4_096, np.float32)
    taken = [push(elastic[0], block, k) for k in range(20)]
    assert taken == [4_096] * 15 + [0] * 5
    assert elastic_counts(elastic).overrun == 5 * 4_096


def test_it_can_be_a_field_of_another_record() -> None:
    whole = np.zeros(1, np.dtype([("before", np.int64), ("elastic", ELASTIC)], align=True))
    prepare_elastic(whole["elastic"], ElasticOptions())
    push(whole[0]["elastic"], np.ones(100, np.float32), 0)
    assert elastic_counts(whole["elastic"]) == elastic_counts(make_elastic())
    assert whole["elastic"]["control"][0, 0] == HISTORY + 100


@pytest.mark.parametrize(
    "options",
    [
        ElasticOptions(rate_hz=0),
        ElasticOptions(cap_samples=100),
        ElasticOptions(fade_samples=8),
        ElasticOptions(fill=FillOptions(min_reserve_samples=0)),
        ElasticOptions(fill=FillOptions(min_reserve_samples=200, max_reserve_samples=100)),
        ElasticOptions(fill=FillOptions(near_miss_samples=96)),
        ElasticOptions(fill=FillOptions(calm_samples=1)),
    ],
    ids=["rate", "cap", "fade", "no-reserve", "reserve-order", "near-miss", "calm"],
)
def test_options_out_of_bounds_are_refused_with_the_bounds(options: ElasticOptions) -> None:
    with pytest.raises(ValueError, match=r"is -?\d+; choose \d+ to \d+"):
        make_elastic(options)
