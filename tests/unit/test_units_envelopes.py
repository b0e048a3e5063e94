"""How something comes and goes."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.play.sound.envelopes import ad, adsr, ar, asr, curve, env, line, segments, xline
from gapless.play.sound.unit import Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-control")]

RATE_HZ = 1000.0
"""One sample is a millisecond."""


def test_an_adsr_is_four_straight_lines() -> None:
    gate = np.zeros(1024, np.float32)
    gate[100:600] = 1
    level = Bench(adsr, RATE_HZ).run(
        1024, attack=0.1, decay=0.2, sustain=0.5, release=0.3, gate=gate
    )
    times = [0, 99, 199, 299, 399, 599, 600 + 74, 600 + 149, 1000]
    assert level[times] == pytest.approx([0, 0, 1, 0.75, 0.5, 0.5, 0.25, 0, 0], abs=5e-3)
    assert np.abs(np.diff(level)).max() < 0.0101


def test_an_env_is_the_signal_times_an_adsr() -> None:
    times = {"attack": 0.1, "decay": 0.2, "sustain": 0.5, "release": 0.3}
    level = Bench(adsr, RATE_HZ).run(640, **times)
    assert Bench(env, RATE_HZ).run(640, in_=2.0, **times) == pytest.approx(2 * level)


def test_a_gate_that_nobody_closes_begins_with_the_sound_and_stays() -> None:
    level = Bench(asr, RATE_HZ).run(640, attack=0.1)
    assert level[49] == pytest.approx(0.5)
    assert (level[100:] == 1).all()


def test_an_asr_falls_from_where_it_is() -> None:
    gate = np.zeros(640, np.float32)
    gate[:50] = 1
    level = Bench(asr, RATE_HZ).run(640, attack=0.1, release=0.2, gate=gate)
    assert level.max() == pytest.approx(0.5)
    assert level[149] == pytest.approx(0.0, abs=1e-6)
    assert level[99] == pytest.approx(0.25, abs=6e-3)


@pytest.mark.parametrize("unit", [ar, ad])
def test_one_trigger_is_one_rise_and_fall(unit: Unit) -> None:
    trig = np.zeros(1280, np.float32)
    trig[100] = trig[700:] = 1
    length = {"release": 0.2} if unit is ar else {"decay": 0.2}
    level = Bench(unit, RATE_HZ).run(1280, attack=0.1, trig=trig, **length)
    assert not level[:100].any()
    assert np.flatnonzero(level == 1).tolist() == [199, 799]
    assert level[149] == pytest.approx(0.5)
    assert level[299] == pytest.approx(0.5 if unit is ar else 10**-1.5, rel=1e-3)
    assert level[399] == pytest.approx(0.0 if unit is ar else 1e-3, abs=1e-5)
    assert not level[650:699].any()


def test_struck_again_it_goes_on_from_where_it_is() -> None:
    trig = np.ones(640, np.float32)
    trig[199] = 0
    level = Bench(ar, RATE_HZ).run(640, attack=0.1, release=0.2, trig=trig)
    assert np.abs(np.diff(level)).max() < 0.0101
    assert level[240] > level[199]


def test_a_line_is_straight_and_stays_at_its_end() -> None:
    level = Bench(line, RATE_HZ).run(640, start=2.0, end=-1.0, seconds=0.3)
    assert level[:300] == pytest.approx(2 - 3 * np.arange(300) / 300, abs=1e-5)
    assert level[300:] == pytest.approx(-1.0)


@pytest.mark.parametrize(("start", "end"), [(0.01, 10.0), (-8.0, -0.5)])
def test_an_exponential_line_goes_by_the_same_factor_in_each_sample(
    start: float, end: float
) -> None:
    level = Bench(xline, RATE_HZ).run(640, start=start, end=end, seconds=0.5).astype(np.float64)
    assert level[:500] == pytest.approx(start * (end / start) ** (np.arange(500) / 500), rel=1e-5)
    assert level[500:] == pytest.approx(end)


def test_an_exponential_line_to_0_ends_near_it() -> None:
    assert Bench(xline, RATE_HZ).run(640, start=1.0, end=0.0, seconds=0.1)[-1] == pytest.approx(
        1e-6
    )


@pytest.mark.parametrize("bend", [-6.0, 0.0, 3.0])
def test_a_curve_is_bent_as_told(bend: float) -> None:
    level = Bench(curve, RATE_HZ).run(640, start=1.0, end=3.0, seconds=0.4, bend=bend)
    gone = np.arange(400) / 400
    expected = gone if bend == 0 else np.expm1(bend * gone) / np.expm1(bend)
    assert level[:400] == pytest.approx(1 + 2 * expected, abs=1e-5)
    assert level[400:] == pytest.approx(3.0)


def test_segments_go_through_their_levels_and_stay_at_the_last() -> None:
    bench = Bench(segments, RATE_HZ)
    points = {"level0": 0.5, "seconds1": 0.1, "level1": 1.0, "seconds2": 0.0, "level2": -1.0}
    level = bench.run(640, **points, seconds3=0.2, level3=0.0)
    assert level[[0, 50, 100, 101, 201, 301, 600]] == pytest.approx(
        [0.5, 0.75, 1, -1, -0.5, 0, 0], abs=1e-6
    )
    trig = np.zeros(640, np.float32)
    trig[10:] = 1
    again = bench.run(640, **points, seconds3=0.2, level3=0.0, trig=trig)
    assert again[[9, 10, 60]] == pytest.approx([0, 0.5, 0.75], abs=1e-6)


def test_times_of_0_take_one_sample() -> None:
    level = Bench(adsr, RATE_HZ).run(64, attack=0.0, decay=0.0, sustain=0.25)
    assert level[:3].tolist() == [1, 0.25, 0.25]
