"""A block function that a sound server drives, but that hears a sound of its own, and all that it gives is kept.

In: a block function, a sound. Out: what it made of the sound, sample by sample. Invariants: nothing lies between the
sound, the function and what is kept, so every flaw is the function's; when its blocks come is the server's doing, and
a busy machine's. Thread: the function the device's; the rest any.
"""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import callback
from gapless.audio.types import Samples
from gapless.bench.desk import listen_for_lags
from gapless.bench.probe import Ear, Speaker
from gapless.realtime.native import NativeBlock, block_signature, call_block

_LINKS: Final = 3
_CHAIN: Final = np.dtype(
    [("address", np.int64, (_LINKS,)), ("state", np.int64, (_LINKS,))], align=True
)


@final
class Tapped:
    """See above.

    Args:
        inner: the function.
        sound: float32 [n] at 48 kHz, heard again and again.
        seconds: that there is room for.
    """

    def __init__(self, inner: NativeBlock, sound: Samples, seconds: float) -> None:
        self.heard: Final = Speaker(sound)
        """What it hears; its positions are those of ``gave``."""
        self.gave: Final = Ear(seconds)
        links = (self.heard.block, inner, self.gave.block)
        state = np.zeros(1, _CHAIN)
        state["address"][0] = [link.address for link in links]
        state["state"][0] = [link.state for link in links]
        self.block: Final = NativeBlock(int(_chain.address), state.ctypes.data, (state, links))

    def lags_samples(self, seconds: float, piece_s: float) -> list[int]:
        """Listen, and tell by how much what it gives lies behind what it hears, of each loud piece.

        Raises:
            DeviceError: it gives nothing of it.
        """
        return listen_for_lags(self.gave, self.heard.played, seconds, piece_s)


@callback(block_signature(_CHAIN))
def _chain(state: Any, source: Any, target: Any, frames: int) -> None:
    own = carray(state, (1,))[0]
    # What comes from outside is only asked for by the clock: the first of them plays.
    call_block(own.address[0], own.state[0], source, target, frames)
    for link in range(1, _LINKS):
        call_block(own.address[link], own.state[link], target, target, frames)
