"""Oscillators: what they sound like, and what they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gapless.play.sound.oscillators.drums import superhat, superkick, supersnare
from gapless.play.sound.oscillators.pluck import pluck
from gapless.play.sound.oscillators.sines import additive, fm, sine
from gapless.play.sound.oscillators.supertones import superchip, superfm, superpwm, supersaw
from gapless.play.sound.oscillators.tables import TOP, harmonics_of
from gapless.play.sound.oscillators.waves import impulse, phasor, pulse, saw, square, tri
from gapless.play.sound.oscillators.wavetable import wavetable
from gapless.play.sound.unit import Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-oscillators")]

RATE_HZ = 44_100
LENGTH = 1 << 16
BIN_HZ = RATE_HZ / LENGTH
SETTLED = 4096
"""Samples at the start that are not looked at."""


def spectrum(sound: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Amplitudes and their frequencies; a tone is 12 Hz wide, and 200 dB down beside it."""
    samples = np.asarray(sound, np.float64)
    window = np.kaiser(len(samples), 20)
    amplitudes = np.abs(np.fft.rfft(samples * window)) / window.sum() * 2
    return amplitudes, np.fft.rfftfreq(len(samples), 1 / RATE_HZ)


def worst_alias_db(sound: npt.ArrayLike, allowed_hz: npt.ArrayLike) -> float:
    """The loudest of what is not at the frequencies allowed, against the loudest of all."""
    amplitudes, hz = spectrum(sound)
    allowed = np.sort(np.concatenate([[-np.inf, 0.0, np.inf], np.abs(np.asarray(allowed_hz))]))
    after = np.searchsorted(allowed, hz).clip(1)
    distance = np.minimum(hz - allowed[after - 1], allowed[after] - hz)
    return float(20 * np.log10((amplitudes * (distance > 12)).max() / amplitudes.max()))


def harmonics(hz: float) -> npt.NDArray[Any]:
    return hz * np.arange(1, int(RATE_HZ / 2 / hz) + 1)


@pytest.mark.parametrize("hz", [41.3, 440.0, 1234.5, 5000.0, 11_900.0])
@pytest.mark.parametrize(
    ("unit", "settings"),
    [
        pytest.param(saw, {}, id="saw"),
        pytest.param(square, {}, id="square"),
        pytest.param(tri, {}, id="tri"),
        pytest.param(pulse, {"width": 0.13}, id="pulse"),
        pytest.param(wavetable, {"morph": 0.83}, id="wavetable"),
        pytest.param(additive, {"n": 64, "tilt": 0.0}, id="additive"),
    ],
)
def test_aliases_of_a_steady_wave_are_below_80_db(
    unit: Unit, settings: dict[str, float], hz: float
) -> None:
    sound = Bench(unit).run(LENGTH, hz=hz, **settings)[SETTLED:]
    assert worst_alias_db(sound, harmonics(hz)) < -80


@pytest.mark.parametrize(
    ("hz", "ratio", "index"),
    [(440, 2.0, 30.0), (5000, 1.0, 8.0), (3000, 1.41, 5.0), (9000, 3.0, 5.0), (5000, 0.37, 20.0)],
)
def test_aliases_of_frequency_modulation_are_below_60_db(
    hz: float, ratio: float, index: float
) -> None:
    sound = Bench(fm).run(LENGTH, hz=hz, ratio=ratio, index=index)[SETTLED:]
    bands = hz + hz * float(np.float32(ratio)) * np.arange(-200, 201)
    assert worst_alias_db(sound, bands) < -60


def test_frequency_modulation_has_the_side_bands_of_its_index() -> None:
    amplitudes, _ = spectrum(Bench(fm).run(LENGTH, hz=4000 * BIN_HZ, ratio=0.25, index=1.5))
    found = amplitudes[[4000, 5000, 6000, 7000]]
    angle = (np.arange(4096) + 0.5) / 4096 * np.pi
    bessel = [abs(np.cos(n * angle - 1.5 * np.sin(angle)).mean()) for n in range(4)]
    assert found == pytest.approx(bessel, abs=0.01)


