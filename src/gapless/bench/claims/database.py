"""Claims of `gapless bench database`: the stores."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

DATABASE_CLAIMS: Final = (
    Claim(
        name="database-lookup",
        row="D1",
        bench="database",
        says="an indexed look-up through the store, p95",
        figure="p95_us",
        sense="at most",
        bound=3_000,
    ),
    Claim(
        name="database-search",
        row="D1",
        bench="database",
        says="the first page of a search with its hits, newest first, p95",
        figure="p95_us",
        sense="at most",
        bound=3_000,
    ),
    Claim(
        name="database-search-ranked",
        row="D1",
        bench="database",
        says="the same, best first, p95",
        figure="p95_us",
        sense="at most",
    ),
    Claim(
        name="database-rate",
        row="D2",
        bench="database",
        says="point queries a second through the pool",
        figure="rate_per_s",
        bound=1_000,
    ),
    Claim(
        name="database-rate-driver",
        row="D2",
        bench="database",
        says="point queries a second through the pool, against the bare driver without one",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="batch-insert",
        row="D3",
        bench="database",
        says="rows a second in batches of 1,000, against one transaction a row",
        figure="rate_per_s",
        bound=10,
        times=True,
    ),
    Claim(
        name="batch-insert-driver",
        row="D3",
        bench="database",
        says="rows a second in batches of 1,000, against the bare driver",
        figure="rate_per_s",
        times=True,
    ),
)
