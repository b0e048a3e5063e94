"""What caches are asked in benches: made from a seed, the same on every machine.

In: a seed. Out: numbers of keys. Thread: any (pure functions).

Nothing here was recorded. ``zipf`` is the usual model of popularity: the key of rank r is asked for with a probability
in proportion to 1/r. ``everyday`` is made in the shape that a speech server's questions have by what it does: most are
of popular things (phrases of a menu, pages of a search), many repeat what was asked a moment ago (a client that tries
again, two windows that show the same), popularity drifts, and now and then somebody goes through an archive, asking for
everything once.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

import numpy as np

REQUESTS: Final = 300_000
KEYS: Final = 20_000

SCAN_EVERY: Final = 10_000
SCAN_KEYS: Final = 3_000
"""Keys that are asked for once, behind so many of the others."""

POPULAR: Final = 8_000
"""Keys of ``everyday`` that may be asked for at any time."""

RECENT: Final = 200
MEAN_BACK: Final = 15
"""A repeat is of one of the last ``RECENT`` new keys, so many back in the mean."""


def zipf(seed: int) -> list[int]:
    """300,000 requests for 20,000 keys, Zipf(1.0)."""
    return _skewed(np.random.default_rng(seed), KEYS, 1.0, REQUESTS)


def zipf_and_scans(seed: int) -> list[int]:
    """The same, and behind each 10,000 a scan of 3,000 keys that never come again."""
    plain, mixed, new = zipf(seed), [], KEYS
    for first in range(0, len(plain), SCAN_EVERY):
        mixed += plain[first : first + SCAN_EVERY]
        mixed += range(new, new + SCAN_KEYS)
        new += SCAN_KEYS
    return mixed


def everyday(seed: int) -> list[int]:
    """300,000 requests; see the module's head.

    Each is, by chance: one in 2,000 the beginning of a scan of 200 to 3,000 keys; 2 % something new; a third a repeat
    of something new; the others popular, Zipf(0.9) over 8,000 keys. With 2 % of requests a popular key is replaced by a
    new one, of any rank, more often of a high one.
    """
    random = Random(seed)
    ranks = iter(_skewed(np.random.default_rng(seed), POPULAR, 0.9, REQUESTS))
    popular, recent, new = list(range(POPULAR)), deque[int](maxlen=RECENT), POPULAR
    requests: list[int] = []
    while len(requests) < REQUESTS:
        chance = random.random()
        if chance < 1 / 2000:
            length = random.randrange(200, 3000)
            requests += range(new, new + length)
            new += length
        elif chance < 0.02:
            recent.append(new)
            requests.append(new)
            new += 1
        elif chance < 0.35 and recent:
            back = min(int(random.expovariate(1 / MEAN_BACK)), len(recent) - 1)
            requests.append(recent[-1 - back])
        else:
            requests.append(popular[next(ranks)])
        if random.random() < 0.02:
            popular[int(random.random() ** 2 * POPULAR)] = new
            new += 1
    return requests[:REQUESTS]


def _skewed(random: np.random.Generator, keys: int, skew: float, count: int) -> list[int]:
    weights = np.cumsum(1 / np.arange(1, keys + 1) ** skew)
    drawn = np.searchsorted(weights, random.random(count) * weights[-1])
    return [int(key) for key in drawn]