@pytest.mark.parametrize("ends_hz", [(50.0, 500.0), (500.0, 15_000.0), (4000.0, 6000.0)])
def test_a_sweeping_saw_is_the_sum_of_harmonics_that_come_and_go_gradually(
    ends_hz: tuple[float, float],
) -> None:
    count = 20_000
    low, high = ends_hz
    swept = (low * (high / low) ** (np.arange(count) / count)).astype(np.float32)
    sound = Bench(saw).run(count, hz=swept)[:count].astype(np.float64)
    hz = swept.astype(np.float64)
    phase = np.concatenate([[0.0], np.cumsum(hz / RATE_HZ)[:-1]])
    fit = RATE_HZ / 2 / hz
    copies = np.array([harmonics_of(copy) for copy in range(TOP + 1)])
    octave = np.floor(np.log2(fit))
    quarter = np.floor(4 * (fit / 2**octave - 1))
    share = 4 * (fit / 2**octave - 1) - quarter
    place = (4 * octave + quarter).astype(int)
    expected = np.zeros(count)
    for k in range(1, int(fit.max()) + 1):
        gain = np.where(k <= copies[place], 1.0, np.where(k <= copies[place + 1], share, 0.0))
        assert not gain[k * hz >= RATE_HZ / 2].any()
        expected -= 2 / np.pi / k * gain * np.sin(2 * np.pi * k * phase)
    error = sound - expected
    blocks = [slice(start, start + 2000) for start in range(0, count, 2000)]
    assert all(np.std(error[block]) < 1e-3 * np.std(expected[block]) for block in blocks)


@pytest.mark.parametrize("width", [0.1, 0.5, 0.8])
def test_a_pulse_is_high_for_its_width(width: float) -> None:
    sound = Bench(pulse).run(RATE_HZ, hz=2.0, width=width)[:RATE_HZ]
    assert (sound > 0).mean() == pytest.approx(width, abs=1e-3)
    assert set(np.unique(sound)) == {-1.0, 1.0}


@pytest.mark.parametrize("rate_hz", [8000.0, 44_100.0, 192_000.0])
def test_slow_waves_have_their_exact_shapes(rate_hz: float) -> None:
    phase = (np.arange(6400) * 1.5 / rate_hz) % 1.0
    saws, squares, triangles = (
        Bench(unit, rate_hz).run(6400, hz=1.5) for unit in (saw, square, tri)
    )
    assert saws == pytest.approx(2 * phase - 1, abs=1e-5)
    assert squares == pytest.approx(np.where(phase < 0.5, 1, -1))
    assert triangles == pytest.approx(1 - 4 * np.abs(phase - 0.5), abs=1e-5)


@pytest.mark.parametrize(
    "unit", [saw, square, tri, sine, fm, additive, wavetable, supersaw, superfm, superchip]
)
@pytest.mark.parametrize("hz", [22_050.0, 30_000.0, 1e30, np.nan, -np.inf])
def test_what_is_too_high_is_silent(unit: Unit, hz: float) -> None:
    assert np.abs(Bench(unit).run(640, hz=hz)).max() < 1e-6


@pytest.mark.parametrize("unit", [saw, square, tri, sine, wavetable])
def test_a_frequency_of_0_stands_still_and_a_negative_one_runs_backwards(unit: Unit) -> None:
    bench = Bench(unit)
    bench.run(1000, hz=300.0)
    assert np.ptp(bench.run(1000, hz=0.0)) == 0
    there, back = Bench(unit), Bench(unit)
    forwards, backwards = there.run(6400, hz=300.0), back.run(6400, hz=-300.0)
    period = 147
    assert backwards[1:period] == pytest.approx(forwards[period - 1 : 0 : -1], abs=1e-4)


def test_a_sine_is_exact() -> None:
    sound = Bench(sine).run(RATE_HZ, hz=440.0, phase=0.25)
    angle = 2 * np.pi * (440.0 * np.arange(len(sound)) / RATE_HZ + 0.25)
    assert np.abs(sound - np.sin(angle)).max() < 1e-7


def test_additive_has_the_harmonics_that_were_asked_for() -> None:
    amplitudes, _ = spectrum(Bench(additive).run(LENGTH, hz=1000 * BIN_HZ, n=3.5, tilt=2.0))
    heights = amplitudes[[1000, 2000, 3000, 4000, 5000]]
    assert heights / heights[0] == pytest.approx([1, 1 / 4, 1 / 9, 0.5 / 16, 0], abs=2e-3)


def test_impulses_come_on_their_samples() -> None:
    sound = Bench(impulse).run(RATE_HZ, hz=100.0)
    assert np.flatnonzero(sound)[:50].tolist() == [441 * k for k in range(50)]
    assert set(np.unique(sound)) == {0.0, 1.0}


