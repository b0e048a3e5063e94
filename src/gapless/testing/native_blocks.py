"""Block functions for tests of streams: what goes in comes out, changed a little, and is counted.

In: a gain, or how often to play a pulse. Out: ``NativeBlock``. Invariants: no Python in the functions; the state is
one record that the test may read. Thread: the functions the device's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import callback
from gapless.realtime.atomics import load_relaxed, store_relaxed
from gapless.realtime.native import NativeBlock, block_signature

SAMPLES: Final = 0
"""Index of the count of samples."""

GAIN_STATE: Final = np.dtype(
    [("counts", np.int64, (1,)), ("gain", np.float32), ("loudest", np.float32)], align=True
)
PULSES_STATE: Final = np.dtype([("counts", np.int64, (1,)), ("every", np.int64)], align=True)


class Gain(NamedTuple):
    """A block function that multiplies."""

    block: NativeBlock
    state: npt.NDArray[np.void]
    """One record of ``GAIN_STATE``: ``gain`` may be changed at any time; ``loudest`` is the largest so far."""


def make_gain(gain: float = 1.0) -> Gain:
    """One of its own."""
    state = np.zeros(1, GAIN_STATE)
    state["gain"] = gain
    return Gain(NativeBlock(apply_gain.address, state.ctypes.data, state), state)


def make_pulses(every_samples: int) -> NativeBlock:
    """Plays one sample of full scale every so many, whatever it hears."""
    state = np.zeros(1, PULSES_STATE)
    state["every"] = every_samples
    return NativeBlock(play_pulses.address, state.ctypes.data, state)


@callback(block_signature(GAIN_STATE))
def apply_gain(state: Any, source: Any, target: Any, frames: int) -> None:
    """Multiply a block."""
    own = carray(state, (1,))[0]
    samples, out = carray(source, (frames,)), carray(target, (frames,))
    loudest = own.loudest
    for n in range(frames):
        out[n] = samples[n] * own.gain
        loudest = max(loudest, abs(out[n]))
    own.loudest = loudest
    store_relaxed(own.counts, SAMPLES, load_relaxed(own.counts, SAMPLES) + frames)


@callback(block_signature(PULSES_STATE))
def play_pulses(state: Any, _source: Any, target: Any, frames: int) -> None:
    """Play a block of pulses."""
    own = carray(state, (1,))[0]
    out = carray(target, (frames,))
    position = load_relaxed(own.counts, SAMPLES)
    for n in range(frames):
        out[n] = 1.0 if (position + n) % own.every == 0 else 0.0
    store_relaxed(own.counts, SAMPLES, position + frames)
