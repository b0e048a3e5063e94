"""What a cache's policy is compared with: least recently used, the best fixed set, and one that knows the future.

In: requests as numbers of keys, and how many entries there is room for. Out: shares of hits. Thread: any (no clock).

Sources: Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966;
with a request that is not admitted where its key comes again later than all that is kept.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol, final

from gapless.cache.entry import Entry, Mark, weigh
from gapless.cache.key import digest
from gapless.cache.s3fifo import MOST_HITS, S3Fifo

NEVER: Final = 1 << 62


class Policy(Protocol):
    """Keeps keys, and pushes out others."""

    def ask(self, key: int) -> bool:
        """Whether it is there; it is, or may be, from now on."""
        ...


@final
class Lru:
    """Least recently used goes first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[int, None] = OrderedDict()

    def ask(self, key: int) -> bool:
        """See ``Policy``."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return True
        self._kept[key] = None
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)
        return False


@final
class OwnPolicy:
    """The one of ``gapless.cache``, with entries of equal weight."""

    def __init__(self, room: int) -> None:
        self._weight = weigh(bytes(16), b"")
        self._core = S3Fifo(room * self._weight)
        self._mark = Mark("")
        self._keys: dict[int, bytes] = {}

    def ask(self, key: int) -> bool:
        """See ``Policy``."""
        name = self._keys.get(key)
        if name is None:
            name = self._keys[key] = digest(b"%d" % key)
        entry = self._core.entries.get(name)
        if entry is not None:
            entry.hits = min(entry.hits + 1, MOST_HITS)
            return True
        forever = float("inf")
        self._core.put(
            Entry(name, b"", self._mark, self._weight, forever, forever, negative=False), 0.0
        )
        return False


def hit_share(policy: Policy, requests: Sequence[int]) -> float:
    """The share of requests that a policy answers, empty at first."""
    return sum(map(policy.ask, requests)) / len(requests)


def best_fixed_share(room: int, requests: Sequence[int]) -> float:
    """The share if the keys that come most often had always been there."""
    return sum(count for _, count in Counter(requests).most_common(room)) / len(requests)


def repeat_share(requests: Sequence[int]) -> float:
    """The share of requests that were made before: no cache that begins empty answers others."""
    return 1 - len(set(requests)) / len(requests)


def clairvoyant_share(room: int, requests: Sequence[int]) -> float:
    """The most that a cache which begins empty can answer: it keeps what comes again soonest."""
    following = [NEVER] * len(requests)
    last: dict[int, int] = {}
    for position in range(len(requests) - 1, -1, -1):
        following[position] = last.get(requests[position], NEVER)
        last[requests[position]] = position
    kept: dict[int, int] = {}
    # What comes again latest first; a pair that is not in ``kept`` any more is old.
    latest: list[tuple[int, int]] = []
    hits = 0
    for key, again in zip(requests, following, strict=True):
        if key in kept:
            hits += 1
        elif len(kept) >= room:
            while kept.get(latest[0][1]) != -latest[0][0]:
                heapq.heappop(latest)
            if again >= -latest[0][0]:
                continue
            del kept[heapq.heappop(latest)[1]]
        kept[key] = again
        heapq.heappush(latest, (-again, key))
    return hits / len(requests)
