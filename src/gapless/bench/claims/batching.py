"""Claims of `gapless bench batching`: the same work together and one by one."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

BATCHING_CLAIMS: Final = (
    Claim(
        name="batched-rows",
        row="B1",
        bench="batching",
        says="rows inserted a second in shared transactions, against one transaction a row",
        figure="rate_per_s",
        bound=10,
        times=True,
    ),
    Claim(
        name="batched-model",
        row="B1",
        bench="batching",
        says="rows a second through a small model in shared calls, against one call a row",
        figure="rate_per_s",
        bound=10,
        times=True,
    ),
)
