"""Keys, and the clock of another machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, Final

import pytest

from gapless.errors import ConfigError, DeviceError, MissingDependencyError
from gapless.play.live.wall_clock import WallClock
from gapless.play.midi import library
from gapless.play.midi.connect import MidiOptions, _check
from gapless.play.midi.follow import Follower
from gapless.play.midi.keyboard import Keyboard, LetGo, Press
from gapless.play.midi.message import (
    CLOCK,
    CONTINUE,
    START,
    STOP,
    control_change,
    note_off,
    note_on,
    song_position,
)
from gapless.play.midi.tempo import ExternalClock
from gapless.play.schedule import Scheduler

RATE_HZ: Final = 48_000
SECOND: Final = 1_000_000_000
C4: Final = 60


def test_a_key_is_held_until_it_comes_up() -> None:
    keyboard = Keyboard()
    assert keyboard.take(note_on(1, 60, 100)) == [Press(C4, 100)]
    assert not keyboard.take(note_off(1, 61))
    assert keyboard.take(note_off(1, 60)) == [LetGo(C4)]
    assert not keyboard.take(note_off(1, 60))


def test_velocity_0_is_note_off() -> None:
    keyboard = Keyboard()
    keyboard.take(note_on(1, 60, 100))
    assert keyboard.take(b"\x90\x3c\x00") == [LetGo(C4)]


def test_a_key_that_goes_down_twice_is_let_go_before() -> None:
    keyboard = Keyboard()
    keyboard.take(note_on(1, 60, 100))
    assert keyboard.take(note_on(1, 60, 50)) == [LetGo(C4), Press(C4, 50)]


def test_channels_are_different_keys_of_the_same_height() -> None:
    keyboard = Keyboard()
    (one,), (other,) = keyboard.take(note_on(1, 60, 1)), keyboard.take(note_on(16, 60, 1))
    assert one.key != other.key
    assert isinstance(one, Press)
    assert isinstance(other, Press)
    assert one.number == other.number == 60


def test_the_pedal_holds_what_comes_up_in_its_channel() -> None:
    keyboard = Keyboard()
    keyboard.take(note_on(1, 60, 100))
    keyboard.take(note_on(1, 64, 100))
    keyboard.take(note_on(2, 67, 100))
    assert not keyboard.take(control_change(1, 64, 127))
    assert not keyboard.take(note_off(1, 60))
    assert keyboard.take(note_off(2, 67)) == [LetGo(128 + 67)]
    assert keyboard.take(note_on(1, 60, 90)) == [LetGo(C4), Press(C4, 90)]
    keyboard.take(note_off(1, 60))
    assert keyboard.take(control_change(1, 64, 0)) == [LetGo(C4)], "64 is still down"
    assert keyboard.take(note_off(1, 64)) == [LetGo(64)]


@pytest.mark.parametrize("control", [120, 123, 127])
def test_all_notes_off_lets_go_of_all_of_a_channel(control: int) -> None:
    keyboard = Keyboard()
    for channel, number in ((1, 60), (1, 64), (2, 60)):
        keyboard.take(note_on(channel, number, 100))
    keyboard.take(control_change(1, 64, 127))
    keyboard.take(note_off(1, 64))
    assert keyboard.take(control_change(1, control, 0)) == [LetGo(60), LetGo(64)]
    assert keyboard.release_all() == [LetGo(128 + 60)]


@pytest.mark.parametrize("message", [b"\xf8", b"\xc0\x05", b"\xe0\x00\x40", b"\xb0\x01\x40"])
def test_other_messages_press_nothing(message: bytes) -> None:
    assert not Keyboard().take(message)


# --- the clock ---


def pulses(bpm: float, n: int, begin_ns: int = 0, jitter_ms: float = 0.0) -> Iterator[int]:
    chance = random.Random(3)
    for k in range(n):
        yield begin_ns + round(
            k * 60 * SECOND / bpm / 24 + chance.uniform(0, jitter_ms) * 1_000_000
        )


@pytest.mark.parametrize("bpm", [40.0, 120.0, 174.0, 300.0])
def test_speed_and_beat_are_found_through_jitter(bpm: float) -> None:
    clock = ExternalClock()
    clock.take(bytes((START,)), 0)
    now_ns = 0
    for now_ns in pulses(bpm, 24 * 40, SECOND, jitter_ms=2.0):
        clock.take(bytes((CLOCK,)), now_ns)
    assert clock.is_there(now_ns)
    assert clock.beats_per_second() * 60 == pytest.approx(bpm, rel=0.005)
    # The jitter is late by a millisecond in the mean.
    late_beats = 0.001 * bpm / 60
    true = (now_ns - SECOND) / SECOND * bpm / 60
    assert clock.beat_at(now_ns) == pytest.approx(true - late_beats, abs=1.2 * late_beats)


def test_a_new_speed_is_followed() -> None:
    clock = ExternalClock()
    last_ns = 0
    for last_ns in pulses(120, 100):
        clock.take(bytes((CLOCK,)), last_ns)
    begin_ns = last_ns + 20_000_000
    for last_ns in pulses(140, 24 * 16, begin_ns):
        clock.take(bytes((CLOCK,)), last_ns)
    assert clock.beats_per_second() * 60 == pytest.approx(140, rel=0.001)


@pytest.mark.parametrize("bpm", [5.0, 5000.0])
def test_a_speed_out_of_bounds_is_none(bpm: float) -> None:
    clock = ExternalClock()
    last_ns = 0
    for last_ns in pulses(bpm, 50):
        clock.take(bytes((CLOCK,)), last_ns)
    assert not clock.is_there(last_ns)


def test_a_clock_that_goes_is_not_there_and_comes_back() -> None:
    clock = ExternalClock()
    assert not clock.is_there(0)
    last_ns = 0
    for last_ns in pulses(120, 48):
        clock.take(bytes((CLOCK,)), last_ns)
    assert clock.is_there(last_ns)
    assert not clock.is_there(last_ns + SECOND)
    begin_ns = last_ns + 3 * SECOND
    for last_ns in pulses(90, 48, begin_ns):
        clock.take(bytes((CLOCK,)), last_ns)
    assert clock.beats_per_second() * 60 == pytest.approx(90, rel=0.001)


def test_it_goes_on_from_where_it_stopped_or_from_the_song_position() -> None:
    clock = ExternalClock()
    clock.take(bytes((START,)), 0)
    last_ns = 0
    for last_ns in pulses(120, 48):
        clock.take(bytes((CLOCK,)), last_ns)
    clock.take(bytes((STOP,)), last_ns)
    assert clock.runs is False
    clock.take(bytes((CONTINUE,)), last_ns)
    clock.take(bytes((CLOCK,)), last_ns + SECOND // 48)
    assert clock.started_at == 48
    clock.take(bytes((STOP,)), last_ns)
    clock.take(song_position(16), last_ns)
    clock.take(bytes((CONTINUE,)), last_ns)
    clock.take(bytes((CLOCK,)), last_ns + SECOND // 24)
    assert clock.started_at == 96
    assert clock.starts == 3


class Room:
    """A scheduler, a clock that it follows, and time that passes."""

    def __init__(self, own: Fraction = Fraction(1, 2)) -> None:
        self.scheduler = Scheduler(RATE_HZ, own, lambda *_, **__: None)
        self.graph: Any = SimpleNamespace(voices=[], steps=[], outputs={})
        self.clock = ExternalClock()
        self.follower = Follower(self.clock, Fraction(4))
        self.times = WallClock(RATE_HZ, 0, 0)
        self.own = own
        self.now_ns = 0

    def go(self, seconds: float, bpm: float | None = 120.0) -> None:
        """Let time pass, 5 ms at a time; pulses come meanwhile."""
        end_ns = self.now_ns + round(seconds * SECOND)
        pulse_ns = None if bpm is None else 60 * SECOND / bpm / 24
        next_ns = float(self.now_ns)
        while self.now_ns < end_ns:
            while pulse_ns is not None and next_ns <= self.now_ns:
                self.clock.take(bytes((CLOCK,)), round(next_ns))
                next_ns += pulse_ns
            self.scheduler.advance(self.graph, self.posted)
            self.follower.steer(self.scheduler, self.now_ns, self.times.time_ns_of, self.own)
            self.now_ns += 5_000_000

    @property
    def posted(self) -> int:
        return self.times.sample_at(self.now_ns + 25_000_000) // 64 * 64

    @property
    def cycle(self) -> float:
        """That is heard now."""
        return float(self.scheduler.cycle_at(self.times.sample_at(self.now_ns)))


def test_without_a_clock_nothing_changes() -> None:
    room = Room()
    room.go(2, bpm=None)
    assert room.scheduler.cps == Fraction(1, 2)
    assert room.cycle == pytest.approx(1.0)


def test_a_clock_that_was_not_started_gives_the_speed() -> None:
    room = Room()
    room.go(4, bpm=90)
    assert float(room.scheduler.cps) == pytest.approx(90 / 60 / 4, rel=1e-3)


@pytest.mark.parametrize("bpm", [60.0, 120.0, 180.0])
def test_after_a_start_cycles_are_those_of_the_clock(bpm: float) -> None:
    room = Room()
    room.go(3, bpm)
    room.clock.take(bytes((START,)), room.now_ns)
    begin_ns = room.now_ns
    room.go(8, bpm)
    true = (room.now_ns - begin_ns) / SECOND * bpm / 60 / 4
    # A millisecond and a half; the steps of this test are of five.
    assert room.cycle == pytest.approx(true, abs=0.0015 * bpm / 60 / 4)


def test_small_differences_are_made_up_for_by_the_speed_alone() -> None:
    room = Room()
    room.clock.take(bytes((START,)), 0)
    room.go(4)
    room.scheduler.set_cycle(room.scheduler.cycle_at(room.scheduler.posted) + Fraction(1, 100))
    jumps: list[Fraction] = []
    was = room.scheduler.set_cycle
    room.scheduler.set_cycle = lambda cycle: (jumps.append(cycle), was(cycle))[1]  # type: ignore[method-assign,func-returns-value]
    room.go(4)
    assert not jumps
    assert room.cycle == pytest.approx(room.now_ns / SECOND / 2, abs=0.001)


def test_stop_holds_the_time_and_continue_goes_on_there() -> None:
    room = Room()
    room.clock.take(bytes((START,)), 0)
    room.go(4)
    room.clock.take(bytes((STOP,)), room.now_ns)
    room.go(0.1)
    held = float(room.scheduler.cycle_at(room.scheduler.posted))
    room.go(20)
    assert float(room.scheduler.cycle_at(room.scheduler.posted)) == pytest.approx(held, abs=1e-6)
    room.clock.take(bytes((CONTINUE,)), room.now_ns)
    begin_ns = room.now_ns
    room.go(4)
    assert room.cycle == pytest.approx(2 + (room.now_ns - begin_ns) / SECOND / 2, abs=0.02)


def test_a_clock_that_goes_leaves_the_speed() -> None:
    room = Room()
    room.go(4, bpm=100)
    cps = room.scheduler.cps
    room.go(4, bpm=None)
    assert room.scheduler.cps == cps


# --- options ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (MidiOptions(input="x"), "--keys"),
        (MidiOptions(keys="saw"), "--midi-in"),
        (MidiOptions(clock="send"), "--midi-out"),
        (MidiOptions(clock="follow"), "--midi-in"),
        (MidiOptions(out="x", latency_ms=1e9), "latency_ms"),
        (MidiOptions(out="x", latency_ms=float("nan")), "latency_ms"),
        (MidiOptions(out="x", beats_per_cycle=0), "beats_per_cycle"),
    ],
    ids=str,
)
def test_options_that_say_nothing_are_a_mistake(options: MidiOptions, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _check(options)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_import(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", no_import)
    with pytest.raises(MissingDependencyError, match=r"gapless\[midi\]"):
        library.OutPort("x")


class FakeClient:
    """What python-rtmidi gives."""

    opened: str = ""

    def get_ports(self) -> list[str]:
        return ["Midi Through", "Digitakt MIDI 1", "Digitakt MIDI 10"]

    def open_port(self, place: int, name: str) -> None:
        self.opened = self.get_ports()[place]

    def send_message(self, message: bytes) -> None:
        raise OSError("unplugged")

    def delete(self) -> None:
        pass


def test_ports_are_found_by_a_part_of_their_name_the_exact_one_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = FakeClient()
    monkeypatch.setattr(library, "_clients", lambda _: iter([("fake", client)]))
    library.OutPort("digitakt midi 10")
    assert client.opened == "Digitakt MIDI 10"
    port = library.OutPort("Digitakt MIDI 1")
    assert client.opened == "Digitakt MIDI 1"
    port.send(b"\xf8")
    assert port.failed == 1
    with pytest.raises(DeviceError, match="there are: Midi Through, Digitakt"):
        library.OutPort("Moog")
