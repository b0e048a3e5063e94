"""Who keeps what: the same requests, in as many entries.

In: which requests, and how much room. Out: work; an operation is all of the requests. Invariants: shares of hits depend
on nothing but the seed. Thread: main, alone.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from gapless.bench.cache_policies import (
    Lru,
    OwnPolicy,
    best_fixed_share,
    clairvoyant_share,
    hit_share,
    repeat_share,
)
from gapless.bench.cache_requests import everyday, zipf, zipf_and_scans
from gapless.bench.drive import Samples, Work

SEED: Final = 1

REQUESTS: Final[dict[str, Callable[[int], list[int]]]] = {
    "zipf": zipf,
    "scans": zipf_and_scans,
    "everyday": everyday,
}


@contextmanager
def own(requests: str, *, room: int) -> Iterator[Work]:
    """The policy of our cache."""
    yield _once(requests, lambda asked: hit_share(OwnPolicy(room), asked))


@contextmanager
def lru(requests: str, *, room: int) -> Iterator[Work]:
    """Least recently used goes first."""
    yield _once(requests, lambda asked: hit_share(Lru(room), asked))


@contextmanager
def best_fixed(requests: str, *, room: int) -> Iterator[Work]:
    """What is asked for most often is there from the beginning."""
    yield _once(requests, lambda asked: best_fixed_share(room, asked), cold=False)


@contextmanager
def clairvoyant(requests: str, *, room: int) -> Iterator[Work]:
    """The future is known."""
    yield _once(requests, lambda asked: clairvoyant_share(room, asked))


def _once(name: str, share: Callable[[Sequence[int]], float], *, cold: bool = True) -> Work:
    """All requests, whatever time that takes: half of them would be another question.

    Args:
        name: of the requests.
        share: of hits.
        cold: it begins empty, so that only what was asked before can be a hit.
    """
    asked = REQUESTS[name](SEED)

    def work(seconds: float) -> Samples:  # noqa: ARG001  see above
        began = time.perf_counter_ns()
        hits = share(asked)
        took_ns = time.perf_counter_ns() - began
        return Samples(
            took_ns=array("q", (took_ns,)),
            elapsed_ns=took_ns,
            units=len(asked),
            figures={"hit_share": hits}
            | ({"repeat_hit_share": hits / repeat_share(asked)} if cold else {}),
        )

    return work
