"""Which path the sound takes: the model, a cheaper one, or the dry signal while the model is left alone.

In: for every block, whether the path that was trusted had its samples in time. Out: the path for the next block.
Invariants: paths change in the order drawn and no other; a change is told once, so that whoever mixes can fade; blocks
that are in time from some moment on are heard through the model again within the pause, or within two blocks if that is
longer. The state is one small array, so that it can be seen from outside and lives in memory that a callback may touch.
Thread: the callback's.

    FULL --late LIMIT times--> CHEAPER --late LIMIT times--> DRY <--------------late--.
     ^                            |                           |                       |
     |<--in time, the pause over--'                           '--the pause's last block--> HALF_OPEN
     '<-----------------------------------in time--------------------------------------------'

The pause of DRY holds the block of HALF_OPEN, too: where blocks are of one length it is the last that ends within the
pause, so that 25 ms mean at most 25 ms whatever the block.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.realtime.atomics import load_relaxed, store_relaxed
from gapless.realtime.zone import zone

FULL: Final = 0
CHEAPER: Final = 1
DRY: Final = 2
HALF_OPEN: Final = 3
"""The model is tried again, while the dry signal is heard."""

# Indices into the state.
PATH: Final = 0
LATE: Final = 1
"""Blocks in a row that were late."""
UNTIL: Final = 2
"""Sample position at which the pause ends."""
OPENED: Final = 3
"""How often the dry signal had to be taken."""
MISSED: Final = 4
"""Blocks that were late, in all."""
POSITION: Final = 5
"""Of the block before, for its length."""

BreakerState: TypeAlias = npt.NDArray[np.int64]
"""int64 [8]."""


class BreakerOptions(NamedTuple):
    """When to give up, and for how long."""

    limit: int = 5
    """Late blocks in a row."""
    pause_samples: int = 1200
    """25 ms at 48 kHz."""


def make_breaker() -> BreakerState:
    """The state of one that trusts the model."""
    return np.zeros(8, np.int64)


@zone
def judge(
    state: BreakerState,
    limit: int,
    pause_samples: int,
    position: int,
    in_time: bool,  # noqa: FBT001  Numba has no keyword-only arguments
) -> int:
    """Take note of a block.

    Args:
        state: from ``make_breaker``, changed.
        limit: see ``BreakerOptions``.
        pause_samples: see there.
        position: of the next block, in samples.
        in_time: whether this block's samples were there. While the path is DRY it counts for nothing but ``MISSED``.

    Returns:
        The path of the next block.
    """
    path = load_relaxed(state, PATH)
    late = 0 if in_time else load_relaxed(state, LATE) + 1
    if not in_time:
        store_relaxed(state, MISSED, load_relaxed(state, MISSED) + 1)
    # What is left of the pause when the next block begins, in blocks like this one.
    block = position - load_relaxed(state, POSITION)
    left = load_relaxed(state, UNTIL) - position
    following = path
    if path == HALF_OPEN:
        following = FULL if in_time else DRY
    elif path == DRY:
        if left < 2 * block:
            following = HALF_OPEN
    elif late >= limit:
        following = path + 1
    elif path == CHEAPER and in_time and left < block:
        following = FULL
    if following != path:
        late = 0
        # Not from HALF_OPEN's beginning: it is a part of the pause.
        if following in (CHEAPER, DRY):
            store_relaxed(state, UNTIL, position + pause_samples)
        if following == DRY and path == CHEAPER:
            store_relaxed(state, OPENED, load_relaxed(state, OPENED) + 1)
        store_relaxed(state, PATH, following)
    store_relaxed(state, LATE, late)
    store_relaxed(state, POSITION, position)
    return following
