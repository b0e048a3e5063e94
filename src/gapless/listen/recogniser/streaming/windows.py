"""Feature frames to encoder windows: which frames each call of the encoder sees, and what of its answer is new.

    frames  0 1 2 3 4 5 6 7 8 9 ...         chunk 4, left 2, right 1
    window 0  [. . 0 1 2 3 4]               new: 0..3
    window 1          [2 3 4 5 6 7 8]       new: 4..7

In: feature frames of one utterance, in any split; its end. Out: windows, all of one length. Invariants: every frame is
new in exactly one window; the windows do not depend on the split; the work for a second of audio is always the same.
A plain state machine; windows are views of arrays that are not written again. Thread: one at a time.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from gapless.listen.recogniser.decode.contract import Frames
from gapless.listen.recogniser.streaming.manifest import EncoderSpec


class Window(NamedTuple):
    """What the encoder is asked once."""

    frames: Frames
    """float32 [left + chunk + right, width]."""
    n_frames: int
    """Frames that are not filling behind the utterance's end; the filling in front counts as frames."""
    skip: int
    """Frames of the answer that belong to the left context."""
    keep: int
    """Frames of the answer behind those that are new; the rest belongs to the right context or to filling."""
    end: int
    """Number of the utterance's frame behind its last new one."""


@final
class Windows:
    """Cuts one utterance.

    Args:
        spec: how the encoder is fed.
        width: values of a frame.
    """

    def __init__(self, spec: EncoderSpec, width: int) -> None:
        self._spec = spec
        self._length = spec.left_frames + spec.chunk_frames + spec.right_frames
        self._width = width
        self._seen = 0
        """Frames so far."""
        self._new = 0
        """First new frame of the next window."""
        self._held_from = -spec.left_frames if spec.fill_front else 0
        """Number of the first frame that is held; those before the utterance's first are filling."""
        self._held = self._filling(-self._held_from)

    @property
    def held(self) -> int:
        """Frames that are kept for windows to come."""
        return len(self._held)

    def accept(self, frames: Frames) -> list[Window]:
        """The windows that the next frames complete.

        Args:
            frames: float32 [n_frames, width]; not written again by anybody.
        """
        self._seen += len(frames)
        self._held = np.concatenate([self._held, frames]) if len(self._held) else frames
        windows = []
        while self._new + self._spec.chunk_frames + self._spec.right_frames <= self._seen:
            windows.append(self._cut(self._seen))
        return windows

    def finish(self) -> list[Window]:
        """The windows that the end of the utterance completes; an utterance without a frame has none."""
        if not self._seen:
            return []
        total = self._seen + self._spec.tail_frames
        # As much as any window may reach beyond the end.
        self._held = np.concatenate(
            [self._held, self._filling(self._spec.tail_frames + self._length)]
        )
        windows = []
        while self._new < total:
            windows.append(self._cut(total))
        return windows

    def _cut(self, total: int) -> Window:
        """The next window of an utterance that has this many frames, so far or in all."""
        spec = self._spec
        begin = self._new - spec.left_frames
        if not spec.fill_front:
            begin = max(begin, 0)
        end = min(self._new + spec.chunk_frames + spec.right_frames, total)
        n_new = min(spec.chunk_frames, total - self._new)
        frames = self._held[begin - self._held_from : end - self._held_from]
        if len(frames) < self._length:
            frames = np.concatenate([frames, self._filling(self._length - len(frames))])
        window = Window(
            frames,
            n_frames=end - begin,
            skip=min(spec.drop_frames, (self._new - begin) // spec.subsampling),
            keep=-(-n_new // spec.subsampling),
            end=self._new + n_new,
        )
        self._new += spec.chunk_frames
        self._drop_before(self._new - spec.left_frames)
        return window

    def _drop_before(self, frame: int) -> None:
        if frame > self._held_from:
            self._held = self._held[frame - self._held_from :]
            self._held_from = frame

    def _filling(self, n_frames: int) -> Frames:
        return np.full((n_frames, self._width), self._spec.pad, np.float32)
