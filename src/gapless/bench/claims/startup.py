"""Claims of `gapless bench startup`: commands and servers that begin."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

STARTUP_CLAIMS: Final = (
    Claim(
        name="startup-server",
        row="P3",
        bench="startup",
        says="from the start of the server's process to its first answer, p95",
        figure="p95_us",
        sense="at most",
        bound=2_000_000,
    ),
    Claim(
        name="startup-transcript",
        row="P3",
        bench="startup",
        says="from the start of the server's process to the text of a recording that is sent at once, the median",
        figure="transcript_us",
        sense="at most",
    ),
    Claim(
        name="startup-against-imports",
        row="P3",
        bench="startup",
        says="the same, the median, against importing the same libraries",
        figure="p50_us",
        sense="at most",
        times=True,
    ),
    Claim(
        name="startup-command",
        row="P3",
        bench="startup",
        says="from the start of a process to its end, p95",
        figure="p95_us",
        sense="at most",
    ),
)
