"""MIDI messages as bytes.

In: channels from 1, numbers and values from 0 to 127. Out: bytes, one message each. Invariants: pure; a value beyond
seven bits is an error of the caller. Thread: any.

Source: MIDI 1.0 Detailed Specification, MIDI Association, 1996.
"""

from __future__ import annotations

from typing import Final

NOTE_OFF: Final = 0x80
NOTE_ON: Final = 0x90
CONTROL: Final = 0xB0
PROGRAM: Final = 0xC0
SONG_POSITION: Final = 0xF2
CLOCK: Final = 0xF8
START: Final = 0xFA
CONTINUE: Final = 0xFB
STOP: Final = 0xFC

SUSTAIN_PEDAL: Final = 64
PEDAL_DOWN: Final = 64
"""Least value of a pedal that is held."""
ALL_SOUND_OFF: Final = 120
ALL_NOTES_OFF: Final = 123

PULSES_PER_BEAT: Final = 24
SIXTEENTHS_PER_BEAT: Final = 4
PULSES_PER_SIXTEENTH: Final = PULSES_PER_BEAT // SIXTEENTHS_PER_BEAT
MOST_SIXTEENTHS: Final = 1 << 14
"""That a song position counts."""


def note_on(channel: int, number: int, velocity: int) -> bytes:
    """A key goes down; the velocity is 1 to 127."""
    return bytes((NOTE_ON | channel - 1, number, velocity))


def note_off(channel: int, number: int) -> bytes:
    """A key comes up."""
    return bytes((NOTE_OFF | channel - 1, number, 64))


def control_change(channel: int, number: int, value: int) -> bytes:
    """A controller is moved."""
    return bytes((CONTROL | channel - 1, number, value))


def program_change(channel: int, number: int) -> bytes:
    """Another sound."""
    return bytes((PROGRAM | channel - 1, number))


def song_position(sixteenths: int) -> bytes:
    """Where ``CONTINUE`` goes on; it counts to ``MOST_SIXTEENTHS`` and then from 0 again."""
    sixteenths %= MOST_SIXTEENTHS
    return bytes((SONG_POSITION, sixteenths & 127, sixteenths >> 7))


def sixteenths_of(message: bytes) -> int:
    """What a song position says."""
    return message[1] | message[2] << 7
