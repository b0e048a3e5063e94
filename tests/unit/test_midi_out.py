"""What events say over MIDI, the box in which messages wait, and the clock that is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from gapless.play.controls import FOR_MIDI
from gapless.play.live.wall_clock import WallClock
from gapless.play.midi.from_event import Note, Other, said_by
from gapless.play.midi.message import (
    CLOCK,
    CONTINUE,
    START,
    STOP,
    note_off,
    note_on,
    sixteenths_of,
    song_position,
)
from gapless.play.midi.outbox import MOST, Outbox
from gapless.play.midi.pulses import Now, Pulses
from gapless.play.midi.sender import Sender
from gapless.play.pattern import Event
from gapless.play.program import Number, Program, Transport
from gapless.play.remarks import Remarks
from gapless.play.schedule import Heard
from gapless.play.time import Span

RATE_HZ = 48_000


def heard(begin: int = 0, end: int = 24_000, output: str = "o1", **controls: Any) -> Heard:
    span = Span(Fraction(begin, 96_000), Fraction(end, 96_000))
    return Heard(output, Event(span, span, controls), begin, end)


def said(one: Heard) -> list[Note | Other]:
    return list(said_by(one, RATE_HZ, Remarks()))


@pytest.mark.parametrize(
    ("controls", "number", "velocity", "length"),
    [
        ({}, 60, 102, 24_000),
        ({"note": 3.5}, 64, 102, 24_000),
        ({"note": -12, "n": 5}, 48, 102, 24_000),
        ({"n": 7}, 67, 102, 24_000),
        ({"midinote": 69}, 69, 102, 24_000),
        ({"freq": 880}, 81, 102, 24_000),
        ({"velocity": 1}, 60, 127, 24_000),
        ({"velocity": 0.001}, 60, 1, 24_000),
        ({"legato": 0.5}, 60, 102, 12_000),
        ({"sustain": 0.25}, 60, 102, 12_000),
        ({"sustain": 0.25, "decay": 1}, 60, 102, 24_000),
        ({"legato": 0}, 60, 102, 1),
    ],
    ids=str,
)
def test_an_event_is_a_note(
    controls: dict[str, Any], number: int, velocity: int, length: int
) -> None:
    (note,) = said(heard(100, 24_100, midichan=3, **controls))
    assert note == Note(100, 100 + length, 3, number, velocity, "o1")


def test_what_is_for_no_channel_or_silent_says_nothing() -> None:
    assert not said(heard(s="bd"))
    assert not said(heard(midichan="x"))
    assert not said(heard(midichan=1, velocity=0))


@pytest.mark.parametrize("note", [-61, 68, 120])
def test_a_note_that_midi_does_not_have_is_not_sent_and_said(note: int) -> None:
    remarks = Remarks()
    assert not list(said_by(heard(midichan=1, note=note), RATE_HZ, remarks))
    (remark,) = remarks.take()
    assert "0 to 127" in remark.text


@pytest.mark.parametrize("name", sorted(FOR_MIDI))
def test_numbers_are_bounded_and_said_so_once(name: str) -> None:
    remarks = Remarks()
    for beyond in (1e6, -1e6):
        controls: dict[str, Any] = {"midichan": 1, "ccn": 0, "ccv": 0, "note": 0, name: beyond}
        for one in said_by(heard(**controls), RATE_HZ, remarks):
            message = one.message if isinstance(one, Other) else note_on(*one[2:5])
            assert all(byte < 128 for byte in message[1:])
    (remark,) = remarks.take()
    assert f"{name} goes from" in remark.text


def test_controllers_and_programs_are_no_notes_unless_one_is_said() -> None:
    assert said(heard(midichan=2, ccn=7, ccv=64)) == [Other(0, bytes((0xB1, 7, 64)))]
    assert said(heard(midichan=16, progNum=5)) == [Other(0, bytes((0xCF, 5)))]
    program, control, note = said(heard(midichan=1, progNum=5, ccn=1, ccv=127, note=0))
    assert (program, control) == (Other(0, bytes((0xC0, 5))), Other(0, bytes((0xB0, 1, 127))))
    assert isinstance(note, Note)
    assert isinstance(said(heard(midichan=1, ccn=1))[0], Note), "half a control change is none"


@pytest.mark.parametrize("sixteenths", [0, 1, 127, 128, 16_383])
def test_song_positions_come_back(sixteenths: int) -> None:
    assert sixteenths_of(song_position(sixteenths)) == sixteenths


def a_note(begin: int, end: int, number: int = 60, output: str = "o1") -> Note:
    return Note(begin, end, 1, number, 100, output)


ON, OFF = note_on(1, 60, 100), note_off(1, 60)


def test_notes_begin_and_end_at_their_samples() -> None:
    box = Outbox()
    box.note(a_note(10, 20))
    assert box.next() == 10
    assert not box.take(9)
    assert box.take(10) == [(10, ON)]
    assert box.next() == 20
    assert box.take(100) == [(20, OFF)]
    assert box.next() is None


def test_a_key_comes_up_before_it_goes_down_again() -> None:
    box = Outbox()
    box.note(a_note(0, 1000))
    box.note(a_note(100, 200))
    assert box.take(5000) == [(0, ON), (100, OFF), (100, ON), (200, OFF)]


def test_of_one_sample_notes_end_first_and_begin_last() -> None:
    box = Outbox()
    box.note(a_note(0, 100))
    box.note(a_note(100, 200, 72))
    box.put(100, b"\xc0\x05")
    assert [message for _, message in box.take(100)] == [ON, OFF, b"\xc0\x05", note_on(1, 72, 100)]


def test_what_is_over_is_ended_and_forgotten() -> None:
    box = Outbox()
    box.note(a_note(0, 1000))
    box.note(a_note(0, 1000, 62, "o2"))
    box.note(a_note(500, 1000, 64))
    box.put(600, b"\xf8")
    box.take(0)
    assert box.silence(lambda output: output == "o1") == [OFF]
    assert [message for _, message in box.take(5000)] == [b"\xf8", note_off(1, 62)]


def test_the_box_is_bounded_and_every_note_in_it_ends() -> None:
    box = Outbox()
    for n in range(MOST + 10):
        box.note(a_note(n, n + 5, n % 128))
    assert box.refused == 10
    messages = [message for _, message in box.take(10 * MOST)]
    ons = [m for m in messages if m[0] == 0x90]
    offs = [m for m in messages if m[0] == 0x80]
    assert len(ons) == len(offs) == MOST


# --- the clock ---


def clock(looks: list[Now], beats: int = 4) -> list[tuple[int, int]]:
    """Samples and status bytes."""
    pulses = Pulses(RATE_HZ, Fraction(beats))
    return [(at, message[0]) for now in looks for at, message in pulses.look(now)]


def steady(
    samples: range, cps: Fraction = Fraction(1, 2), *, plays: bool = True, shift: int = 0
) -> list[Now]:
    return [Now(n, (n - shift) * cps / RATE_HZ, cps, plays) for n in samples]


def test_there_are_24_pulses_a_beat_where_the_cycles_are() -> None:
    # 120 beats a minute: a pulse each 1000 samples.
    found = clock(steady(range(0, 96_100, 320)))
    assert found[:2] == [(0, START), (0, CLOCK)]
    assert [at for at, kind in found if kind == CLOCK] == list(range(0, 96_000, 1000))


@pytest.mark.parametrize("step", [64, 1000, 7777])
def test_it_does_not_matter_how_often_it_is_looked_at(step: int) -> None:
    found = clock(steady(range(0, 200_000, step), Fraction(1, 3)))
    expected = [at for at in range(0, 200_000, 1500) if at < range(0, 200_000, step)[-1]]
    assert [at for at, kind in found if kind == CLOCK] == expected


def test_the_speed_may_change_at_any_moment() -> None:
    slow, fast = Fraction(1, 2), Fraction(1)
    looks = steady(range(0, 48_001, 400), slow)
    middle = Fraction(1, 2)
    looks += [
        Now(48_000 + n, middle + n * fast / RATE_HZ, fast, True) for n in range(400, 48_000, 400)
    ]
    at = [at for at, kind in clock(looks) if kind == CLOCK]
    assert at[:49] == list(range(0, 49_000, 1000))
    assert at[49:60] == list(range(48_500, 54_000, 500))


def test_a_jump_stops_and_goes_on_at_the_next_sixteenth() -> None:
    cps = Fraction(1, 2)
    looks = steady(range(0, 10_001, 500))
    place = Fraction(5) + Fraction(1, 100)
    looks += [
        Now(10_000 + n, place + n * cps / RATE_HZ, cps, True) for n in range(500, 20_000, 500)
    ]
    pulses = Pulses(RATE_HZ, Fraction(4))
    found = [due for now in looks for due in pulses.look(now)]
    others = [(at, message) for at, message in found if message[0] != CLOCK]
    assert others[0] == (0, bytes((START,)))
    assert others[1] == (10_000, bytes((STOP,)))
    (_, position), (at, goes_on) = others[2:]
    assert sixteenths_of(position) == 81
    assert goes_on == bytes((CONTINUE,))
    # Cycle 5 + 1/16 lies a sixteenth, 6000 samples, behind cycle 5, which is 960 before 10,000.
    assert at == pytest.approx(10_000 - 960 + 6000, abs=1)
    assert (at, bytes((CLOCK,))) in found


def test_silence_stops_and_the_pulses_go_on() -> None:
    looks = steady(range(0, 10_001, 500)) + steady(range(10_500, 20_001, 500), plays=False)
    found = clock(looks)
    assert (10_000, STOP) in found
    assert sum(kind == CLOCK for _, kind in found) == 20
    # The next program begins at the beginning.
    looks += steady(range(20_500, 30_000, 500), shift=20_200)
    found = clock(looks)
    place = found.index((20_200, START))
    assert found[place + 1] == (20_200, CLOCK)


# --- the sending thread ---


class Port:
    """Remembers what was sent and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.changed = threading.Condition()

    def send(self, message: bytes) -> None:
        with self.changed:
            self.sent.append((time.monotonic_ns(), message))
            self.changed.notify()

    def wait(self, true: Callable[[list[bytes]], bool]) -> list[bytes]:
        with self.changed:
            assert self.changed.wait_for(lambda: true([m for _, m in self.sent]), 20)
            return [m for _, m in self.sent]


