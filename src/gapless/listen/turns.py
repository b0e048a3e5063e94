"""Utterances whose ends the client says: everything between two flushes is one.

In: how far the stream has been heard, and flushes. Out: the same actions as the ``Segmenter`` gives, which decides by
the voice instead. Invariants: no sample is left out or in two spans; a span is never longer than
``max_utterance_ms``, the next one begins where it ended. Thread: its listener's.
"""

from __future__ import annotations

from gapless.audio.types import LISTEN_RATE_HZ, ms_to_samples
from gapless.listen.segment import Extend, Open, SegmentAction, Shut


class ManualTurns:
    """Makes spans of all that is heard.

    Args:
        max_utterance_ms: longest span.
        start: position at which the first one may begin.
    """

    def __init__(self, max_utterance_ms: int, start: int = 0) -> None:
        self._max_samples = ms_to_samples(max_utterance_ms, LISTEN_RATE_HZ)
        self._open_from: int | None = None
        self._end = start

    @property
    def keep_from(self) -> int:
        """No coming action needs samples before this position."""
        return self._end

    def hear(self, end: int) -> list[SegmentAction]:
        """The stream has been heard up to ``end``."""
        actions: list[SegmentAction] = []
        while self._end < end:
            if self._open_from is None:
                self._open_from = self._end
                actions.append(Open(self._end))
            self._end = min(end, self._open_from + self._max_samples)
            actions.append(Extend(self._end))
            if self._end - self._open_from == self._max_samples:
                actions += self.flush(self._end)
        return actions

    def cut(self) -> list[SegmentAction]:
        """The client alone says where turns end."""
        return []

    def flush(self, end: int) -> list[SegmentAction]:
        """The turn is over, at the position heard up to."""
        if self._open_from is None:
            return []
        self._open_from = None
        return [Shut(end)]
