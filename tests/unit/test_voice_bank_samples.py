"""The bank of voices: recorded sounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.trigger import (
    ACCELERATE,
    BEGIN,
    END,
    GAIN,
    PAN,
    RELEASE_S,
    SAMPLE,
    SPEED,
    SUSTAIN,
    TRIGGER,
    post,
)
from gapless.testing.detectors import clicks
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-voice-bank")]

RATE = 44_100
Floats = npt.NDArray[np.float32]
Orders = npt.NDArray[np.void]


def order(sound: Floats, at: int = 0, *, hold: int = 0, cut: int = 0, loop: int = 0) -> Orders:
    made = np.zeros(1, TRIGGER)
    made["at"], made["kind"], made["hold"], made["cut"], made["loop"] = at, SAMPLE, hold, cut, loop
    made["sound"] = sound.ctypes.data
    made["length"] = len(sound)
    made["channels"] = 1 if sound.ndim == 1 else sound.shape[1]
    for place, value in ((GAIN, 1), (SPEED, 1), (END, 1), (SUSTAIN, 1)):
        made["values"][:, place] = value
    return made


def play(made: Orders, n_samples: int, *, linear: bool = False) -> Floats:
    bench = Bench(VOICES)
    bench.record["linear"] = linear
    assert post(bench.record, made) == len(made)
    heard = bench.run(n_samples)
    assert bench.record["sounding"][0] == 0, "a voice is left"
    return heard


def recorded_sine(hz: float, n_samples: int) -> Floats:
    """One that begins and ends with 0, or nearly so."""
    wave: Floats = np.sin(2 * np.pi * hz / RATE * np.arange(n_samples)).astype(np.float32)
    return wave


def drum(n_samples: int = 5000) -> Floats:
    """Loud at once, silent in the end."""
    random = np.random.default_rng(5)
    fall = np.linspace(1, 0, n_samples) ** 2
    return (random.standard_normal(n_samples) * fall * 0.3).astype(np.float32)


@pytest.mark.parametrize("at", [0, 5, 64, 77])
@pytest.mark.parametrize("channels", [1, 2])
def test_at_speed_1_it_is_the_recording_itself(at: int, channels: int) -> None:
    sound = drum() if channels == 1 else np.ascontiguousarray(np.stack([drum(), -drum()], axis=1))
    made = order(sound, at)
    left, _ = play(made, 6000)
    np.testing.assert_array_equal(left[at : at + 5000], sound.reshape(5000, -1)[:, 0])
    assert not left[:at].any()
    assert not left[at + 5000 :].any()
    made["values"][:, PAN] = 1
    _, right = play(made, 6000)
    np.testing.assert_array_equal(right[at : at + 5000], sound.reshape(5000, -1)[:, -1])


@pytest.mark.parametrize("channels", [1, 2])
def test_backwards_it_is_the_recording_backwards(channels: int) -> None:
    sound = drum()
    sound[:50] = 0  # it ends without a click
    whole = sound if channels == 1 else np.ascontiguousarray(np.stack([sound, sound], axis=1))
    made = order(whole, 9)
    made["values"][:, SPEED] = -1
    left, _ = play(made, 6000)
    np.testing.assert_array_equal(left[9:5009], sound[::-1])
    assert not left[5009:].any()


@pytest.mark.parametrize("speed", [2.0, 0.5, 1.3, -0.7, -3.0])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_speed_is_pitch_and_length(speed: float, linear: bool, channels: int) -> None:
    n_samples = 22_050
    sound = recorded_sine(441, n_samples + 1)
    whole = sound if channels == 1 else np.ascontiguousarray(np.stack([sound, sound], axis=1))
    made = order(whole, 3)
    made["values"][:, SPEED] = speed
    left, _ = play(made, 60_000, linear=linear)
    length = int(n_samples / abs(speed))
    time = speed * np.arange(length)
    start = 0 if speed > 0 else n_samples
    exact = np.sin(2 * np.pi * 441 / RATE * (start + time))
    # Of a straight line between frames: an eighth of the angle's square; of the cubic about a quarter of its cube.
    error = np.abs(left[3 : 3 + length] - exact)[100:-100].max()
    assert error < (6e-4 if linear else 7e-5)
    assert not left[3 + length + 3 :].any()


def test_a_part_begins_and_ends_without_a_click() -> None:
    sound = (recorded_sine(300, 20_000) * 0.5).astype(np.float32)
    for speed in (1, -1, 0.6, -1.7):
        made = order(sound, 5000)
        made["values"][:, BEGIN], made["values"][:, END] = 0.3123, 0.7321
        made["values"][:, SPEED] = speed
        left, _ = play(made, 25_000)
        heard = np.flatnonzero(left)
        frames = 20_000 * (0.7321 - 0.3123)
        assert heard[0] == pytest.approx(5000, abs=2)
        assert heard[-1] - heard[0] == pytest.approx(frames / abs(speed), abs=4)
        assert np.abs(np.diff(left)).max() < 0.5 * 2 * np.pi * 300 / RATE * abs(speed) + 0.03
        assert not len(clicks(left, RATE))


def test_a_recording_that_ends_loud_is_faded_and_its_attack_is_kept() -> None:
    sound = np.full(4000, 0.5, np.float32)
    left, _ = play(order(sound, 10), 5000)
    assert left[10] == 0.5
    assert left[4000 + 10 - 100] == 0.5
    assert np.abs(np.diff(left[11:])).max() < 0.5 / 40


def test_a_held_sample_is_released() -> None:
    sound = np.full(4000, 0.5, np.float32)
    made = order(sound, 10, hold=1000)
    made["values"][:, RELEASE_S] = 0.01
    left, _ = play(made, 2000)
    assert left[10 + 1000] == 0.5
    assert 0 < left[10 + 1000 + 440] < 1e-5
    assert not left[10 + 1000 + 441 :].any()


@pytest.mark.parametrize("speed", [1.0, 0.5, -1.0])
@pytest.mark.parametrize("length", [1, 3, 100])
def test_a_loop_goes_round_until_its_release(speed: float, length: int) -> None:
    sound = np.sin(2 * np.pi * np.arange(length) / length + 0.3).astype(np.float32)
    made = order(sound, 7, hold=3000, loop=1)
    made["values"][:, SPEED] = speed
    left, _ = play(made, 4000)
    frames = (np.arange(3000) if speed > 0 else length - 1 - np.arange(3000)) * abs(speed)
    if speed < 0:
        frames = length - 1 - np.arange(3000) * abs(speed)
    whole = frames % 1 == 0
    expected = sound[frames.astype(int) % length]
    begin = 60 if speed < 0 else 0  # a fade where the loop does not begin with its begin
    np.testing.assert_array_equal(left[7:3007][whole][begin:], expected[whole][begin:])


def test_a_loop_without_hold_goes_round_once() -> None:
    sound = drum(1000)
    assert np.flatnonzero(play(order(sound, 0, loop=1), 4000)[0])[-1] < 1000


@pytest.mark.parametrize("bend", [1.0, -1.0])
def test_accelerate_changes_the_pitch_by_octaves(bend: float) -> None:
    sound = recorded_sine(1000, 200_000)
    made = order(sound, 0, hold=RATE)
    made["values"][:, ACCELERATE] = bend
    left, _ = play(made, RATE + 2000)
    crossings = np.flatnonzero((left[:-1] <= 0) & (left[1:] > 0))
    for at in (2000, 22_050, 42_000):
        near = crossings[(crossings > at - 1500) & (crossings < at + 1500)]
        hz = RATE * (len(near) - 1) / (near[-1] - near[0])
        assert hz == pytest.approx(1000 * 2 ** (bend * at / RATE), rel=0.01)


def test_a_voice_ends_the_one_before_of_its_group_in_10_ms() -> None:
    sound = np.full(20_000, 0.5, np.float32)
    quiet = np.zeros(10_000, np.float32)
    other = np.full(20_000, 0.25, np.float32)
    made = np.concatenate(
        [order(sound, 0, cut=1), order(other, 0, cut=2), order(quiet, 5003, cut=1)]
    )
    bench = Bench(VOICES)
    post(bench.record, made)
    left, _ = np.asarray(bench.run(12_800))
    assert left[5003] == 0.75
    middle = left[5003 + 220] - 0.25
    assert middle == pytest.approx(0.25, abs=0.01)
    assert set(left[5003 + 441 : 12_000]) == {np.float32(0.25)}
    assert np.abs(np.diff(left[1:12_000])).max() < 0.002
    assert bench.record["sounding"][0] == 2
