"""The bank of voices: when they begin, how they sound, how they end."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pytest
from numba import types

from gapless.play.sound.bank.begin import take_orders
from gapless.play.sound.bank.pool import MAX_VOICES, VOICES, make_bank
from gapless.play.sound.bank.voice import play_voices
from gapless.play.sound.trigger import (
    ATTACK_S,
    BEGIN,
    CAPACITY,
    CUTOFF_HZ,
    DECAY_S,
    END,
    GAIN,
    HZ,
    INSTANCE,
    NOISE,
    PAN,
    PULSE,
    RELEASE_S,
    RESONANCE,
    SAMPLE,
    SAW,
    SHAPE,
    SINE,
    SPEED,
    SQUARE,
    SUSTAIN,
    TONE,
    TRIANGLE,
    TRIGGER,
    VALUES,
    WIDTH,
    post,
)
from gapless.play.sound.unit import QUANTUM
from gapless.testing.detectors import clicks
from gapless.testing.units import Bench
from gapless.testing.zone import forbidden_calls

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-voice-bank")]

RATE = 44_100
Floats = npt.NDArray[np.float32]
Orders = npt.NDArray[np.void]


def orders(at: list[int] | npt.NDArray[np.int64], kind: int) -> Orders:
    made = np.zeros(len(at), TRIGGER)
    made["at"] = at
    made["kind"] = kind
    for place, value in ((GAIN, 1), (SPEED, 1), (END, 1), (SUSTAIN, 1), (HZ, 440), (WIDTH, 0.5)):
        made["values"][:, place] = value
    return made


def samples_of(sound: Floats, at: list[int] | npt.NDArray[np.int64]) -> Orders:
    made = orders(at, SAMPLE)
    made["sound"] = sound.ctypes.data
    made["length"] = len(sound)
    made["channels"] = 1 if sound.ndim == 1 else sound.shape[1]
    return made


def tones(at: list[int] | npt.NDArray[np.int64], wave: int, hold: int, **values: float) -> Orders:
    made = orders(at, TONE)
    made["wave"] = wave
    made["hold"] = hold
    names = {"hz": HZ, "cutoff_hz": CUTOFF_HZ, "pan": PAN, "gain": GAIN, "release_s": RELEASE_S}
    for name, value in values.items():
        made["values"][:, names[name]] = value
    return made


def play(made: Orders, n_samples: int, bench: Bench | None = None) -> Floats:
    bench = bench or Bench(VOICES)
    assert post(bench.record, made) == len(made)
    return bench.run(n_samples)


def counted(bench: Bench, name: str) -> int:
    return int(bench.record[name][0])


def spectrum_db(sound: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Frequencies and levels, of which the largest is 0."""
    time = 2 * np.pi * np.arange(len(sound)) / len(sound)
    parts = (0.35875, -0.48829, 0.14128, -0.01168)  # Blackman and Harris
    window = sum(part * np.cos(k * time) for k, part in enumerate(parts))
    size = np.abs(np.fft.rfft(sound * window)) + 1e-12
    level: npt.NDArray[np.float64] = 20 * np.log10(size / size.max())
    return np.linspace(0, RATE / 2, len(size)), level


def pitch_hz(sound: Floats) -> float:
    frequencies, level = spectrum_db(sound)
    top = int(np.argmax(level))
    below, at, above = level[top - 1 : top + 2]
    shift = 0.5 * (below - above) / (below - 2 * at + above)
    return float(frequencies[top] + shift * frequencies[1])


def recorded_sine(hz: float, n_samples: int) -> Floats:
    wave: Floats = np.sin(2 * np.pi * hz / RATE * np.arange(n_samples)).astype(np.float32)
    return wave


def test_each_voice_begins_in_its_sample() -> None:
    impulse = np.zeros(5, np.float32)
    impulse[0] = 1
    random = np.random.default_rng(1)
    at = np.unique(np.concatenate([np.arange(0, 130), random.integers(200, 20_000, 500)]))
    left, right = play(samples_of(impulse, at), 20_100)
    assert np.flatnonzero(left).tolist() == at.tolist()
    assert set(left[at]) == {np.float32(1)}
    assert not right.any()


@pytest.mark.parametrize("wave", [SINE, SAW, SQUARE, TRIANGLE, PULSE, NOISE])
@pytest.mark.parametrize("at", [0, 1, 63, 64, 100])
def test_a_tone_begins_in_its_sample_and_ends_with_its_release(wave: int, at: int) -> None:
    left, _ = play(tones([at], wave, 1000, release_s=0.01), 3000)
    heard = np.flatnonzero(left)
    assert at <= heard[0] <= at + 1  # a sine begins with 0
    assert at + 1000 + 430 < heard[-1] <= at + 1000 + 441


