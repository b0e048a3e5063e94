"""The low-delay denoiser as a stage: any split of blocks in, the same samples out.

In: 48 kHz samples. Out: as many, where they were. Invariants: those of ``audio.stage``; whatever comes in, what
goes out is finite; the same bits as ``offline.suppress``. Thread: one at a time.
"""

from __future__ import annotations

from typing import final

import numpy as np

from gapless.audio.types import Samples
from gapless.clean.low_delay.bands import BANDS, HOP_SAMPLES
from gapless.clean.low_delay.floors import set_gains
from gapless.clean.low_delay.hop import process_hop
from gapless.clean.low_delay.rnnoise_gains import SpeculativeRnnoise, speculate
from gapless.clean.low_delay.state import make_state, reset
from gapless.clean.low_delay.weights import load_weights
from gapless.clean.rnnoise import FRAME_SAMPLES

LOUDEST = np.float32(2.0)
"""What the kernels take at most."""


@final
class LowDelayDenoiser:
    """Removes noise from one stream at 48 kHz, 4 ms late."""

    def __init__(self, *, with_rnnoise: bool = True) -> None:
        """Make a stream.

        Args:
            with_rnnoise: False: the network alone, at a thirtieth of the work and with less effect.

        Raises:
            MissingDependencyError: RNNoise is wanted and not installed.
        """
        self._weights = load_weights()
        self._state = make_state()
        self._rnnoise = SpeculativeRnnoise() if with_rnnoise else None
        self._gains = np.zeros(BANDS, np.float32)
        self._cleaned = np.zeros(FRAME_SAMPLES, np.float32)
        self._start()

    def _start(self) -> None:
        self._waiting: Samples = np.empty(0, np.float32)
        """Less than a hop."""
        self._frame: Samples = np.empty(0, np.float32)
        """Less than a frame of RNNoise, already processed."""
        self._position = 0
        """Samples processed."""

    @property
    def latency_samples(self) -> int:
        """A hop that the next one adds to, and one that lacks its last sample."""
        return 2 * HOP_SAMPLES - 1

    def process(self, block: Samples) -> Samples:
        """Take the next samples, return those that are clean by now."""
        samples = np.clip(np.nan_to_num(block, nan=0.0), -LOUDEST, LOUDEST)
        samples = np.concatenate((self._waiting, samples), dtype=np.float32)
        whole = len(samples) - len(samples) % HOP_SAMPLES
        self._waiting = samples[whole:].copy()
        cleaned = np.empty(whole, np.float32)
        for start in range(0, whole, HOP_SAMPLES):
            hop = samples[start : start + HOP_SAMPLES]
            process_hop(self._state[0], self._weights[0], hop, cleaned[start : start + HOP_SAMPLES])
            self._position += HOP_SAMPLES
            self._ask(hop)
        if self._position > whole:
            return cleaned
        return cleaned[
            HOP_SAMPLES:
        ]  # the first hop that comes out belongs to a time before the stream

    def flush(self) -> Samples:
        """What is still inside, with silence behind it."""
        due = len(self._waiting) + min(self._position, HOP_SAMPLES)
        padding = -len(self._waiting) % HOP_SAMPLES + HOP_SAMPLES
        return self.process(np.zeros(padding, np.float32))[:due]

    def reset(self) -> None:
        """Forget the stream: afterwards this behaves as a new one."""
        reset(self._state)
        if self._rnnoise:
            self._rnnoise.reset()
        self._start()

    def close(self) -> None:
        """Free what RNNoise holds now rather than when collected. Idempotent."""
        if self._rnnoise:
            self._rnnoise.close()

    def _ask(self, hop: Samples) -> None:
        """Give RNNoise each frame as it is complete, and the network what it says."""
        if not self._rnnoise:
            return
        self._frame = np.concatenate((self._frame, hop))
        if len(self._frame) == FRAME_SAMPLES:
            vad = speculate(
                self._rnnoise.record[0],
                self._rnnoise.snapshot,
                self._frame,
                self._cleaned,
                self._gains,
            )
            set_gains(self._state[0], self._gains, vad, self._position)
            self._frame = np.empty(0, np.float32)