class Playing:
    """A program that can be changed."""

    def __init__(self) -> None:
        self.program = Program(outputs={"o1": Number(0), "o2": Number(0)})


@pytest.fixture
def playing() -> Playing:
    return Playing()


def sender(port: Port, playing: Playing, latency_ms: float = 0.0) -> Sender:
    times = WallClock(RATE_HZ)
    return Sender(
        port, times, RATE_HZ, latency_ms, program=lambda: playing.program, remarks=Remarks()
    )


def test_messages_are_sent_in_time_never_before(playing: Playing) -> None:
    port = Port()
    now_ns = time.monotonic_ns()
    one = sender(port, playing, latency_ms=10)
    one.listen(heard(4800, 9600, midichan=1))
    port.wait(lambda sent: sent == [note_on(1, 60, 102), note_off(1, 60)])
    one.close()
    (on_ns, _), (off_ns, _) = port.sent
    assert on_ns - now_ns >= 110_000_000
    assert off_ns - now_ns >= 210_000_000


def test_what_is_late_is_sent_and_counted(playing: Playing) -> None:
    port = Port()
    one = sender(port, playing)
    one.listen(heard(-48_000, 480_000, midichan=1))
    port.wait(lambda sent: len(sent) == 1)
    one.close()
    assert one.counts() == (2, 1, 0)
    assert port.sent[-1][1] == note_off(1, 60), "nothing is left sounding"


