"""What a stream has heard and must not tell yet: finals that wait for a store that is slow or gone.

In: what was heard, and what came of keeping it. Out: what may be told now, and what is to be kept next. Invariants:
finals, and all that answers for an utterance or a flush, are told in their order and after they were kept; what only
shows that somebody is being heard (beginnings, partials, voices) does not wait; an error that ends the stream comes
last. Bounded: once ``full``, the stream hears no more until something was told. Thread: one at a time.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

import msgspec

from gapless.errors import GaplessError
from gapless.listen.events import ListenEvent, Partial, SpeechEnd, SpeechStart, Spoken
from gapless.serve.stream.work import Heard, NotKept

MAX_EVENTS: Final = 256
"""Of one stream; more than a person says in the time that a store may take."""

PASSING: Final = (SpeechStart, SpeechEnd, Partial, Spoken)


@final
class Held:
    """See the module's head."""

    def __init__(self) -> None:
        self._events: deque[ListenEvent | NotKept] = deque()
        self._error: GaplessError | None = None
        self._keeping = False
        self._last: Heard | None = None

    @property
    def holds(self) -> bool:
        """Whether anything waits."""
        return self._keeping

    @property
    def full(self) -> bool:
        """Whether no more may come."""
        return len(self._events) >= MAX_EVENTS or self._error is not None

    def hold(self, heard: Heard, *, is_fatal: bool = True) -> Heard:
        """Hold back what must wait.

        Args:
            heard: what was heard; of the first one, all from its first final on is being kept.
            is_fatal: whether its error, if it has one, ends the stream.

        Returns:
            What may be told now.
        """
        self._last = heard
        passing = tuple(event for event in heard.events if isinstance(event, PASSING))
        if self._keeping:
            self._events.extend(event for event in heard.events if not isinstance(event, PASSING))
        self._keeping = True
        error = heard.error
        if error is not None and is_fatal:
            self._error, error = error, None
        return msgspec.structs.replace(heard, events=passing, waiting=True, error=error)

    def kept(self, heard: Heard) -> tuple[Heard, Heard | None]:
        """Something was kept, or could not be.

        Args:
            heard: as it comes from keeping.

        Returns:
            What is to be told, and what is to be kept next.
        """
        last = self._last or heard
        told = tuple(event for event in heard.events if not isinstance(event, PASSING))
        if self._events:
            rest = msgspec.structs.replace(last, events=tuple(self._events), error=None)
            self._events.clear()
            return msgspec.structs.replace(last, events=told, waiting=True, error=None), rest
        self._keeping = False
        error, self._error = self._error, None
        return msgspec.structs.replace(last, events=told, error=error), None
