"""Bursts of one tone left and of another right, at once: what tells a lag, a swap or a mixture of two channels.

In: two frequencies. Out: a native block of two channels that plays them, and where they are found in what was heard.
Invariants: no Python in the function; both tones begin at their level, so that where a burst begins is a single sample.
Thread: the function the device's.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import callback
from gapless.realtime.native import NativeBlock, block_signature

RATE_HZ: Final = 48_000
BURST_SAMPLES: Final = 2_400
"""They sound for so long, and are silent for as long."""
LEVEL: Final = 0.25
ERROR: Final = LEVEL / 100
"""Of a sample: servers may compute with 16 bits."""

STATE: Final = np.dtype(
    [("position", np.int64), ("hz", np.float64, (2,)), ("loudest_heard", np.float32)], align=True
)

Signal = npt.NDArray[np.float32]


class Tones(NamedTuple):
    """A block function of two channels."""

    block: NativeBlock
    state: npt.NDArray[np.void]
    """One record of ``STATE``: ``loudest_heard`` is the largest sample of the input so far."""
    bursts: Signal
    """What a burst is: float32 [2, BURST_SAMPLES]."""


def make_tones(left_hz: float, right_hz: float) -> Tones:
    """One of its own."""
    state = np.zeros(1, STATE)
    state["hz"] = left_hz, right_hz
    time_s = np.arange(BURST_SAMPLES) / RATE_HZ
    bursts = LEVEL * np.cos(2 * np.pi * np.outer((left_hz, right_hz), time_s))
    block = NativeBlock(play_tones.address, state.ctypes.data, state)
    return Tones(block, state, bursts.astype(np.float32))


def find_bursts(heard: Signal, bursts: Signal) -> list[int]:
    """Where bursts begin that are heard from the first to the last sample, in all channels at once and as they are.

    Args:
        heard: float32 [channels, n].
        bursts: float32 [channels, BURST_SAMPLES].
    """
    loud = np.abs(heard).max(axis=0) > LEVEL / 10
    rises = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    return [
        int(at)
        for at in rises
        if at + BURST_SAMPLES <= heard.shape[1]
        and np.abs(heard[:, at : at + BURST_SAMPLES] - bursts).max() < ERROR
    ]


@callback(block_signature(STATE))
def play_tones(state: Any, source: Any, target: Any, frames: int) -> None:
    """Play a block, the left before the right."""
    own = carray(state, (1,))[0]
    heard, out = carray(source, (frames,)), carray(target, (2 * frames,))
    loudest = own.loudest_heard
    for n in range(frames):
        loudest = max(loudest, abs(heard[n]))
        at = (own.position + n) % (2 * BURST_SAMPLES)
        for channel in range(2):
            value = LEVEL * math.cos(2 * math.pi * own.hz[channel] * at / RATE_HZ)
            out[channel * frames + n] = value if at < BURST_SAMPLES else 0.0
    own.loudest_heard = loudest
    own.position += frames