@pytest.mark.parametrize(
    ("program", "ended"),
    [
        (Program(outputs={}), {60, 62}),
        (
            Program(outputs={"o1": Number(0)}, transport=(Transport("panic"),)),
            {60, 62},
        ),
        (
            Program(outputs={"o1": Number(0), "o2": Number(0)}, hushed=frozenset({"o2"})),
            {62},
        ),
        (Program(outputs={"o1": Number(0)}), set()),
    ],
    ids=["hush", "panic", "one is hushed", "one is gone and rings out"],
)
def test_notes_end_when_they_are_hushed(
    playing: Playing, program: Program, ended: set[int]
) -> None:
    port = Port()
    one = sender(port, playing)
    one.listen(heard(0, 4_800_000, midichan=1))
    one.listen(heard(0, 4_800_000, "o2", midichan=1, note=2))
    one.listen(heard(2_400_000, 4_800_000, "o2", midichan=1, note=4))
    port.wait(lambda sent: len(sent) == 2)
    playing.program = program
    # Another event makes it look at once; what it says itself is of the new program.
    one.listen(heard(0, 4_800_000, "o1", midichan=1, note=12))
    found = port.wait(lambda sent: note_on(1, 72, 102) in sent)
    assert {message[1] for message in found if message[0] == 0x80} == ended
    one.close()
    ons, offs = ([m[1] for _, m in port.sent if m[0] == kind] for kind in (0x90, 0x80))
    assert sorted(ons) == sorted(offs) == [60, 62, 72]
