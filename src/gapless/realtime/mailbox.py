"""Small messages between one sender and one receiver, of which one is inside the zone: commands in, garbage out.

In: a kind and a value, both int64, on one side. Out: the same in order on the other. Invariants: as for ``ring``:
nobody waits; a message is there whole or not at all; one that finds no room is refused and counted. Thread: one that
posts and one that takes.

How state is swapped without a lock: Python makes the new state ready (allocated, filled, its pages touched), keeps a
reference to it and posts its address as a command. The kernel takes the command between two blocks, works with the new
address from then on, and posts the old one as garbage. Python takes that and lets go of what it stands for: the kernel
will not touch it again, because it posted with release order, after its last use, what Python took with acquire order.
One mailbox goes each way. Garbage that finds no room would be lost, so Python counts: there are never more commands
out, whose garbage has not come back, than the garbage's mailbox holds. To empty it before each command is not enough,
for the kernel may take all that wait in between.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from gapless.realtime.zone import zone

Mailbox: TypeAlias = npt.NDArray[np.int64]
"""int64 [32 + 2 * capacity]: the sender's line, the receiver's line, then pairs of kind and value."""

# Indices: each side's words lie two cache lines apart from the other's.
POSTED: Final = 0
REFUSED: Final = 1
TAKEN: Final = 16
MESSAGES: Final = 32


def make_mailbox(capacity: int) -> Mailbox:
    """An empty one.

    Args:
        capacity: messages, a power of two.

    Raises:
        ValueError: the capacity is no power of two.
    """
    if capacity < 1 or capacity & (capacity - 1):
        raise ValueError(f"a mailbox of {capacity} cannot be masked; take a power of two")
    return np.zeros(MESSAGES + 2 * capacity, np.int64)


@zone
def post(mailbox: Mailbox, kind: int, value: int) -> bool:
    """Put in a message.

    Returns:
        Whether there was room; if not, it counts as refused.
    """
    capacity = (mailbox.shape[0] - MESSAGES) >> 1
    position = load_relaxed(mailbox, POSTED)
    if position - load_acquire(mailbox, TAKEN) >= capacity:
        store_relaxed(mailbox, REFUSED, load_relaxed(mailbox, REFUSED) + 1)
        return False
    at = MESSAGES + 2 * (position & (capacity - 1))
    mailbox[at] = kind
    mailbox[at + 1] = value
    store_release(mailbox, POSTED, position + 1)
    return True


@zone
def take(mailbox: Mailbox, message: npt.NDArray[np.int64]) -> bool:
    """Take out the oldest message.

    Args:
        mailbox: from ``make_mailbox``.
        message: int64 [2], written: its kind and its value; left as it was if there is none.

    Returns:
        Whether there was one.
    """
    capacity = (mailbox.shape[0] - MESSAGES) >> 1
    position = load_relaxed(mailbox, TAKEN)
    if load_acquire(mailbox, POSTED) == position:
        return False
    at = MESSAGES + 2 * (position & (capacity - 1))
    message[0] = mailbox[at]
    message[1] = mailbox[at + 1]
    store_release(mailbox, TAKEN, position + 1)
    return True
