"""What steers and mixes."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.play.sound.control import lag, mix, pan2, sample_hold, schmidt, select, xfade
from gapless.play.sound.unit import QUANTUM
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-control")]

RATE_HZ = 44_100
ANY = np.sin(np.arange(640) * 0.3).astype(np.float32)


def test_a_lag_goes_all_but_a_thousandth_of_the_way_in_its_time() -> None:
    bench = Bench(lag)
    assert bench.run(QUANTUM, in_=3.0) == pytest.approx(3.0), "it begins where the signal does"
    after = bench.run(RATE_HZ, in_=1.0, seconds=0.5)
    assert after[22_049] - 1 == pytest.approx(2e-3, rel=0.01)
    assert (np.diff(after[:22_050]) < 0).all()


def test_a_lag_of_no_time_is_the_signal() -> None:
    assert Bench(lag).run(640, in_=ANY, seconds=0.0).tolist() == ANY.tolist()


def test_a_sample_is_held_from_the_trigger_on() -> None:
    trig = np.zeros(640, np.float32)
    trig[[100, 101, 300]] = 1
    held = Bench(sample_hold).run(640, in_=ANY, trig=trig)
    assert (held[:100] == 0).all()
    assert (held[100:300] == ANY[100]).all(), "what stays above 0 is no trigger"
    assert (held[300:] == ANY[300]).all()


def test_a_schmidt_trigger_has_two_limits() -> None:
    signal = np.array([0, 0.5, 0.8, 0.5, 0.3, 0.2, 0.5, 0.7, 0.9], np.float32)
    assert Bench(schmidt).run(QUANTUM, in_=signal)[:9].tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("place", "expected"), [(-1, 2.0), (0, 2.0), (0.25, 3.0), (1, 6.0), (9, 6.0)]
)
def test_a_crossfade_is_a_straight_line(place: float, expected: float) -> None:
    assert Bench(xfade).run(QUANTUM, a=2.0, b=6.0, place=place) == pytest.approx(expected)


def test_a_mix_is_a_sum() -> None:
    found = Bench(mix).run(QUANTUM, a=1.0, b=2.0, c=4.0, h=8.0)
    assert found == pytest.approx(15.0)


def test_signals_are_chosen_by_number() -> None:
    which = np.array([0, 1, 1.9, 2, -5, 100, np.nan], np.float32)
    found = Bench(select).run(QUANTUM, which=which, a=10.0, b=11.0, c=12.0, h=17.0)
    assert found[:7].tolist() == [10, 11, 11, 12, 10, 17, 10]


@pytest.mark.parametrize("pos", [-2.0, -1.0, -0.5, 0.0, 0.3, 1.0])
def test_a_place_between_left_and_right_has_equal_power(pos: float) -> None:
    left, right = Bench(pan2).run(QUANTUM, in_=1.0, pos=pos)
    assert left**2 + right**2 == pytest.approx(1.0)
    angle = (max(pos, -1.0) + 1) * np.pi / 4
    assert left == pytest.approx(np.cos(angle), abs=1e-6)
    assert right == pytest.approx(np.sin(angle), abs=1e-6)
