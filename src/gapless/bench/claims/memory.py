"""Claims of `gapless bench memory`: what processes hold. The bounds are judged where the load is (`api`, `mic`)."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

MEMORY_CLAIMS: Final = (
    Claim(
        name="memory-server",
        row="A3",
        bench="memory",
        says="proportional share of the server's processes, without the load of A2, the middle of all looks",
        figure="pss_typical_mib",
        sense="at most",
    ),
    Claim(
        name="memory-engine",
        row="A3",
        bench="memory",
        says="the same of a process of one's own with the engine in it",
        figure="pss_typical_mib",
        sense="at most",
    ),
    Claim(
        name="memory-microphone",
        row="M3",
        bench="memory",
        says="resident memory of all processes of the microphone",
        figure="resident_mib",
        sense="at most",
    ),
)
