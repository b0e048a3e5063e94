"""How many voices somebody can sing in real time, and what one costs.

In: somebody who sings. Out: work; an operation is a block, a unit a second of one voice. Invariants: nobody is timed
before his sound was checked; a number passes if the mean of its blocks leaves 30 % of a block's time, in the best of
three tries: a stall of the machine is no reason to sing less. Thread: the caller's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol, final

import numpy as np

from gapless.audio.types import Samples as Sound
from gapless.bench.drive import Samples, Work
from gapless.bench.full_voices import (
    BLOCK_NS,
    BLOCK_SAMPLES,
    CHECKED_S,
    CHECKED_VOICES,
    RATE_HZ,
    SETTLED_S,
    SUSTAIN,
    check_sound,
)
from gapless.bench.search import largest_that_passes
from gapless.errors import AudioError

BUDGET_NS: Final = BLOCK_NS * 7 // 10
TRIES: Final = 3
SHARE: Final = 0.1
"""Of a round, for one try of the search."""


class Choir(Protocol):
    """Somebody who sings full voices."""

    def record(self, count: int, seconds: float) -> Sound:
        """What so many voices sing, from their beginning: float32 [2, n]."""
        ...

    def times(self, count: int, seconds: float) -> Sequence[int]:
        """What blocks took, in ns, while so many voices held: about so many seconds of work."""
        ...


class Singer(Protocol):
    """Voices in this process, a block at a time."""

    def begin(self, count: int) -> None:
        """Let so many voices begin, and no others."""
        ...

    def block(self) -> Sound:
        """The next samples, float32 [2, BLOCK_SAMPLES]; the memory may be used again."""
        ...


@final
class Singing:
    """A choir of singers in this process, a thread for each.

    Args:
        singers: share the voices.
    """

    def __init__(self, *singers: Singer) -> None:
        self._singers = singers

    def record(self, count: int, seconds: float) -> Sound:
        """What the first of them sings alone."""
        singer = self._singers[0]
        singer.begin(count)
        blocks = [singer.block().copy() for _ in range(_blocks_of(seconds))]
        return np.concatenate(blocks, axis=1)

    def times(self, count: int, seconds: float) -> Sequence[int]:
        """Those of the singer who is the last to end."""
        share = -(-count // len(self._singers))
        for singer in self._singers:
            singer.begin(share)
            for _ in range(_blocks_of(SETTLED_S)):
                singer.block()
        took: list[list[int]] = [[] for _ in self._singers]
        barrier = threading.Barrier(len(self._singers))

        def sing(singer: Singer, noted: list[int]) -> None:
            barrier.wait()
            clock = time.perf_counter_ns
            ends = clock() + round(seconds * 1e9)
            began = clock()
            while began < ends:
                singer.block()
                ended = clock()
                noted.append(ended - began)
                began = ended

        threads = [
            threading.Thread(target=sing, args=pair)
            for pair in zip(self._singers[1:], took[1:], strict=True)
        ]
        for thread in threads:
            thread.start()
        sing(self._singers[0], took[0])
        for thread in threads:
            thread.join()
        return max(took, key=lambda one: sum(one) / len(one))


def most(choir: Choir, who: str, *, first: int, limit: int, level: float = SUSTAIN) -> Work:
    """Search for the most voices; figures ``voices``, ``voice_sample_ns``, ``deviation_db``.

    Args:
        choir: sings.
        who: for messages.
        first: number that is tried first.
        limit: largest number that is tried.
        level: of the envelopes.
    """

    def work(seconds: float) -> Samples:
        deviation = check_sound(choir.record(CHECKED_VOICES, CHECKED_S), who, level)

        def passes(count: int) -> bool:
            return any(
                _mean(choir.times(count, seconds * SHARE)) <= BUDGET_NS for _ in range(TRIES)
            )

        count = largest_that_passes(passes, first=first, most=limit)
        if count == 0:
            raise AudioError(f"{who} cannot sing one voice in time; measure on a quiet machine")
        return _samples(choir, count, seconds, deviation)

    return work


def so_many(choir: Choir, who: str, *, count: int, level: float = SUSTAIN) -> Work:
    """A number that is given; the same figures."""

    def work(seconds: float) -> Samples:
        deviation = check_sound(choir.record(CHECKED_VOICES, CHECKED_S), who, level)
        return _samples(choir, count, seconds, deviation)

    return work


def _samples(choir: Choir, count: int, seconds: float, deviation: float) -> Samples:
    cpu_began_s = cpu_seconds()
    took_ns = choir.times(count, seconds)
    cpu_s = cpu_seconds() - cpu_began_s
    sung_s = count * len(took_ns) * BLOCK_SAMPLES / RATE_HZ
    return Samples(
        took_ns=took_ns,
        elapsed_ns=sum(took_ns),
        units=max(round(sung_s), 1),
        figures={
            "voices": float(count),
            "voice_sample_ns": _mean(took_ns) / BLOCK_SAMPLES / count,
            "deviation_db": deviation,
            # Without the search, and with other processes.
            "cpu_s": cpu_s,
            "cpu_us_per_unit": cpu_s * 1e6 / max(sung_s, 1),
        },
    )


def cpu_seconds() -> float:
    """Processor time so far, of this process and of its children that have ended."""
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system


def _mean(took_ns: Sequence[int]) -> float:
    return sum(took_ns) / len(took_ns)


def _blocks_of(seconds: float) -> int:
    return -(-round(seconds * RATE_HZ) // BLOCK_SAMPLES)
