"""Keys that play an instrument of a performance: what is heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.play.live.performance import Performance
from gapless.play.live.wall_clock import WallClock
from gapless.play.midi.keys import RELEASE_S, Keys
from gapless.play.midi.message import note_off, note_on
from gapless.play.notes import number_of

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-midi")]

RATE_HZ = 44_100
BLOCK = 441


class Room:
    """A performance whose time is that of its samples."""

    def __init__(self, performance: Performance) -> None:
        self.performance = performance
        self.times = WallClock(RATE_HZ, 0, 0)

    @property
    def now_ns(self) -> int:
        return round(self.performance.player.position / RATE_HZ * 1e9)

    def hear(self, seconds: float) -> Samples:
        blocks = []
        for _ in range(round(seconds * RATE_HZ / BLOCK)):
            self.performance.player.advance()
            blocks.append(self.performance.read(BLOCK))
            self.times.saw(self.performance.player.position, self.now_ns)
        return np.concatenate(blocks, axis=1)


@pytest.fixture
def room() -> Iterator[Room]:
    with Performance(RATE_HZ) as performance:
        yield Room(performance)


def level(sound: Samples) -> float:
    return float(np.abs(sound).max())


def hertz(sound: Samples) -> float:
    """Of its strongest sine."""
    window = sound[0] * np.hanning(sound.shape[1])
    spectrum = np.abs(np.fft.rfft(window))
    return float(spectrum.argmax() * RATE_HZ / sound.shape[1])


@pytest.mark.parametrize("name", ["sine", "supersaw"])
def test_a_key_sounds_until_it_comes_up(room: Room, name: str) -> None:
    with closing(Keys(room.performance, room.times, name)) as keys:
        room.hear(0.2)
        keys.take(note_on(1, 69, 127), room.now_ns)
        held = room.hear(1.0)
        assert hertz(held[:, BLOCK * 20 :]) == pytest.approx(440, abs=8)
        assert level(held[:, -BLOCK * 10 :]) > 0.05
        keys.take(note_off(1, 69), room.now_ns)
        released = room.hear(RELEASE_S + 0.1)
        assert level(released[:, : BLOCK * 2]) > 0.03, "it is released, not cut"
        assert level(released[:, -BLOCK * 5 :]) < 1e-4
        assert keys.counts() == (1, 0)


@pytest.mark.parametrize("name", ["saw", "supersaw"])
def test_one_key_comes_up_and_the_other_sounds_on(room: Room, name: str) -> None:
    with closing(Keys(room.performance, room.times, name)) as keys:
        room.hear(0.2)
        keys.take(note_on(1, 57, 127), room.now_ns)
        keys.take(note_on(1, 69, 127), room.now_ns)
        room.hear(0.3)
        keys.take(note_off(1, 69), room.now_ns)
        room.hear(0.4)
        assert hertz(room.hear(0.5)) == pytest.approx(220, abs=6)


@pytest.mark.parametrize("name", ["sine", "supersaw"])
def test_a_key_that_is_held_when_the_keyboard_goes_is_released(room: Room, name: str) -> None:
    with closing(Keys(room.performance, room.times, name)) as keys:
        room.hear(0.2)
        keys.take(note_on(1, 69, 127), room.now_ns)
        assert level(room.hear(0.3)) > 0.05
    room.hear(RELEASE_S + 0.1)
    assert level(room.hear(0.1)) < 1e-4


def test_velocity_is_how_loud(room: Room) -> None:
    with closing(Keys(room.performance, room.times, "sine")) as keys:
        room.hear(0.2)
        keys.take(note_on(1, 60, 127), room.now_ns)
        loud = level(room.hear(0.3))
        keys.take(note_off(1, 60), room.now_ns)
        room.hear(0.5)
        keys.take(note_on(1, 60, 64), room.now_ns)
        soft = level(room.hear(0.3))
        assert soft / loud == pytest.approx((64 / 127) ** 2, rel=0.05)


def test_keys_go_on_through_programs_and_hushes(room: Room) -> None:
    with closing(Keys(room.performance, room.times, "sine")) as keys:
        room.performance.set('o1: s "bd*4" # gain 0', "first")
        room.hear(0.2)
        keys.take(note_on(1, 69, 127), room.now_ns)
        room.hear(0.2)
        room.performance.set('o1: s "sn*4" # gain 0\no2: s "cp" # gain 0', "second")
        sound = room.hear(0.3)
        room.performance.hush()
        sound = np.concatenate((sound, room.hear(0.3)), axis=1)
        # A held sine has no gap, and no step.
        windows = np.abs(sound[0, : len(sound[0]) // 200 * 200].reshape(-1, 200)).max(axis=1)
        assert windows.min() > 0.9 * windows.max()
        assert np.abs(np.diff(sound[0])).max() < 1.2 * 2 * np.pi * 440 / RATE_HZ * level(sound)
        keys.take(note_off(1, 69), room.now_ns)
        room.hear(0.5)
        assert level(room.hear(0.1)) < 1e-4


def test_a_key_begins_at_the_sample_of_its_moment_within_the_block(room: Room) -> None:
    with closing(Keys(room.performance, room.times, "sine")) as keys:
        room.hear(1.0)
        position = room.performance.player.position
        keys.take(note_on(1, 69, 127), room.now_ns + round(200 / RATE_HZ * 1e9))
        sound = room.hear(0.1)
        (first, *_) = np.flatnonzero(np.abs(sound[0]) > 1e-7)
        # Blocks are cut from quanta of 64 samples: what is read lies up to one behind the position.
        heard = position - position % 64 + first
        assert abs(heard - (position + 200)) <= 128


def test_an_instrument_that_does_not_exist_is_silent_and_said(room: Room) -> None:
    with closing(Keys(room.performance, room.times, "supersaww")) as keys:
        keys.take(note_on(1, 69, 127), room.now_ns)
        assert level(room.hear(0.2)) == 0
        assert keys.counts() == (0, 1)
        assert any("supersaww" in remark.text for remark in room.performance.remarks())


def test_the_output_goes_with_the_keys(room: Room) -> None:
    keys = Keys(room.performance, room.times, "sine")
    room.hear(0.2)
    keys.take(note_on(1, 69, 127), room.now_ns)
    room.hear(0.2)
    keys.close()
    room.hear(0.2)
    keys.take(note_on(1, 69, 127), room.now_ns)
    room.hear(0.2)
    assert keys.counts().played == 1


def test_middle_c_is_note_0() -> None:
    assert number_of("c4") == 0
