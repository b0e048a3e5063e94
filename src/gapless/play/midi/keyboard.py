"""Which keys are held, as MIDI messages say.

In: messages. Out: what to start, and what to let go. Invariants: a key that goes down again is let go before; while
the pedal of its channel is down a key that comes up is held; nothing is held for ever: all notes off lets go of all.
Thread: one.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias, final

from gapless.play.midi.message import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTROL,
    NOTE_OFF,
    NOTE_ON,
    PEDAL_DOWN,
    SUSTAIN_PEDAL,
)

KEYS: Final = 128
"""Of a channel."""


class Press(NamedTuple):
    """A voice begins."""

    key: int
    """Channel and number in one."""
    velocity: int
    """1 to 127."""

    @property
    def number(self) -> int:
        """60 is c4."""
        return self.key % KEYS


class LetGo(NamedTuple):
    """The voices of a key end."""

    key: int


Action: TypeAlias = Press | LetGo


@final
class Keyboard:
    """See above."""

    def __init__(self) -> None:
        self._down: set[int] = set()
        self._kept: set[int] = set()
        """Keys that are up, and held by the pedal."""
        self._pedals: set[int] = set()
        """Channels whose pedal is down."""

    def take(self, message: bytes) -> list[Action]:
        """What follows from a message, of any kind."""
        if len(message) != 3:
            return []
        channel, kind = message[0] & 0x0F, message[0] & 0xF0
        number, value = message[1] & 127, message[2] & 127
        key = channel * KEYS + number
        if kind == NOTE_ON and value > 0:
            return self._press(key, value)
        if kind in {NOTE_ON, NOTE_OFF}:
            return self._release(key, channel)
        return self._control(channel, number, value) if kind == CONTROL else []

    def _control(self, channel: int, number: int, value: int) -> list[Action]:
        if number == SUSTAIN_PEDAL:
            return self._pedal(channel, down=value >= PEDAL_DOWN)
        if number == ALL_SOUND_OFF or number >= ALL_NOTES_OFF:
            # The modes behind it are all notes off, too.
            return self._let_go({key for key in self._down | self._kept if key // KEYS == channel})
        return []

    def release_all(self) -> list[Action]:
        """Let go of all."""
        self._pedals.clear()
        return self._let_go(self._down | self._kept)

    def _press(self, key: int, velocity: int) -> list[Action]:
        before = self._let_go({key} & (self._down | self._kept))
        self._down.add(key)
        return [*before, Press(key, velocity)]

    def _release(self, key: int, channel: int) -> list[Action]:
        if key not in self._down:
            return []
        if channel in self._pedals:
            self._down.discard(key)
            self._kept.add(key)
            return []
        return self._let_go({key})

    def _pedal(self, channel: int, *, down: bool) -> list[Action]:
        if down:
            self._pedals.add(channel)
            return []
        self._pedals.discard(channel)
        return self._let_go({key for key in self._kept if key // KEYS == channel})

    def _let_go(self, keys: set[int]) -> list[Action]:
        self._down -= keys
        self._kept -= keys
        return [LetGo(key) for key in sorted(keys)]
