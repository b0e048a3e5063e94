"""What was too much: sound beyond full scale, events for which there was no room.

In: the callback's counters, the scheduler's. Out: remarks for the author. Invariants: each is told once for each
program. Thread: any.
"""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from gapless.play.overload import CLIPS, no_room
from gapless.play.program import Remark
from gapless.play.schedule import Scheduler


@final
class Overload:
    """Of one player.

    Args:
        state: the record of its callback.
        scheduler: of its patterns.
    """

    def __init__(self, state: npt.NDArray[np.void], scheduler: Scheduler) -> None:
        self._state = state
        self._scheduler = scheduler
        self._clipped = self._refused = 0
        """What was there when the program began; negative: it was told of this one."""

    @property
    def clipped(self) -> int:
        """Samples that were cut off so far."""
        return int(self._state["clipped"][0])

    def begin(self) -> None:
        """Another program is heard from now on."""
        self._clipped, self._refused = self.clipped, self._scheduler.refused

    def remarks(self) -> tuple[Remark, ...]:
        """What came up with this program and was not told yet."""
        found = []
        if 0 <= self._clipped < self.clipped:
            self._clipped = -1
            found.append(CLIPS)
        if 0 <= self._refused < self._scheduler.refused:
            found.append(no_room(self._scheduler.refused - self._refused))
            self._refused = -1
        return tuple(found)
