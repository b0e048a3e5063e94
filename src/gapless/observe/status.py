"""How a running server does, as one struct: what `/v1/status` answers, `gapless monitor` shows and the console draws.

In: nothing. Out: structs. Invariants: every figure was measured within the window it names; what was not measured is
None, never 0. Thread: any (immutable).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Judgement = Literal["all met", "good", "attention"]
"""Of five targets all are met (or not at stake); three or four; fewer."""


class Quantiles(msgspec.Struct, frozen=True):
    """A distribution of times."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class TargetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a target within the window."""

    name: str
    row: str
    """Of the claims, as in "V1"."""
    says: str
    unit: str
    """"ms", "%", "MB"."""
    bound: float
    """The most that it may be."""
    value: float | None
    """None: there was nothing to measure."""
    met: bool | None
    """None: nothing was at stake, which counts as met."""


class DialectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one dialect within the window."""

    dialect: str
    per_s: float
    errors_per_s: float
    """Answered with a status from 500 on: refused for want of room, or failed by a fault of the server."""
    took: Quantiles | None


class StreamsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Live streams now, and how late what they are told is."""

    live: int
    parked: int
    held_back: int
    most: int
    lag: Quantiles | None
    """From the last sample of a chunk received to what it causes being sent."""


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model within the window."""

    name: str
    version: str
    calls_per_s: float
    rows_per_s: float
    rows_per_call: float | None
    queue: Quantiles | None
    compute: Quantiles | None
    waiting_rows: int
    sequences: int
    max_sequences: int


class CacheStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace of the cache within the window."""

    namespace: str
    hits_per_s: float
    misses_per_s: float
    hit_share: float | None
    bytes: int
    budget_bytes: int


class BreakerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is left alone when it fails."""

    name: str
    state: Literal["closed", "half-open", "open"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a server does."""

    format: int = 1
    """Version of this shape."""
    at_ms: int
    """Wall clock, since 1970."""
    window_s: float
    """What rates and distributions are over."""
    uptime_s: float
    version: str
    workers: int
    judgement: Judgement
    targets_met: int
    targets: tuple[TargetStatus, ...]
    dialects: tuple[DialectStatus, ...]
    streams: StreamsStatus
    models: tuple[ModelStatus, ...]
    caches: tuple[CacheStatus, ...]
    breakers: tuple[BreakerStatus, ...]
    rejected_per_s: dict[str, float]
    """Requests and streams that were refused, by code."""
    processor_share: float | None
    """Of all cores that it may use."""
    memory_bytes: int | None
    """Of all its processes; what they share is counted once where the system tells."""
    troubles: tuple[str, ...] = ()
    """What it serves without now, in sentences."""
    microphone: dict[str, Any] | None = None
    """What a virtual microphone of this user says of itself, as `gapless mic status --json`; None: none runs."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over time."""

    name: str
    says: str
    """What it means, in a sentence."""
    unit: str
    values: tuple[float | None, ...]
    target: float | None = None
    """Where a line is drawn."""
    title: str = ""
    """A few words over its chart; empty: the name has to do."""
    metric: str = ""
    """Of ``/metrics``: what it is computed from."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour: what the charts show."""

    format: int = 1
    every_s: float
    at_ms: tuple[int, ...]
    """Of each value, ascending."""
    series: tuple[Series, ...]
