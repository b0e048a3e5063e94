"""Filters: the analogue curves, at any setting and after any accident."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import Samples
from gapless.play.sound.filters import comb as combs
from gapless.play.sound.filters import dj, equaliser, ladder, plain, resonant
from gapless.play.sound.filters.delay_line import tap
from gapless.play.sound.filters.ladder import saturate
from gapless.play.sound.filters.state_variable import prewarped
from gapless.play.sound.unit import QUANTUM, Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-filters")]

RATE = 44_100
ALL = (
    *plain.UNITS,
    *resonant.UNITS,
    *equaliser.UNITS,
    *ladder.UNITS,
    *dj.UNITS,
    *combs.UNITS,
)
BAD = (0.0, -1.0, -1e30, 1e30, 1e9, math.nan, math.inf, -math.inf, 22_049.0, 0.5)
Curve = Callable[[npt.NDArray[np.complex128], float], npt.NDArray[np.complex128]]


def response(
    unit: Unit, settings: Mapping[str, float], n: int = 1 << 15
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.complex128]]:
    """Frequencies, and what a quiet impulse becomes at them."""
    impulse = np.zeros(n, np.float32)
    impulse[0] = 1e-3
    out = Bench(unit, RATE).run(n, in_=impulse, **settings)
    hz: npt.NDArray[np.float64] = np.fft.rfftfreq(n, 1 / RATE).astype(np.float64)
    return hz, np.fft.rfft(out.astype(float) / impulse[0])


def analogue(hz: npt.NDArray[np.float64], cutoff_hz: float) -> npt.NDArray[np.complex128]:
    """The analogue filter's variable ``s``, its cutoff at 1, at frequencies that the bilinear transform bends."""
    inside = np.minimum(hz, 0.499 * RATE)
    return 1j * np.tan(np.pi * inside / RATE) / math.tan(math.pi * cutoff_hz / RATE)


CURVES: dict[str, Curve] = {
    "lpf": lambda s, k: 1 / (s * s + k * s + 1),
    "hpf": lambda s, k: s * s / (s * s + k * s + 1),
    "bpf": lambda s, k: k * s / (s * s + k * s + 1),
    "notch": lambda s, k: (s * s + 1) / (s * s + k * s + 1),
    "allpass": lambda s, k: (s * s - k * s + 1) / (s * s + k * s + 1),
}


@pytest.mark.parametrize("hz", [30.0, 1000.0, 15_000.0])
@pytest.mark.parametrize("q", [0.3, 0.707, 8.0])
@pytest.mark.parametrize("unit", plain.UNITS, ids=lambda unit: unit.name)
def test_two_poles_have_the_analogue_response(unit: Unit, hz: float, q: float) -> None:
    frequencies, found = response(unit, {"hz": hz, "q": q})
    inside = (frequencies > 5) & (frequencies < 21_000)
    expected = CURVES[unit.name](analogue(frequencies, hz), 1 / q)
    assert np.abs(found - expected)[inside].max() < 2e-4 * max(1, q)


