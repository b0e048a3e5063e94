"""Pulses spread over steps as evenly as can be.

In: counts. Out: which steps sound. Invariants: pure and bounded. Thread: any.

Source: E. Bjorklund, "The Theory of Rep-Rate Pattern Generation in the SNS Timing System", 2003; G. Toussaint, "The
Euclidean Algorithm Generates Traditional Musical Rhythms", 2005. The order of the steps is TidalCycles 1.9's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MOST_STEPS: Final = 1024
"""Longer rhythms are cut to this, and so is the count of pulses."""


@lru_cache(maxsize=1024)
def bjorklund(pulses: int, steps: int, rotation: int = 0) -> tuple[bool, ...]:
    """Which steps sound.

    Args:
        pulses: how many do; of a negative number, those sound that would not. More than there are steps make as many
            steps as pulses, as in TidalCycles.
        steps: none if not positive.
        rotation: by so many steps to the left, so that 1 begins with what was the second step.

    Returns:
        As many as there are steps.
    """
    if steps <= 0:
        return ()
    count, total = min(abs(pulses), MOST_STEPS), min(steps, MOST_STEPS)
    heads = [[True]] * count
    tails = [[False]] * max(total - count, 0)
    # What is left over is appended to what repeats until at most one kind of group is alone.
    while min(len(heads), len(tails)) > 1:
        paired = min(len(heads), len(tails))
        left_over = heads[paired:] or tails[paired:]
        heads = [head + tail for head, tail in zip(heads, tails, strict=False)]
        tails = left_over
    rhythm = [step == (pulses >= 0) for group in heads + tails for step in group]
    shift = rotation % len(rhythm)
    return tuple(rhythm[shift:] + rhythm[:shift])