def test_a_phasor_goes_from_0_to_1() -> None:
    ramp = Bench(phasor).run(RATE_HZ, hz=10.0, shift=0.25)[:RATE_HZ]
    assert ramp == pytest.approx((np.arange(RATE_HZ) / 4410 + 0.25) % 1, abs=1e-6)


@pytest.mark.parametrize("rate_hz", [44_100.0, 96_000.0])
@pytest.mark.parametrize("hz", [41.2, 110.0, 440.0, 1318.5, 2637.0])
def test_a_plucked_string_is_in_tune(hz: float, rate_hz: float) -> None:
    sound = Bench(pluck, rate_hz).run(int(rate_hz), hz=hz, decay=20.0, bright=0.9).astype(float)
    window = np.blackman(len(sound))
    amplitudes = np.abs(np.fft.rfft(sound * window, 1 << 21))
    bins = np.fft.rfftfreq(1 << 21, 1 / rate_hz)
    near = np.abs(bins / hz - 1) < 0.03
    found = bins[near][amplitudes[near].argmax()]
    assert abs(1200 * np.log2(found / hz)) < 1.0


def test_a_plucked_string_dies_away_as_told_and_is_plucked_again() -> None:
    bench = Bench(pluck)
    first = bench.run(RATE_HZ, hz=220.0, decay=1.0, bright=1.0)
    turning = np.hanning(4410) * np.exp(-2j * np.pi * 220.0 / RATE_HZ * np.arange(4410))
    levels = [abs(turning @ first[at : at + 4410]) for at in (4410, 4410 + 22_050)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(-30, abs=1)
    bench.run(RATE_HZ, hz=220.0, decay=1.0, trig=0.0)
    again = bench.run(6400, hz=220.0, decay=1.0)
    assert np.std(again) > 5 * np.std(first[-6400:])


def test_a_supersaw_has_seven_saws_and_the_level_of_one() -> None:
    sound = Bench(supersaw).run(1 << 19, hz=1000.0, detune=1.0, mix=1.0)
    amplitudes, hz = spectrum(sound)
    for offset in (0.0, -0.11002313, -0.06288439, -0.01952356, 0.01991221, 0.06216538, 0.10745242):
        at = np.abs(hz - 1000 * (1 + offset)) < 3
        assert amplitudes[at].max() > 0.1
    one = Bench(saw).run(1 << 19, hz=1000.0)
    assert np.std(sound) == pytest.approx(np.std(one), rel=0.05)


@pytest.mark.parametrize("unit", [supersaw, superpwm, superchip])
def test_supertones_at_5_khz_are_free_of_aliases(unit: Unit) -> None:
    # What belongs to the tone lies near its harmonics; what does not can be anywhere else.
    settings = {"depth": 0.1} if unit is superchip else {}
    amplitudes, hz = spectrum(Bench(unit).run(1 << 18, hz=5000.0, **settings)[SETTLED:])
    step = 2500.0 if unit is superchip else 5000.0
    away = np.abs(hz / step - np.round(hz / step)) * step / np.maximum(np.round(hz / step), 1)
    elsewhere = (away > 400) & (hz > 100)
    assert 20 * np.log10(amplitudes[elsewhere].max() / amplitudes.max()) < -60


@pytest.mark.parametrize("unit", [superkick, supersnare, superhat])
def test_a_drum_sounds_at_the_start_and_whenever_it_is_struck(unit: Unit) -> None:
    bench = Bench(unit)
    first = bench.run(RATE_HZ)
    assert np.abs(first[:4410]).max() > 0.3
    assert np.abs(first[-4410:]).max() < 1e-3
    struck = np.zeros(RATE_HZ, np.float32)
    struck[1000:] = 1
    again = bench.run(RATE_HZ, trig=struck)
    assert np.abs(again[:1000]).max() < 1e-3
    assert np.abs(again[1000:5000]).max() > 0.3


@pytest.mark.parametrize("unit", [superkick, supersnare])
def test_a_drum_struck_while_it_sounds_goes_on_without_a_step(unit: Unit) -> None:
    settings = {"click": 0.0} if unit is superkick else {"snappy": 0.0}
    struck = np.ones(8820, np.float32)
    struck[2999] = 0
    sound = Bench(unit).run(8820, trig=struck, **settings)
    usual = np.abs(np.diff(sound[:2990])).max()
    assert np.abs(np.diff(sound[2990:3100])).max() < max(2 * usual, 0.08)
