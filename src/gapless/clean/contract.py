"""What a model that removes noise frame by frame must do.

In: frames of a fixed length at a fixed rate. Out: as many frames, a known number of samples late. Invariants: whole
recordings and live streams give the same; ``reset`` equals new. Thread: one at a time.
"""

from __future__ import annotations

from typing import Protocol

from gapless.audio.types import Samples


class FrameDenoiser(Protocol):
    """A model over one stream."""

    @property
    def name(self) -> str:
        """What people know it by."""
        ...

    @property
    def rate_hz(self) -> int:
        """Samples a second that it was made for."""
        ...

    @property
    def frame_samples(self) -> int:
        """Samples per call."""
        ...

    @property
    def delay_samples(self) -> int:
        """How much later its output comes than its input: output ``n + delay`` is input ``n``, cleaned."""
        ...

    def process(self, frame: Samples) -> Samples:
        """Clean a frame.

        Args:
            frame: float32 [frame_samples], finite, -1..1.

        Returns:
            float32 [frame_samples], the caller's own.

        Raises:
            ModelError: it is closed, the frame has another length, or the model failed.
        """
        ...

    def reset(self) -> None:
        """Forget the stream: afterwards it behaves as a new one."""
        ...

    def close(self) -> None:
        """Free it. Idempotent."""
        ...
