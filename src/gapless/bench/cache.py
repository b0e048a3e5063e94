"""``gapless bench cache``: how quick a hit is, and how many there are.

In: nothing. Out: cases. Invariants: all contenders of a case get the same requests and as much room. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from gapless.bench.cache_requests import KEYS
from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import cache_access, cache_policy

ENTRIES: Final = 20_000

PASS_S: Final = 60.0
"""One pass over all requests may take so long on a slow machine."""

LRU: Final = "LRU"
OWN: Final = "Gapless"
FIXED: Final = "best fixed set"
CLAIRVOYANT: Final = "clairvoyant"

LOADS: Final = {
    "zipf-10": ("zipf", KEYS // 10, "Zipf(1.0) over 20,000 keys, room for 10 %"),
    "zipf-60": ("zipf", KEYS * 6 // 10, "Zipf(1.0) over 20,000 keys, room for 60 %"),
    "scans-10": ("scans", KEYS // 10, "the same with scans, room for 10 %"),
    "scans-60": ("scans", KEYS * 6 // 10, "the same with scans, room for 60 %"),
    "everyday-500": ("everyday", 500, "repeats, drift and scans, room for 500"),
    "everyday-6000": ("everyday", 6_000, "repeats, drift and scans, room for 6,000"),
}
"""Requests, room, and in words. None of them was recorded; see ``cache_requests.py``."""


@contextmanager
def cache_cases() -> Iterator[Cases]:
    """The cases."""
    yield {"access": _access} | {name: partial(_hits, name) for name in LOADS}


def _access() -> Case:
    options = {"entries": ENTRIES}
    plain = Contender(
        name="dict",
        what="a dictionary without bound, lifetime or count",
        make=cache_access.dictionary,
        options=options,
    )
    peek = Contender(
        name="peek",
        what="what is in memory, as the server asks first",
        make=cache_access.peek,
        options=options,
    )
    get = Contender(
        name="get",
        what="asked by a task on an event loop",
        make=cache_access.get,
        options=options,
    )
    return Case(
        name="access",
        question=f"How long does a hit in memory take? ({ENTRIES:,} entries of 500 bytes, in any order)",
        unit="hits",
        contenders=(plain, peek, get),
        checks=tuple(
            Check(claim=CLAIMS["cache-access"], contender=one.name) for one in (peek, get)
        ),
    )


def _hits(name: str) -> Case:
    requests, room, words = LOADS[name]
    options = {"requests": requests, "room": room}
    contenders = tuple(
        Contender(name=known, what=what, make=make, options=options, warm_up=False, extra_s=PASS_S)
        for known, what, make in (
            (LRU, "least recently used goes first", cache_policy.lru),
            (OWN, "S3-FIFO, as in gapless.cache", cache_policy.own),
            (
                FIXED,
                "the keys that come most often, there from the beginning",
                cache_policy.best_fixed,
            ),
            (CLAIRVOYANT, "empty at first, and knows what comes", cache_policy.clairvoyant),
        )
    )
    checks = [
        Check(claim=CLAIMS["cache-above-lru"], contender=OWN, against=LRU),
        Check(claim=CLAIMS["cache-clairvoyant"], contender=OWN, against=CLAIRVOYANT),
    ]
    if name == "zipf-10":
        checks.append(Check(claim=CLAIMS["cache-fixed-set"], contender=OWN, against=FIXED))
    if name == "zipf-60":
        checks += [
            Check(claim=CLAIMS["cache-hits"], contender=OWN),
            Check(claim=CLAIMS["cache-repeats"], contender=OWN),
        ]
    return Case(
        name=name,
        question=f"How many requests are hits? ({words}; empty at first)",
        unit="requests",
        contenders=contenders,
        checks=tuple(checks),
    )
