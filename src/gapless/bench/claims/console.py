"""Claims of `gapless bench console`: the page in a browser."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

CONSOLE_CLAIMS: Final = (
    Claim(
        name="console-frame",
        row="U1",
        bench="console",
        says="busy time of the page's main thread for each frame while it listens, all tasks, by Chromium's trace, p95",
        figure="p95_us",
        sense="at most",
        bound=16_000,
    ),
    Claim(
        name="console-own",
        row="U1",
        bench="console",
        says="the same as the page measures it itself: scripts, style, layout and paint, p95",
        figure="own_p95_us",
        sense="at most",
        bound=16_000,
    ),
)
