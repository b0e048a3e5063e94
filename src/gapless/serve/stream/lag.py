"""How late one stream is told what it said: from the last sample of a chunk received to all it causes being sent.

    received -> in a job -> processed (nothing of it waits any more) -> sent, if there is anything to send

In: positions and times. Out: a lag for every chunk. Invariants: each chunk is counted once, when the last thing that it
causes is on its way; a chunk that causes nothing, when nothing of it waits; bounded, the oldest are forgotten.
Thread: the event loop's; no I/O, and the time is an argument.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

from gapless.observe.histogram import Histogram

MOST_CHUNKS: Final = 10_000
"""Chunks that may be on their way; a session holds no more jobs than that."""

NS_PER_S: Final = 1_000_000_000


@final
class Lag:
    """Measures one stream.

    Args:
        total: what is measured is added to, beside ``seen``: of all streams together.
    """

    def __init__(self, total: Histogram | None = None) -> None:
        self.seen: Final = Histogram()
        """The lags of this stream, in seconds."""
        self.longest_s = 0.0
        self._total = total
        self._arrived: deque[tuple[int, int]] = deque(maxlen=MOST_CHUNKS)
        """Bytes received up to the end of a chunk, and when; not in a job that is done."""
        self._heard: deque[tuple[int, int]] = deque(maxlen=MOST_CHUNKS)
        """Audio in ms up to the end of a chunk, and when it was received; not processed."""
        self._unsent: deque[int] = deque(maxlen=MOST_CHUNKS)
        """When those were received that caused something which is not sent."""

    def received(self, n_bytes: int, now_ns: int) -> None:
        """A chunk came; ``n_bytes`` were received by now, from the first."""
        self._arrived.append((n_bytes, now_ns))

    def arrived_ns(self, n_bytes: int) -> int | None:
        """When the last of the first ``n_bytes`` was received; None: that is not known any more."""
        return next((at_ns for end, at_ns in self._arrived if end >= n_bytes), None)

    def heard(self, n_bytes: int, received_ms: int) -> None:
        """Jobs with the first ``n_bytes`` are done: these were ``received_ms`` of audio."""
        arrived = self._arrived
        while arrived and arrived[0][0] <= n_bytes:
            self._heard.append((received_ms, arrived.popleft()[1]))

    def processed(self, processed_ms: int, now_ns: int, *, speaking: bool) -> None:
        """Nothing of the first ``processed_ms`` waits any more.

        Args:
            processed_ms: of audio.
            now_ns: the time.
            speaking: something is to be sent, which they may have caused.
        """
        heard = self._heard
        while heard and heard[0][0] <= processed_ms:
            at_ns = heard.popleft()[1]
            if speaking:
                self._unsent.append(at_ns)
            else:
                self._add(now_ns - at_ns)

    def sent(self, now_ns: int) -> None:
        """All there was to send is on its way."""
        while self._unsent:
            self._add(now_ns - self._unsent.popleft())

    def begin_anew(self) -> None:
        """Another stream begins on the same connection: its audio is counted from 0 again."""
        self._heard.clear()

    def forget(self) -> None:
        """Nobody is there to be told: what is on its way is late through no fault of ours."""
        self._arrived.clear()
        self._heard.clear()
        self._unsent.clear()

    def _add(self, lag_ns: int) -> None:
        lag_s = lag_ns / NS_PER_S
        self.seen.add(lag_s)
        self.longest_s = max(self.longest_s, lag_s)
        if self._total is not None:
            self._total.add(lag_s)
