"""An answer in memory, and what it takes there.

In: keys and values. Out: entries. Invariants: an entry that is gone holds no value. Thread: those of its namespace.
"""

from __future__ import annotations

from typing import Final, final

import msgspec

OVERHEAD_BYTES: Final = 400
"""What an entry takes besides the bytes of its key and value, on CPython 3.11 to 3.13 with 64 bits: two objects of
bytes (33 each), the entry and its numbers (136 and 96), its places in the table (about 70), in a queue (8 to 16) and
among the ghosts (32 to 64). ``tests/unit/test_cache_memory.py`` compares it with what the interpreter says."""

IN_SMALL: Final = 0
IN_MAIN: Final = 1
PINNED: Final = 2
GONE: Final = 3


@final
class Mark(msgspec.Struct, weakref=True, eq=False):
    """A version of a model within a namespace, until that is invalidated."""

    version: str
    alive: bool = True


# Entries refer to nothing that refers to them, so the garbage collector need not look at a hundred thousand of them.
@final
class Entry(msgspec.Struct, gc=False, eq=False):
    """An answer. Times are in seconds of the clock that the shell reads."""

    key: bytes
    value: bytes
    mark: Mark
    weight: int
    """In bytes, with all that is needed to keep it."""
    fresh_until: float
    stale_until: float
    """From here on it is as if it were not there."""
    negative: bool
    refresh_at: float = 0.0
    """No attempt to compute it anew before this."""
    hits: int = 0
    """Since it was put in its queue, up to ``MOST_HITS``."""
    place: int = IN_SMALL
    """The queue that it is in."""


def weigh(key: bytes, value: bytes) -> int:
    """What it takes to keep a value."""
    return len(key) + len(value) + OVERHEAD_BYTES