def test_what_comes_too_late_begins_at_once() -> None:
    bench = Bench(VOICES)
    bench.run(640)
    impulse = np.array([1, 0], np.float32)
    left, _ = play(samples_of(impulse, [5, 100]), 128, bench)
    assert np.flatnonzero(left).tolist() == [0]
    assert left[0] == 2


def test_the_same_bytes_however_orders_are_posted() -> None:
    random = np.random.default_rng(2)
    sound = random.standard_normal(2000).astype(np.float32)
    made = random_orders(random, 300, 40_000, sound)
    whole = play(made, 60_032)
    bench = Bench(VOICES)
    parts = []
    taken = 0
    for quantum in range(60_032 // QUANTUM):
        ahead = (quantum + 1 + quantum % 3) * QUANTUM
        ready = int(np.searchsorted(made["at"], ahead))
        if ready > taken:
            assert post(bench.record, made[taken:ready]) == ready - taken
            taken = ready
        parts.append(bench.run(QUANTUM))
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


@pytest.mark.parametrize("cutoff_hz", [0.0, 18_000.0])
def test_pan_keeps_the_power(cutoff_hz: float) -> None:
    for pan in (0.0, 0.25, 0.5, 0.9, 1.0):
        left, right = play(tones([0], SINE, 9000, pan=pan, cutoff_hz=cutoff_hz), 8192)[:, 1024:]
        power = np.mean(left.astype(float) ** 2), np.mean(right.astype(float) ** 2)
        assert sum(power) == pytest.approx(0.5, rel=2e-3)
        assert power[0] == pytest.approx(0.5 * np.cos(pan * np.pi / 2) ** 2, rel=2e-3, abs=1e-12)


@pytest.mark.parametrize("wave", [SINE, SAW, SQUARE, TRIANGLE, PULSE])
@pytest.mark.parametrize("hz", [55.0, 440.0, 4999.0])
def test_a_tone_has_its_pitch(wave: int, hz: float) -> None:
    left, _ = play(tones([7], wave, 200_000, hz=hz), 100_000)
    assert pitch_hz(left[3000:68_536]) == pytest.approx(hz, abs=0.01)


@pytest.mark.parametrize("wave", [SAW, SQUARE, TRIANGLE, PULSE])
@pytest.mark.parametrize("hz", [997.0, 3011.0, 4999.0])
def test_aliases_are_below_60_db(wave: int, hz: float) -> None:
    made = tones([0], wave, 200_000, hz=hz)
    made["values"][:, WIDTH] = 0.3
    left, _ = play(made, 70_000)
    frequencies, level = spectrum_db(left[2000:67_536])
    harmonics = hz * np.arange(0, RATE / 2 / hz + 1)
    away = np.min(np.abs(frequencies[:, None] - harmonics), axis=1) > 5 * frequencies[1]
    assert level[away].max() < -60


@pytest.mark.parametrize(
    ("wave", "expected"),
    [(SAW, lambda k: 1 / k), (SQUARE, lambda k: k % 2 / k), (TRIANGLE, lambda k: k % 2 / k**2)],
    ids=["saw", "square", "triangle"],
)
def test_waves_have_the_harmonics_of_their_shape(wave: int, expected: object) -> None:
    left, _ = play(tones([0], wave, 200_000, hz=500.0), 60_000)
    frequencies, level = spectrum_db(left[2000 : 2000 + RATE])  # a bin is one hertz
    for k in range(1, 30):
        wanted = expected(k)  # type: ignore[operator]
        place = 500 * k
        assert frequencies[place] == pytest.approx(place)
        if wanted:
            assert level[place] == pytest.approx(20 * np.log10(wanted), abs=0.3)
        else:
            assert level[place] < -60


def test_noise_is_white_and_each_voice_has_its_own() -> None:
    made = tones([0, 0], NOISE, 90_000)
    made["values"][1, PAN] = 1
    both = play(made, 80_000)[:, 1000:].astype(float)
    assert np.abs(np.corrcoef(both)[0, 1]) < 0.02
    for one in both:
        assert np.mean(one) == pytest.approx(0, abs=0.01)
        assert np.mean(one**2) == pytest.approx(1 / 3, rel=0.02)
        assert np.abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.02


def test_the_filter_is_the_state_variable_filter() -> None:
    noise = play(tones([30], NOISE, 8000), 4096)[0].astype(float)
    made = tones([30], NOISE, 8000, cutoff_hz=1200.0)
    made["values"][:, RESONANCE] = 0.6
    filtered = play(made, 4096)[0]
    gain, damping = np.tan(np.pi * 1200 / RATE), 2 - 1.98 * 0.6
    first = second = 0.0
    expected = np.empty(4096)
    for n, x in enumerate(noise):
        band = (first + gain * (x - second)) / (1 + gain * (gain + damping))
        low = second + gain * band
        first, second = 2 * band - first, 2 * low - second
        expected[n] = low
    np.testing.assert_allclose(filtered, expected, atol=2e-6)


def test_the_envelope_is_attack_decay_sustain_release() -> None:
    made = tones([10], SQUARE, 3000, hz=2e4)
    for place, value in ((ATTACK_S, 0.01), (DECAY_S, 0.02), (SUSTAIN, 0.25), (RELEASE_S, 0.03)):
        made["values"][:, place] = value
    wave = play(tones([10], SQUARE, 30_000, hz=2e4), 5000)[0, :5000].astype(float)
    heard = play(made, 5000)[0, :5000].astype(float)
    age = np.arange(5000) - 10
    attack = np.clip((age + 1) / 441, 0, 1)
    decay = np.clip(1 - (age + 1 - 441) / 882, 0, 1)
    release = np.clip(1 - (age - 3000) / 1323, 0, 1)
    attack = attack**2 * (3 - 2 * attack)
    decay, release = (part**3 * (4 - 3 * part) for part in (decay, release))
    expected = attack * (0.25 + 0.75 * decay) * release
    steady = (age > 100) & (np.abs(wave) > 0.05)
    np.testing.assert_allclose(heard[steady] / wave[steady], expected[steady], atol=1e-4)


def test_a_tone_without_hold_has_attack_and_decay() -> None:
    made = tones([0], SINE, 0)
    for place, value in ((ATTACK_S, 0.01), (DECAY_S, 0.02), (SUSTAIN, 0.5), (RELEASE_S, 0.01)):
        made["values"][:, place] = value
    heard = np.flatnonzero(play(made, 4000)[0])
    assert 441 * 4 - 20 <= heard[-1] <= 441 * 4


def random_orders(random: np.random.Generator, count: int, until: int, sound: Floats) -> Orders:
    made = orders(np.sort(random.integers(0, until, count)), SAMPLE)
    made["kind"] = random.choice([SAMPLE, TONE], count)
    made["wave"] = random.integers(0, 6, count)
    made["sound"] = sound.ctypes.data
    made["length"] = len(sound)
    made["channels"] = 1
    made["hold"] = random.choice([0, 1, 100, 5000], count)
    made["cut"] = random.choice([0, 0, 0, 1, 2], count)
    made["loop"] = random.integers(0, 2, count)
    values = made["values"]
    values[:, GAIN] = random.uniform(0, 0.2, count)
    values[:, PAN] = random.uniform(-0.5, 1.5, count)
    values[:, SPEED] = random.uniform(-5, 5, count)
    values[:, HZ] = 20 * 2 ** random.uniform(0, 11, count)
    values[:, ATTACK_S : SUSTAIN + 1] = random.uniform(0, 0.1, (count, 3))
    values[:, RELEASE_S] = random.uniform(0, 0.1, count)
    values[:, BEGIN] = random.uniform(-0.1, 1.1, count)
    values[:, END] = random.uniform(-0.1, 1.1, count)
    values[:, 10:VALUES] = random.uniform(-1, 2, (count, VALUES - 10))
    values[:, CUTOFF_HZ] = random.choice([0, 1, 300, 5000, 1e5], count)
    return made


def test_ten_thousand_random_voices_are_heard_and_gone() -> None:
    random = np.random.default_rng(3)
    sound = random.standard_normal(3000).astype(np.float32)
    made = random_orders(random, 10_000, 400_000, sound)
    wrong = random.random(made["values"].shape) < 0.01
    made["values"][wrong] = random.choice([np.nan, np.inf, -np.inf, -1e30, 1e30], wrong.sum())
    bench = Bench(VOICES)
    for start in range(0, 10_000, 500):
        part = made[start : start + 500]
        assert np.isfinite(play(part, int(part["at"][-1]) - int(bench.clock[0]), bench)).all()
    # The longest asked for: 1e30 seconds come to ten minutes; nothing else sounds on for seconds.
    rest = bench.run(RATE * 5)
    assert np.isfinite(rest).all()
    long = (made["values"][:, ATTACK_S : RELEASE_S + 1] > 1).any(axis=1).sum()
    assert counted(bench, "sounding") <= long
    assert counted(bench, "started") + counted(bench, "unheard") == 10_000
    taken = bench.record["kind"][0] != 0
    assert taken.sum() == counted(bench, "sounding") == bench.record["used"][0].sum()


def test_what_is_no_number_in_a_recording_goes_by() -> None:
    broken = recorded_sine(440, 1000)
    broken[500:502] = np.nan, np.inf
    sound = recorded_sine(440, 4000)
    made = np.concatenate([samples_of(broken, [0]), samples_of(sound, [0])])
    made["values"][0, SPEED] = 0.9
    left, _ = play(made, 4000)
    assert np.isfinite(left).all()
    assert left[1500:3900].tobytes() == sound[1500:3900].tobytes()


def test_all_voices_of_a_bank_are_counted() -> None:
    bench = Bench(VOICES)
    assert MAX_VOICES == 1024
    made = tones([0] * CAPACITY, SINE, 3000)
    made["values"][:, GAIN] = 1e-3
    left, _ = play(made, 1024, bench)
    assert counted(bench, "sounding") == MAX_VOICES
    assert np.abs(left).max() == pytest.approx(1.024, rel=1e-3)
    bench.run(4096)
    assert counted(bench, "sounding") == 0


def test_a_full_queue_refuses_and_counts() -> None:
    bench = Bench(VOICES)
    made = tones([10_000] * (CAPACITY + 5), SINE, 10)
    assert post(bench.record, made) == CAPACITY
    assert counted(bench, "refused") == 5


def test_orders_for_nothing_are_counted() -> None:
    sound = recorded_sine(440, 100)
    made = samples_of(sound, [0] * 6)
    made["kind"][0] = INSTANCE
    made["sound"][1] = 0
    made["length"][2] = 0
    made["channels"][3] = 3
    made["values"][4, SPEED] = 0
    made["values"][5, SPEED] = np.nan
    bench = Bench(VOICES)
    assert not play(made, 256, bench).any()
    assert counted(bench, "unheard") == 6


def test_a_bank_needs_a_voice() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_bank(0)
    assert make_bank(MAX_VOICES) is VOICES


def test_shape_makes_quiet_samples_loud_and_loud_ones_no_louder_than_1() -> None:
    sound = np.linspace(0, 1, 500, dtype=np.float32)
    made = samples_of(sound, [0])
    made["values"][:, SHAPE] = 0.5
    left, _ = play(made, 448)
    np.testing.assert_allclose(left, 3 * sound[:448] / (1 + 2 * sound[:448]), rtol=1e-5)


@pytest.mark.parametrize("cutoff_hz", [0.0, 900.0])
def test_a_stolen_voice_makes_no_click(cutoff_hz: float) -> None:
    bench = Bench(VOICES)
    bench.record["max_voices"] = 4
    at = [0, 0, 0, 0, 5003, 9001, 13_007]
    made = tones(at, SINE, 100_000, hz=330.0, cutoff_hz=cutoff_hz)
    made["values"][:, GAIN] = 0.2
    made["values"][:, HZ] = [330, 331, 441, 550, 660, 770, 880]
    made["values"][:, ATTACK_S] = 0.02
    left, _ = play(made, 20_000, bench)
    assert counted(bench, "stolen") == 3
    assert counted(bench, "sounding") == 4
    assert not len(clicks(left, RATE))


def test_the_quietest_is_stolen_and_of_them_the_oldest() -> None:
    bench = Bench(VOICES)
    bench.record["max_voices"] = 4
    made = tones([0, 64, 128, 192], SINE, 10**9)
    made["values"][:, HZ] = hz = [1000, 2000, 3000, 4000]
    made["values"][:, GAIN] = [0.5, 0.1, 0.1, 0.01]
    play(made, 3200, bench)
    for gone, added in (
        ((), 5000),
        ((4000,), 6000),
        ((4000, 2000), 7000),
        ((4000, 2000, 3000), 8000),
    ):
        left = np.asarray(bench.run(44_096))[0]
        level = dict(zip(hz, (spectrum_at(left, each) for each in hz), strict=True))
        assert [each for each in hz if level[each] < 1e-4] == sorted(gone), level
        made = tones([int(bench.clock[0])], SINE, 10**9, hz=float(added))
        play(made, 6400, bench)


def spectrum_at(sound: Floats, hz: float) -> float:
    turn = np.exp(-2j * np.pi * hz / RATE * np.arange(len(sound)))
    window = np.hanning(len(sound))
    return float(np.abs(np.sum(sound * window * turn)) / len(sound) * 4)


def test_the_kernels_call_nothing_that_may_wait() -> None:
    record, wire = numba.from_dtype(VOICES.record), types.Array(types.float32, 1, "C")
    assert forbidden_calls(take_orders, (record,)) == set()
    assert forbidden_calls(play_voices, (record, wire, wire)) == set()
