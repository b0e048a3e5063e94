"""Claims of `gapless bench cache`: the cache."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

CACHE_CLAIMS: Final = (
    Claim(
        name="cache-access",
        row="C1",
        bench="cache",
        says="a hit in memory, p99",
        figure="p99_us",
        sense="at most",
        bound=1_000,
    ),
    Claim(
        name="cache-fixed-set",
        row="C2",
        bench="cache",
        says="hits, of those of the best fixed set (Zipf, room for 10 %)",
        figure="hit_share",
        bound=0.95,
        times=True,
    ),
    Claim(
        name="cache-hits",
        row="C2",
        bench="cache",
        says="hits of all requests (Zipf, room for 60 %); a cache that begins empty cannot have 95 %",
        figure="hit_share",
    ),
    Claim(
        name="cache-repeats",
        row="C2",
        bench="cache",
        says="hits of requests that were made before (Zipf, room for 60 %)",
        figure="repeat_hit_share",
        bound=0.95,
    ),
    Claim(
        name="cache-above-lru",
        row="C2",
        bench="cache",
        says="hits, against least recently used",
        figure="hit_share",
        bound=1,
        times=True,
    ),
    Claim(
        name="cache-clairvoyant",
        row="C2",
        bench="cache",
        says="hits, of those of a cache that knows the future",
        figure="hit_share",
        times=True,
    ),
)