@pytest.mark.parametrize("resonance", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("unit", resonant.UNITS, ids=lambda unit: unit.name)
def test_resonance_is_a_quality_factor(unit: Unit, resonance: float) -> None:
    plain_name = {
        "rlpf": "lpf",
        "svf_lp": "lpf",
        "rhpf": "hpf",
        "svf_hp": "hpf",
        "svf_bp": "bpf",
        "svf_notch": "notch",
    }[unit.name]
    frequencies, found = response(unit, {"hz": 700.0, "resonance": resonance})
    inside = (frequencies > 5) & (frequencies < 21_000)
    expected = CURVES[plain_name](analogue(frequencies, 700.0), 2 - 1.99 * resonance)
    assert np.abs(found - expected)[inside].max() < 2e-3


def test_full_resonance_rings_next_to_oscillation() -> None:
    impulse = np.zeros(RATE, np.float32)
    impulse[0] = 1.0
    out = Bench(resonant.rlpf, RATE).run(RATE, in_=impulse, hz=1000.0, resonance=1.0)
    # A quality factor of 100 at 1 kHz: 60 dB in 100 * ln(1000) / (pi * 1000) s.
    early, late = np.abs(out[:1000]).max(), np.abs(out[9680:10_680]).max()
    assert 20 * math.log10(late / early) == pytest.approx(-60, abs=3)


SHELVES: dict[str, Callable[[Any, float, float], Any]] = {
    "eq": lambda s, a, k: (s * s + k * a * s + 1) / (s * s + k / a * s + 1),
    "low_shelf": lambda s, a, k: (
        a * (s * s + math.sqrt(a) * k * s + a) / (a * s * s + math.sqrt(a) * k * s + 1)
    ),
    "high_shelf": lambda s, a, k: (
        a * (a * s * s + math.sqrt(a) * k * s + 1) / (s * s + math.sqrt(a) * k * s + a)
    ),
}


@pytest.mark.parametrize("gain_db", [-18.0, 0.0, 9.0])
@pytest.mark.parametrize("unit", equaliser.UNITS, ids=lambda unit: unit.name)
def test_equalisers_have_the_cookbooks_curves(unit: Unit, gain_db: float) -> None:
    frequencies, found = response(unit, {"hz": 900.0, "gain_db": gain_db, "q": 1.3})
    inside = (frequencies > 5) & (frequencies < 21_000)
    expected = SHELVES[unit.name](analogue(frequencies, 900.0), 10 ** (gain_db / 40), 1 / 1.3)
    assert np.abs(found - expected)[inside].max() < 1e-3


@pytest.mark.parametrize("unit", equaliser.UNITS, ids=lambda unit: unit.name)
def test_a_gain_and_its_negative_undo_each_other(unit: Unit) -> None:
    noise = np.random.default_rng(3).standard_normal(8192).astype(np.float32)
    raised = Bench(unit, RATE).run(8192, in_=noise, hz=2000.0, gain_db=12.0)
    back = Bench(unit, RATE).run(8192, in_=raised, hz=2000.0, gain_db=-12.0)
    assert np.abs(raised - noise).max() > 0.5
    np.testing.assert_allclose(back, noise, atol=1e-5)


@pytest.mark.parametrize("resonance", [0.0, 0.5, 0.9])
def test_a_quiet_sound_sees_the_linear_ladder(resonance: float) -> None:
    frequencies, found = response(ladder.moog_ladder, {"hz": 1200.0, "resonance": resonance})
    inside = (frequencies > 5) & (frequencies < 20_000)
    s = analogue(frequencies, 1200.0)
    expected = 1 / ((1 + s) ** 4 + 4 * resonance)
    assert np.abs(found - expected)[inside].max() < 1e-3


def test_the_ladder_sings_by_itself_and_no_louder_than_full_scale() -> None:
    bench = Bench(ladder.moog_ladder, RATE)
    bench.run(QUANTUM, in_=np.r_[1.0, np.zeros(QUANTUM - 1)], hz=880.0, resonance=1.1)
    bench.run(4 * RATE, hz=880.0, resonance=1.1)
    sung = bench.run(RATE, hz=880.0, resonance=1.1)
    spectrum = np.abs(np.fft.rfft(sung[:RATE]))
    assert int(spectrum.argmax()) == pytest.approx(880, rel=0.02)
    assert 0.05 < np.abs(sung).max() <= 1.0


def test_saturation_is_the_hyperbolic_tangent() -> None:
    for x in np.linspace(-12, 12, 481):
        assert saturate(float(x)) == pytest.approx(math.tanh(x), abs=1.1e-4)


def test_the_cutoff_is_warped_exactly() -> None:
    for hz in np.geomspace(1, 0.49 * RATE, 300):
        expected = math.tan(math.pi * hz / RATE)
        assert prewarped(float(hz), float(RATE)) == pytest.approx(expected, rel=1e-6)


def test_the_knob_in_the_middle_changes_nothing() -> None:
    noise = np.random.default_rng(4).standard_normal(4096).astype(np.float32)
    assert np.array_equal(Bench(dj.djf, RATE).run(4096, in_=noise), noise)


@pytest.mark.parametrize(("position", "name"), [(0.25, "lpf"), (0.75, "hpf")])
def test_the_knob_turned_half_way_cuts_at_640_hz(position: float, name: str) -> None:
    frequencies, found = response(dj.djf, {"position": position})
    inside = (frequencies > 5) & (frequencies < 21_000)
    expected = CURVES[name](analogue(frequencies, 640.0), 1 / 0.7)
    assert np.abs(found - expected)[inside].max() < 2e-4


def test_a_comb_has_its_teeth_where_its_delay_says() -> None:
    delay_s, feedback = 0.005_01, 0.8
    frequencies, found = response(combs.comb, {"delay_s": delay_s, "feedback": feedback}, n=1 << 16)
    low = frequencies < 3000  # above, the interpolation takes a little
    expected = 1 / (1 - feedback * np.exp(-2j * np.pi * frequencies * delay_s))
    assert np.abs(found - expected)[low].max() < 0.02 * np.abs(expected).max()


def test_interpolation_is_exact_for_cubics_and_has_no_gain() -> None:
    line = np.zeros(64, np.float32)
    line[:] = ((np.arange(64) - 32) / 16.0) ** 3
    for delay in (10.0, 20.25, 31.9):
        assert tap(line, 63, delay) == pytest.approx(((63 - delay - 32) / 16) ** 3, abs=1e-6)
    for fraction in np.linspace(0, 1, 41, endpoint=False):
        weights = np.empty(4)
        for place in range(4):
            one = np.zeros(16, np.float32)
            one[9 + place] = 1.0
            weights[place] = tap(one, 0, 5.0 + float(fraction))
        assert weights.sum() == pytest.approx(1.0, abs=1e-6)
        assert np.abs(np.fft.rfft(weights, 512)).max() < 1 + 1e-6


def modulation(unit: Unit, n: int, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Every argument somewhere else at every sample, and often where it should not be."""
    rng = np.random.default_rng(seed)
    curves = {}
    for one in unit.inputs[1:]:
        spread = rng.choice([1.0, 30.0, 1000.0, 30_000.0], n)
        curve = rng.uniform(-0.3, 1.0, n) * spread
        wrong = rng.random(n) < 0.1
        curve[wrong] = rng.choice(BAD, int(wrong.sum()))
        curves[one.name] = curve.astype(np.float32)
    return curves


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_modulation_makes_it_unstable(unit: Unit) -> None:
    n = 30_016
    noise = np.random.default_rng(5).uniform(-1, 1, n).astype(np.float32)
    bench = Bench(unit, RATE)
    out = bench.run(n, in_=noise, **modulation(unit, n, 6))
    assert np.isfinite(out).all()
    # An equaliser of 60 dB and a quality factor of 100 may be so loud, and no louder.
    assert np.abs(out).max() < (1e5 if unit in equaliser.UNITS else 1e3)
    silent = bench.run(5 * RATE)
    assert np.abs(silent[-1000:]).max() < 1e-4


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_accident_lasts(unit: Unit) -> None:
    noise = 0.3 * np.random.default_rng(7).standard_normal(RATE // 4).astype(np.float32)
    bench = Bench(unit, RATE)
    bench.run(RATE // 8, in_=noise)
    for value in BAD:
        everywhere = {f"{one.name}_": value for one in unit.inputs}
        assert np.isfinite(bench.run(640, **everywhere)).all()
    bench.run(int(max(0.1, unit.tail_s) * RATE))
    after = bench.run(RATE // 4, in_=noise)
    # As if nothing had happened, but for what still fades.
    whole = Bench(unit, RATE).run(RATE // 4, in_=noise)
    assert np.abs(after - whole).max() < 2e-3


@pytest.mark.parametrize("unit", ALL[:-1], ids=lambda unit: unit.name)
def test_a_broken_state_is_cleared(unit: Unit) -> None:
    bench = Bench(unit, RATE)
    noise = 0.3 * np.random.default_rng(8).standard_normal(RATE).astype(np.float32)
    for state in ("states",) if unit is ladder.moog_ladder else ("band", "low"):
        bench.record[state] = np.nan
    bench.run(RATE // 10)
    assert np.array_equal(bench.run(RATE, in_=noise), Bench(unit, RATE).run(RATE, in_=noise))


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_the_tail_is_as_long_as_declared_and_ends_in_silence(unit: Unit) -> None:
    impulse = np.zeros(3 * RATE, np.float32)
    impulse[0] = 1.0
    out: Samples = Bench(unit, RATE).run(len(impulse), in_=impulse)
    energy = np.square(out.astype(float))
    after = int(unit.tail_s * RATE)
    assert energy[after:].sum() < 1e-8 * energy.sum()
    assert not out[-QUANTUM:].any()
