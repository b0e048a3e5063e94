"""Effects: what each does, how late it is, how long it lasts, and that no accident stays in it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import Samples
from gapless.play.sound.effects import (
    amplitude,
    distortion,
    dynamics,
    echo,
    limiter,
    moving_delay,
    phaser,
    reduction,
    reverb,
)
from gapless.play.sound.unit import Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-effects")]

RATE = 44_100
ALL = (
    *amplitude.UNITS,
    *distortion.UNITS,
    *dynamics.UNITS,
    *echo.UNITS,
    *limiter.UNITS,
    *moving_delay.UNITS,
    *phaser.UNITS,
    *reduction.UNITS,
    *reverb.UNITS,
)
MIXED = [one for one in ALL if any(argument.name == "mix" for argument in one.inputs)]
BAD = (0.0, -1.0, -1e30, 1e30, 1e9, math.nan, math.inf, -math.inf)
SOUNDS = ("in", "in2", "side")


def sine(hz: float, n: int, amplitude: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.float32)


def noise(n: int, seed: int = 1) -> Samples:
    return (0.2 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def impulse(n: int) -> Samples:
    out = np.zeros(n, np.float32)
    out[0] = 1.0
    return out


def sounds(unit: Unit, sound: Samples) -> dict[str, Samples]:
    """The sound at each input that takes one."""
    return {f"{one.name}_": sound for one in unit.inputs if one.name in SOUNDS}


def power(signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.asarray(np.atleast_2d(np.square(signal.astype(float))).sum(axis=0))


# What all of them keep.


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_the_latency_is_as_declared(unit: Unit) -> None:
    # At rest: no pitch is bent, no sample is held.
    rest = {"semitones": 0.0, "depth": 0.0, "n": 1.0}
    quiet = {one.name: rest[one.name] for one in unit.inputs if one.name in rest}
    dry = {"mix": 0.25} if unit in MIXED and unit is not amplitude.ring else {}
    if unit is amplitude.ring:
        dry = {"mix": 0.0}
    n = 1 << 13
    given = noise(n)
    out = np.atleast_2d(Bench(unit, RATE).run(n, **sounds(unit, given), **quiet, **dry))[0]
    correlation = np.fft.irfft(np.fft.rfft(out, 2 * n) * np.conj(np.fft.rfft(given, 2 * n)))
    assert int(np.abs(correlation).argmax()) == unit.latency_samples


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_the_tail_is_as_long_as_declared(unit: Unit) -> None:
    n = 6 * RATE
    energy = power(Bench(unit, RATE).run(n, **sounds(unit, impulse(n))))
    ended = int(unit.tail_s * RATE) + 1
    assert energy[ended:].sum() <= 1e-8 * energy.sum()


@pytest.mark.parametrize("unit", MIXED, ids=lambda unit: unit.name)
def test_without_mix_the_sound_is_unchanged(unit: Unit) -> None:
    given = noise(4096)
    out = np.atleast_2d(Bench(unit, RATE).run(4096, **sounds(unit, given), mix=0.0))
    assert all(np.array_equal(side, given) for side in out)


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_accident_lasts(unit: Unit) -> None:
    bench = Bench(unit, RATE)
    bench.run(RATE // 8, **sounds(unit, noise(RATE // 8)))
    for value in BAD:
        everywhere = {f"{one.name}_": value for one in unit.inputs}
        assert np.isfinite(bench.run(640, **everywhere)).all()
    settling = bench.run(int(max(0.2, unit.tail_s) * RATE))
    assert np.isfinite(settling).all()
    after = bench.run(RATE // 4, **sounds(unit, noise(RATE // 4)))
    assert np.isfinite(after).all()
    loud = power(Bench(unit, RATE).run(RATE // 4, **sounds(unit, noise(RATE // 4)))).sum()
    # What moves is elsewhere now.
    assert power(after).sum() == pytest.approx(loud, rel=0.3)


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_modulation_makes_it_unstable(unit: Unit) -> None:
    n = 30_016
    rng = np.random.default_rng(6)
    curves: dict[str, npt.NDArray[np.float32]] = {}
    for one in unit.inputs:
        if one.name not in SOUNDS:
            curve = rng.uniform(-1.0, 1.0, n) * rng.choice([1.0, 30.0, 10_000.0], n)
            wrong = rng.random(n) < 0.1
            curve[wrong] = rng.choice(BAD, int(wrong.sum()))
            curves[one.name] = curve.astype(np.float32)
    bench = Bench(unit, RATE)
    out = bench.run(n, **sounds(unit, noise(n)), **curves)
    assert np.isfinite(out).all()
    # 60 dB of makeup is the most that a setting asks for.
    assert np.abs(out).max() < (2e3 if unit in dynamics.UNITS else 100.0)
    bench.run(int((4 + 8 * unit.tail_s) * RATE))
    assert np.abs(bench.run(640)).max() < 1e-4


# Echoes.


def test_echoes_come_when_and_as_loud_as_said() -> None:
    out = Bench(echo.delay, RATE).run(RATE, in_=impulse(RATE), time_s=0.1, feedback=0.5, mix=0.25)
    places = np.flatnonzero(np.abs(out) > 1e-3)
    assert places[:5].tolist() == [0, 4410, 8820, 13_230, 17_640]
    np.testing.assert_allclose(out[places[:4]], [0.75, 0.25, 0.125, 0.0625], atol=1e-5)


def test_an_echo_may_lie_between_samples() -> None:
    given = sine(1000, 8192)
    late = Bench(echo.delay, RATE).run(8192, in_=given, time_s=100.37 / RATE, mix=1.0, feedback=0.0)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * (np.arange(8192) - 100.37) / RATE)
    np.testing.assert_allclose(late[200:], expected[200:], atol=2e-4)


@pytest.mark.parametrize("unit", echo.UNITS, ids=lambda unit: unit.name)
def test_a_new_time_makes_no_click(unit: Unit) -> None:
    given = sine(200, RATE)
    time_s = np.full(RATE, 0.1012, np.float32)
    time_s[RATE // 3 :] = 0.2511
    time_s[RATE // 2 :] = 0.2513
    out = np.atleast_2d(
        Bench(unit, RATE).run(RATE, **sounds(unit, given), time_s=time_s, mix=1.0, feedback=0.0)
    )
    # After the echo of the sine's own beginning, no sample departs from its neighbours' line more
    # than a sine of 500 Hz would; a step between echoes would be a hundred times that.
    bend = np.abs(np.diff(out[:, 10_000:], 2)).max()
    assert bend < 0.5 * (2 * math.pi * 500 / RATE) ** 2


def test_a_ball_goes_from_left_to_right() -> None:
    n = RATE
    left, right = Bench(echo.pingpong, RATE).run(
        n, in_=impulse(n), in2=np.zeros(n), time_s=0.1, feedback=0.5, mix=1.0
    )
    np.testing.assert_allclose(left[[4410, 13_230]], [0.5, 0.125], atol=1e-4)
    np.testing.assert_allclose(right[[8820, 17_640]], [0.25, 0.0625], atol=1e-4)
    assert not right[:8000].any()


# Delays that move, and what sweeps.


def test_a_flanger_at_rest_is_a_comb() -> None:
    gains = {
        hz: Bench(moving_delay.flanger, RATE)
        .run(RATE, in_=sine(hz, RATE), depth=0.0, feedback=0.0, mix=0.5)[4000:RATE]
        .std()
        for hz in (1000, 2000, 3000)
    }
    assert gains[1000] < 1e-3
    assert gains[3000] < 1e-2
    assert gains[2000] == pytest.approx(0.5 / math.sqrt(2), rel=1e-2)


def test_a_chorus_at_rest_is_one_echo() -> None:
    out = Bench(moving_delay.chorus, RATE).run(2048, in_=impulse(2048), depth=0.0, mix=1.0)
    assert int(np.abs(out).argmax()) in {661, 662}
    assert out.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_chorus_spreads_a_tone() -> None:
    spectrum = np.abs(
        np.fft.rfft(
            Bench(moving_delay.chorus, RATE).run(
                4 * RATE, in_=sine(1000, 4 * RATE), hz=1.0, depth=0.3, mix=1.0
            )[: 4 * RATE]
        )
    )
    around = np.square(np.r_[spectrum[3900:3999], spectrum[4002:4101]]).sum()
    assert around > 0.3 * np.square(spectrum[3900:4101]).sum()


@pytest.mark.parametrize(("hz", "semitones"), [(5.0, 0.3), (6.0, 1.0), (9.0, 2.0)])
def test_vibrato_bends_by_so_many_semitones(hz: float, semitones: float) -> None:
    n = 1 << 16
    out = Bench(moving_delay.vibrato, RATE).run(n, in_=sine(2000, n), hz=hz, semitones=semitones)
    spectrum = np.fft.fft(out)
    spectrum[n // 2 :] = 0
    phase = np.unwrap(np.angle(np.fft.ifft(spectrum)))[3000:-3000]
    # An average of 5 ms, for every sample is a little off.
    turned = np.convolve(np.diff(phase), np.ones(220) / 220, "valid")
    pitch = turned * RATE / (2 * math.pi) / 2000
    expected = 2 ** (semitones / 12) - 1
    assert pitch.max() - 1 == pytest.approx(expected, rel=0.05)
    assert 1 - pitch.min() == pytest.approx(expected, rel=0.05)


def test_a_phaser_at_rest_has_three_notches() -> None:
    n = 1 << 15
    out = Bench(phaser.phaser, RATE).run(n, in_=impulse(n), depth=0.0, feedback=0.0, mix=0.5)
    gain = np.abs(np.fft.rfft(out))
    middle = math.tan(math.pi * 800 / RATE)
    for share in (1 / 12, 1 / 4, 5 / 12):
        notch_hz = math.atan(middle * math.tan(math.pi * share)) * RATE / math.pi
        assert gain[round(notch_hz * n / RATE)] < 0.02
    assert gain[1] == pytest.approx(1.0, abs=0.01)
    assert gain[-1] == pytest.approx(1.0, abs=0.01)


# Products.


def test_tremolo_goes_between_one_and_what_depth_leaves() -> None:
    gain = Bench(amplitude.tremolo, RATE).run(RATE, in_=1.0, hz=5.0, depth=0.6)[:RATE]
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * 5 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(gain, 1 - 0.6 * swing, atol=1e-6)


def test_ring_leaves_the_sum_and_the_difference() -> None:
    out = Bench(amplitude.ring, RATE).run(RATE, in_=sine(1000, RATE), hz=300.0)[:RATE]
    spectrum = np.abs(np.fft.rfft(out)) / RATE * 2
    assert spectrum[700] == pytest.approx(0.25, abs=1e-4)
    assert spectrum[1300] == pytest.approx(0.25, abs=1e-4)
    assert spectrum[1000] < 1e-4


# Fewer levels, fewer samples, more harmonics.


def test_bits_make_so_many_levels() -> None:
    ramp = np.linspace(-1, 1, 6400, dtype=np.float32)
    out = Bench(reduction.bitcrush, RATE).run(6400, in_=ramp, bits=3.0)
    assert np.unique(out).tolist() == [place / 4 for place in range(-4, 5)]
    assert np.abs(out - ramp).max() <= 0.125 + 1e-6


def test_coarse_holds_samples() -> None:
    given = noise(640)
    out = Bench(reduction.coarse, RATE).run(640, in_=given, n=5.0)
    assert np.array_equal(out, np.repeat(given[::5], 5))
    third = Bench(reduction.coarse, RATE).run(640, in_=np.arange(640), n=2.5)
    assert third[:11].tolist() == [0, 0, 0, 3, 3, 5, 5, 5, 8, 8, 10]


def test_distortion_clips_softly_and_keeps_full_scale() -> None:
    for level in (-1.0, -0.3, 0.1, 1.0):
        out = Bench(distortion.distortion, RATE).run(640, in_=level, drive=5.0)
        expected = level * math.sqrt(26) / math.sqrt(1 + 25 * level * level)
        assert out[-1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("drive", "below_db"), [(4.0, -60.0), (30.0, -45.0)])
def test_distortion_has_few_aliases(drive: float, below_db: float) -> None:
    n = 1 << 16
    line = 3719  # of the transform, a prime, so that no alias falls onto a harmonic: 2502 Hz
    out = Bench(distortion.distortion, RATE).run(
        2 * n, in_=sine(line * RATE / n, 2 * n), drive=drive
    )[n:]
    lines = np.square(np.abs(np.fft.rfft(out)))
    tone = lines[line]
    lines[::line] = 0
    # Between 19 kHz and half the rate the half-band filters let a little through.
    heard = lines[: int(19_000 * n / RATE)]
    assert 10 * math.log10(heard.max() / tone) < below_db


# Dynamics.


@pytest.mark.parametrize(
    ("level_db", "out_db"), [(-40.0, -40.0), (-20.0, -20.5625), (-8.0, -17.0), (0.0, -15.0)]
)
def test_a_compressor_has_the_curve_of_its_settings(level_db: float, out_db: float) -> None:
    given = 10 ** (level_db / 20)
    settings = {"threshold_db": -20.0, "ratio": 4.0}
    out = Bench(dynamics.compressor, RATE).run(RATE, in_=given, in2=-given / 2, **settings)
    assert 20 * math.log10(out[0, -1]) == pytest.approx(out_db, abs=0.01)
    # Both sides get one gain.
    assert out[1, -1] == pytest.approx(-out[0, -1] / 2, rel=1e-6)


@pytest.mark.parametrize(("attack_s", "release_s"), [(0.01, 0.1), (0.05, 0.3)])
def test_a_compressor_takes_its_time(attack_s: float, release_s: float) -> None:
    bench = Bench(dynamics.compressor, RATE)
    times = {"attack_s": attack_s, "release_s": release_s}
    down = 20 * np.log10(bench.run(RATE, in_=1.0, in2=1.0, **times)[0])
    assert down[round(attack_s * RATE) - 1] == pytest.approx(-15 * (1 - math.exp(-1)), abs=0.05)
    up = 20 * np.log10(bench.run(RATE, in_=0.01, in2=0.01, **times)[0] / 0.01)
    assert up[round(release_s * RATE) - 1] == pytest.approx(-15 * math.exp(-1), abs=0.05)


def test_makeup_is_a_gain() -> None:
    out = Bench(dynamics.compressor, RATE).run(640, in_=0.01, in2=0.01, makeup_db=6.0)
    np.testing.assert_allclose(out, 0.01 * 10**0.3, rtol=1e-5)


def test_a_sound_gives_way_to_another() -> None:
    side = np.zeros(RATE, np.float32)
    side[RATE // 2 :] = 1.0
    left, right = Bench(dynamics.sidechain_compressor, RATE).run(RATE, in_=0.5, in2=0.25, side=side)
    assert left[RATE // 2 - 1] == 0.5
    assert 20 * math.log10(left[RATE - 1] / 0.5) == pytest.approx(-15, abs=0.01)
    np.testing.assert_allclose(right, left / 2, rtol=1e-6)


@pytest.mark.parametrize("ceiling_db", [-12.0, -0.3, 0.0])
@pytest.mark.parametrize("release_s", [0.0, 0.003, 0.5])
def test_a_limiter_lets_nothing_through(ceiling_db: float, release_s: float) -> None:
    rng = np.random.default_rng(9)
    n = 1 << 16
    given = rng.standard_normal((2, n)) * 10 ** rng.uniform(-3, 1.5, (2, n // 64)).repeat(64, 1)
    given[0, rng.integers(0, n, 50)] = 1e5
    out = Bench(limiter.limiter, RATE).run(
        n, in_=given[0], in2=given[1], ceiling_db=ceiling_db, release_s=release_s
    )
    assert np.abs(out).max() <= np.float32(10 ** (ceiling_db / 20))
    assert np.abs(out).max() > 0.9 * 10 ** (ceiling_db / 20)


def test_a_limiter_leaves_alone_what_is_below() -> None:
    left, right = noise(8192, 1), noise(8192, 2)
    assert max(np.abs(left).max(), np.abs(right).max()) < 0.96
    out = Bench(limiter.limiter, RATE).run(8192, in_=left, in2=right)
    assert np.array_equal(out[:, limiter.LOOK :], np.stack([left, right])[:, : -limiter.LOOK])


def test_a_limiter_recovers() -> None:
    bench = Bench(limiter.limiter, RATE)
    bench.run(640, in_=50.0, in2=0.0)
    out = bench.run(RATE, in_=0.5, in2=0.5, release_s=0.05)
    assert out[0, 200] < 0.1
    assert out[0, -1] == pytest.approx(0.5, rel=1e-5)


# The room.


def room(settings: Mapping[str, float], n: int) -> npt.NDArray[np.float64]:
    """Left and right of what becomes of an impulse."""
    bench = Bench(reverb.reverb, RATE)
    bench.run(640, mix=1.0, **settings)
    return bench.run(n, in_=impulse(n), in2=impulse(n), mix=1.0, **settings).astype(float)


def fades_in_s(sound: npt.NDArray[np.float64], low_hz: float, high_hz: float) -> float:
    """RT60 of a band, from the fall of its remaining energy between -5 and -35 dB (Schroeder 1965; ISO 3382's T30)."""
    lines = np.fft.rfft(sound, 2 * len(sound))
    hz = np.fft.rfftfreq(2 * len(sound), 1 / RATE)
    lines[(hz < low_hz) | (hz > high_hz)] = 0
    band = np.fft.irfft(lines)[: len(sound)]
    left = np.cumsum(np.square(band[::-1]))[::-1]
    fall_db = 10 * np.log10(left / left[0])
    return float(2 * (np.argmax(fall_db < -35) - np.argmax(fall_db < -5)) / RATE)


@pytest.mark.parametrize("size", [0.3, 0.5, 0.9])
def test_a_room_fades_as_fast_as_declared(size: float) -> None:
    declared = reverb.rt60_s(size)
    out = room({"room": size, "damp": 0.3}, int(1.2 * declared * RATE))
    for side in out:
        assert fades_in_s(side, 50, 1000) == pytest.approx(declared, rel=0.1)
    sooner = fades_in_s(out[0], 10_000, 20_000)
    assert 0.3 * declared < sooner < 0.75 * declared


def test_a_room_is_dense_and_wide() -> None:
    left, right = room({"room": 0.7, "damp": 0.2}, RATE)
    # Echo density (J. Abel, P. Huang, AES 121, 2006): 1 is that of noise, single echoes are far below.
    for begin_s in (0.1, 0.2, 0.4, 0.8):
        window = left[int(begin_s * RATE) :][: RATE // 30]
        outside = np.mean(np.abs(window) > window.std()) / math.erfc(math.sqrt(0.5))
        assert 0.85 < outside < 1.15
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1


def test_no_resonance_of_a_room_stands_out() -> None:
    late = room({"room": 0.9, "damp": 0.0}, 3 * RATE)[0][2 * RATE : 3 * RATE]
    lines = np.square(np.abs(np.fft.rfft(late * np.hanning(len(late)))))
    around = np.convolve(lines, np.ones(401) / 401, "same")
    # The power of lines of noise deviates by as much as its mean; that of the same room with delays
    # that stand still, by twice as much.
    even = (lines / around)[2000:8000]
    assert even.std() < 1.5


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0])
def test_a_room_is_as_loud_as_what_is_in_it(size: float) -> None:
    n = int((1 + reverb.rt60_s(size)) * RATE)
    given = noise(n)
    out = Bench(reverb.reverb, RATE).run(
        n, in_=given, in2=noise(n, 2), room=size, mix=1.0, damp=0.0
    )
    loud_db = 20 * np.log10(out[:, -RATE // 2 :].std(axis=1) / given.std())
    assert np.abs(loud_db).max() < 4


def test_a_room_that_changes_does_not_click() -> None:
    given = sine(200, RATE)
    sizes = np.full(RATE, 0.2, np.float32)
    sizes[RATE // 2 :] = 0.95
    out = Bench(reverb.reverb, RATE).run(RATE, in_=given, in2=given, room=sizes, mix=1.0)
    bend = np.abs(np.diff(out[:, :RATE], 2))
    before, after = bend[:, RATE // 4 : RATE // 2].max(), bend[:, RATE // 2 :].max()
    assert after < 2 * before


@pytest.mark.parametrize("rate_hz", [8000.0, 192_000.0])
@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_it_works_at_any_rate(unit: Unit, rate_hz: float) -> None:
    n = int(0.3 * rate_hz)
    longest = {one.name: 1e9 for one in unit.inputs if one.name in {"time_s", "depth", "semitones"}}
    out = Bench(unit, rate_hz).run(n, **sounds(unit, noise(n)), **longest)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 5
