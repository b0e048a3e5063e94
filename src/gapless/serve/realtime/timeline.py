"""Times as clients of Realtime know them: from the first audio of the session, whatever happens to its stream.

In: lengths of audio, and the borders at which the stream is opened anew. Out: positions in the session.
Invariants: positions grow; a border counts when what was before it has been heard, not when it is asked for.
Thread: the event loop's; no I/O.
"""

from __future__ import annotations

from collections import deque
from typing import final


@final
class Timeline:
    """The times of one session."""

    def __init__(self) -> None:
        self.received_ms = 0.0
        """Audio received in the whole session."""
        self._borders: deque[float] = deque()
        """Where the streams begin that are still to be opened."""
        self._base_ms = 0.0
        """Where the stream that is being heard begins."""
        self._is_open = False
        self.quiet_from_ms = 0
        """Where nobody spoke any more."""

    def reopen(self) -> None:
        """What comes now goes to another stream."""
        self._borders.append(self.received_ms)

    def ready(self) -> None:
        """A stream has been opened: the first, or the one behind a border."""
        if self._is_open:
            self._base_ms = self._borders.popleft()
            self.quiet_from_ms = self.at(0)
        self._is_open = True

    def at(self, stream_ms: int) -> int:
        """The time in the session of a position in the stream that is being heard."""
        return round(self._base_ms) + stream_ms
