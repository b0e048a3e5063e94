"""Messages that wait for their time, and the notes that sound meanwhile.

In: notes and messages, each with its sample. Out: what is due, in order. Invariants: bounded: what finds no room is
counted and never sent, so that every note that was begun is ended; a key that is down comes up before it goes down
again; of what is due at the same sample notes end first, and begin last. Thread: one at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, NamedTuple, final

from gapless.play.midi.from_event import Note
from gapless.play.midi.message import note_off, note_on

MOST: Final = 4096
"""That wait."""
OTHERS: Final = 0
NOTES: Final = 1


class Due(NamedTuple):
    """A message and when."""

    at: int
    """Sample."""
    message: bytes


class _Sounding(NamedTuple):
    end: int
    output: str


@final
class Outbox:
    """See above."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int, Note | bytes]] = []
        """By sample and kind; a heap."""
        self._count = 0
        self._sounding: dict[tuple[int, int], _Sounding] = {}
        """By channel and number."""
        self.refused = 0
        """For which there was no room."""

    def put(self, at: int, message: bytes) -> None:
        """Send a message at a sample."""
        self._push(at, OTHERS, message)

    def note(self, note: Note) -> None:
        """Play a note."""
        self._push(note.begin, NOTES, note)

    def _push(self, at: int, kind: int, what: Note | bytes) -> None:
        if len(self._waiting) >= MOST:
            self.refused += 1
            return
        # The number keeps those of one sample in the order in which they were put.
        self._count += 1
        heapq.heappush(self._waiting, (at, kind, self._count, what))

    def next(self) -> int | None:
        """The sample at which something is due."""
        ends = [one.end for one in self._sounding.values()]
        return min([*ends, *(entry[0] for entry in self._waiting[:1])], default=None)

    def take(self, until: int) -> list[Due]:
        """All that is due up to a sample, that one included."""
        due: list[Due] = []
        while True:
            at = self.next()
            if at is None or at > until:
                return due
            ended = [key for key, one in self._sounding.items() if one.end <= at]
            if ended:
                due += [Due(at, self._end(key)) for key in ended]
                continue
            _, _, _, what = heapq.heappop(self._waiting)
            if isinstance(what, bytes):
                due.append(Due(at, what))
                continue
            key = what.channel, what.number
            if key in self._sounding:
                due.append(Due(at, self._end(key)))
            due.append(Due(at, note_on(what.channel, what.number, what.velocity)))
            self._sounding[key] = _Sounding(what.end, what.output)

    def silence(self, is_over: Callable[[str], bool]) -> list[bytes]:
        """Forget the notes of outputs that are over.

        Returns:
            What ends those of them that sound.
        """
        self._waiting = [
            entry
            for entry in self._waiting
            if not (isinstance(entry[3], Note) and is_over(entry[3].output))
        ]
        heapq.heapify(self._waiting)
        ended = [key for key, one in self._sounding.items() if is_over(one.output)]
        return [self._end(key) for key in ended]

    def _end(self, key: tuple[int, int]) -> bytes:
        del self._sounding[key]
        return note_off(*key)
