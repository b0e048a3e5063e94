"""How loud it is at the moment, for a status line and to know when all has rung out.

In: a player's block. Out: the peak of a quantum. Invariants: only reads; a quantum that is being written gives a peak
between the one before and its own. Thread: any but the device's.
"""

from __future__ import annotations

import ctypes
from typing import Final, final

import numpy as np

from gapless.play.sound.callback import STATE
from gapless.play.sound.unit import QUANTUM
from gapless.realtime.native import NativeBlock


@final
class Level:
    """Looks at what the device was given last.

    Args:
        block: of a player that is not closed for as long as this is asked.
    """

    def __init__(self, block: NativeBlock) -> None:
        state = np.frombuffer(ctypes.string_at(block.state, STATE.itemsize), STATE)[0]
        self._owner: Final = block.owner
        self._sides: Final = tuple(
            np.ctypeslib.as_array((ctypes.c_float * QUANTUM).from_address(int(state[side])))
            for side in ("left", "right")
        )

    def peak(self) -> float:
        """Largest sample of the quantum that was made last, linear, of both sides."""
        return max(float(np.abs(side).max()) for side in self._sides)
