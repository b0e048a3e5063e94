"""RNNoise beside the callback: one loop without Python.

In: frames of the record. Out: gains for the low-delay path, or clean sound. Invariants: the interpreter's lock is not
held, so a busy Python thread makes nothing late. Thread: the worker's.
"""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from gapless.clean.live.state import BANDS, GAINS_EVERY, MicState, Record
from gapless.clean.live.work import STOPPED, next_frame, note_work, put_gains, put_sound
from gapless.clean.low_delay.rnnoise_gains import SpeculativeRnnoise, native_frame, speculate
from gapless.clean.rnnoise import DELAY_SAMPLES, FRAME_SAMPLES
from gapless.dsp.kernel import kernel
from gapless.realtime.clock import now_ns
from gapless.realtime.denormals import flush_denormals, restore_denormals


@final
class RnnoiseWork:
    """RNNoise over one record."""

    name: Final = "rnnoise"
    frame_samples: Final = FRAME_SAMPLES
    delay_samples: Final = DELAY_SAMPLES

    def __init__(self, state: MicState, *, quality: bool) -> None:
        """Open a state of the library, and warm the loop up.

        Raises:
            MissingDependencyError: RNNoise is not installed.
            ModelError: there is no memory for a state.
        """
        self._state = state
        self._loop = _clean if quality else _speculate
        self._stream = SpeculativeRnnoise()
        # Compiles the loop, or loads it: a first frame must be as quick as the others.
        self._loop(state[0], self._stream.record[0], self._stream.snapshot, 0, 0)

    def run(self, taken: int, frames: int) -> int:
        """Work until it must stop, or for so many frames.

        Args:
            taken: input position to begin at.
            frames: at most.

        Returns:
            The position behind the last frame, or ``STOPPED``.
        """
        return self._loop(
            self._state[0], self._stream.record[0], self._stream.snapshot, taken, frames
        )

    def close(self) -> None:
        """Free the library's state. Idempotent."""
        self._stream.close()


@kernel
def _speculate(
    state: Record, rnnoise: Any, snapshot: npt.NDArray[np.uint8], taken: int, frames: int
) -> int:
    """Give gains for the newest sound."""
    mode = flush_denormals()
    frame, cleaned = np.zeros(FRAME_SAMPLES, np.float32), np.zeros(FRAME_SAMPLES, np.float32)
    gains = np.zeros(BANDS, np.float32)
    for n in range(frames):
        taken = next_frame(state, taken, frame)
        if taken == STOPPED:
            break
        began_ns = now_ns()
        if n % GAINS_EVERY == 0:
            voice = speculate(rnnoise, snapshot, frame, cleaned, gains)
            put_gains(state, taken, gains, voice)
        else:
            native_frame(rnnoise, frame, cleaned)
        note_work(state, taken, began_ns)
    restore_denormals(mode)
    return taken


@kernel
def _clean(
    state: Record, rnnoise: Any, _snapshot: npt.NDArray[np.uint8], taken: int, frames: int
) -> int:
    """Give RNNoise's own sound, and whether it is a voice."""
    mode = flush_denormals()
    frame, cleaned = np.zeros(FRAME_SAMPLES, np.float32), np.zeros(FRAME_SAMPLES, np.float32)
    gains = np.zeros(BANDS, np.float32)
    for _ in range(frames):
        taken = next_frame(state, taken, frame)
        if taken == STOPPED:
            break
        began_ns = now_ns()
        voice = native_frame(rnnoise, frame, cleaned)
        put_sound(state, taken - DELAY_SAMPLES, cleaned)
        put_gains(state, taken, gains, voice)
        note_work(state, taken, began_ns)
    restore_denormals(mode)
    return taken
