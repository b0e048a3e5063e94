"""How long blocks are where nobody asked for a length: short, and longer if this machine cannot keep up.

In: the count of lost or late blocks, now and then. Out: frames of a block. Invariants: they only ever become more, each
time after ``LIMIT`` bad blocks within ``WITHIN_MS``; the first second of a stream does not count. Thread: one.
"""

from __future__ import annotations

from typing import Final

from gapless.clean.mic.status import Mode

LADDER: Final = (128, 256, 512, 1024)
FIRST: Final[dict[Mode, int]] = {"low-delay": 256, "quality": 512}
LIMIT: Final = 10
WITHIN_MS: Final = 10_000
SETTLE_MS: Final = 1_000


class BlockChoice:
    """Frames of a block.

    Args:
        asked: "auto", or a number of frames that stays.
        mode: where to begin if it is "auto".
    """

    def __init__(self, asked: str, mode: Mode) -> None:
        self.auto: Final = asked == "auto"
        self.frames = FIRST[mode] if self.auto else int(asked)
        self._opened_ms: int | None = None
        self._window: tuple[int, int] | None = None
        """When the count began, and what it was then."""

    def opened(self, now_ms: int) -> None:
        """A stream with these blocks begins."""
        self._opened_ms, self._window = now_ms, None

    def judge(self, xruns: int, now_ms: int) -> bool:
        """Whether the blocks have just become longer.

        Args:
            xruns: blocks of the stream that were lost or late so far.
            now_ms: the time; never goes back.
        """
        if not self.auto or self._opened_ms is None or now_ms - self._opened_ms < SETTLE_MS:
            return False
        if self._window is None or now_ms - self._window[0] > WITHIN_MS or xruns < self._window[1]:
            self._window = (now_ms, xruns)
        longer = [frames for frames in LADDER if frames > self.frames]
        if xruns - self._window[1] < LIMIT or not longer:
            return False
        self.frames = longer[0]
        return True
