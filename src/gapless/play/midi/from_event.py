"""What an event says to a MIDI device.

In: events that begin. Out: notes, and other messages. Invariants: an event without ``midichan`` says nothing; what is
said wrongly is remarked upon as for voices, see ``play.controls``. Thread: the scheduler's.

With ``ccn`` and ``ccv``, or ``progNum``, an event is a control change or a program change; it is a note besides if it
says ``note``, ``midinote``, ``n`` or ``freq``. Without any of these it is a note. Names and the default of
``velocity`` are those of Tidal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from gapless.play.controls import C4_MIDI, Said
from gapless.play.midi.message import control_change, program_change
from gapless.play.remarks import Remarks
from gapless.play.schedule import Heard

VELOCITY: Final = 0.8
PITCHES: Final = ("note", "midinote", "n", "freq")


class Note(NamedTuple):
    """A key that goes down and up."""

    begin: int
    """Sample."""
    end: int
    """Sample, behind ``begin``."""
    channel: int
    number: int
    velocity: int
    """1 to 127."""
    output: str
    """Of the program."""


class Other(NamedTuple):
    """Another message."""

    at: int
    """Sample."""
    message: bytes


Saying: TypeAlias = Note | Other


def said_by(heard: Heard, rate_hz: int, remarks: Remarks) -> Iterator[Saying]:
    """What an event says, program and control changes first.

    Args:
        heard: it.
        rate_hz: of its samples.
        remarks: take what is wrong.
    """
    controls = heard.event.value
    if "midichan" not in controls:
        return
    said = Said(controls, remarks, heard.event.spans[0] if heard.event.spans else None)
    said.check_names()
    if not said.has("midichan"):
        return
    channel = _whole(said, "midichan")
    others = False
    if said.has("progNum"):
        others = True
        yield Other(heard.begin, program_change(channel, _whole(said, "progNum")))
    if said.has("ccn") and said.has("ccv"):
        others = True
        yield Other(heard.begin, control_change(channel, _whole(said, "ccn"), _whole(said, "ccv")))
    if others and not any(said.has(name) for name in PITCHES):
        return
    velocity = said.number("velocity", VELOCITY)
    number = _number(said)
    if not 0 <= number <= 127:
        said.remark(
            "midi note", f"MIDI has notes from 0 to 127, and 60 is c4; {number} is not sent"
        )
        return
    if velocity > 0:
        end = heard.begin + _length(said, heard, rate_hz)
        loud = max(math.floor(velocity * 127 + 0.5), 1)
        yield Note(heard.begin, end, channel, number, loud, heard.output)


def _number(said: Said) -> int:
    if said.has("freq"):
        number = 69 + 12 * math.log2(said.number("freq", 440.0) / 440.0)
    else:
        fallback = said.number("n", 0.0) + C4_MIDI
        number = C4_MIDI + said.number("note", said.number("midinote", fallback) - C4_MIDI)
    return math.floor(number + 0.5)


def _length(said: Said, heard: Heard, rate_hz: int) -> int:
    sustain_s = None
    if said.has("sustain") and not said.has("decay"):
        sustain_s = said.number("sustain", 0.0)
    whole = float(max(heard.end - heard.begin, 1))
    held = said.hold(whole, sustain_s, rate_hz)
    return max(math.floor(whole if held is None else held), 1)


def _whole(said: Said, name: str) -> int:
    return math.floor(said.number(name, 0.0) + 0.5)
