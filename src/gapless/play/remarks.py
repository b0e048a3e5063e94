"""What the author should know while a program plays: each thing once.

In: remarks, as they come up. Out: those that were not taken yet. Invariants: bounded: so many topics are remembered,
so many remarks wait; what is more is not said. Thread: any.
"""

from __future__ import annotations

import threading
from typing import Final, final

from gapless.play.pattern import Place
from gapless.play.program import Remark

MAX_TOPICS: Final = 1000


@final
class Remarks:
    """See above."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: set[str] = set()
        self._waiting: list[Remark] = []

    def said(self, topic: str) -> bool:
        """Whether no more will be said on a topic, so that there is no need to find words."""
        with self._lock:
            return topic in self._topics or len(self._topics) >= MAX_TOPICS

    def say(self, topic: str, text: str, place: Place | None = None) -> None:
        """Remember a remark, unless something was said on its topic before."""
        with self._lock:
            if topic not in self._topics and len(self._topics) < MAX_TOPICS:
                self._topics.add(topic)
                self._waiting.append(Remark(text, place))

    def take(self) -> tuple[Remark, ...]:
        """What was said since the last time."""
        with self._lock:
            taken, self._waiting = tuple(self._waiting), []
        return taken
