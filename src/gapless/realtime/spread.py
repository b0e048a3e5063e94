"""How long something took, told in a few numbers. Thread: any."""

from __future__ import annotations

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Of many times."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
