"""Claims of `gapless bench pool`: channels to Triton."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

POOL_CLAIMS: Final = (
    Claim(
        name="take-channel",
        row="T1",
        bench="pool",
        says="taking a usable channel from the pool, p95",
        figure="p95_us",
        sense="at most",
        bound=100,
    ),
    Claim(
        name="pool-round-trip",
        row="T1",
        bench="pool",
        says="the median round trip on a channel from the pool, against one on a channel that is held",
        figure="p50_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="new-channel",
        row="T1",
        bench="pool",
        says="the median round trip on a new channel each time, against one on a channel from the pool",
        figure="p50_us",
        times=True,
    ),
    Claim(
        name="pool-scaling",
        row="T2",
        bench="pool",
        says="calls a second with 1..N channels, of what N times one channel or the best of all would be",
        figure="rate_per_s",
        bound=0.8,
        times=True,
    ),
)
