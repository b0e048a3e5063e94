"""What the author is told when something was too much: sound beyond full scale, events for which there was no room.

In: counts. Out: remarks. Thread: any.
"""

from __future__ import annotations

from typing import Final

from gapless.play.program import Remark
from gapless.play.sound import steps, trigger

CLIPS: Final = Remark(
    "output clips: it is louder than a device can play and was cut off; use outmix: tanh, or lower gains"
)


def no_room(count: int) -> Remark:
    """That so many events found none."""
    return Remark(
        f"{count} events found no room and are silent: {trigger.CAPACITY} voices or {steps.CAPACITY} "
        "steps of a pattern may wait at a time; use fewer at once"
    )
