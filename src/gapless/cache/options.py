"""What a cache is told when it is opened.

In: numbers. Out: frozen options. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gapless.cache.contract import NAMESPACES, Namespace
from gapless.errors import ConfigError

SHARES: Final[Mapping[Namespace, float]] = {
    # Seconds of work stand behind a few kilobytes.
    "recognition": 0.40,
    # Milliseconds behind up to a megabyte; the most frequent of all.
    "inference": 0.30,
    "embedding": 0.15,
    # A page of results; the store is quick, and its pages change.
    "query": 0.10,
    # A fixed, small set.
    "flux": 0.05,
}
"""Parts of the budget. They are fixed: one namespace that is flooded never costs another a hit."""

MIB: Final = 1024 * 1024


class RedisOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How Redis or Valkey is used."""

    url: str
    """``redis://``, ``rediss://`` (TLS) or ``unix://``; may hold a user name and a password."""
    timeout_ms: int = 100
    """The longest that an answer waits for it."""
    max_value_bytes: int = 4 * MIB
    """Larger ones are kept in memory only."""
    round_keys: int = 64
    """Keys that share a round trip at most."""
    rounds: int = 2
    """Round trips at a time; what is asked meanwhile shares the next one."""
    max_waiting: int = 4096
    """Questions that may wait for a round trip; one more is a miss."""
    max_writes: int = 1024
    """Answers that may wait to be written; one more is not written."""
    max_write_bytes: int = 16 * MIB
    """The same in bytes."""
    pause_ms: int = 1000
    """How long it is not asked after a failure; doubles with each failure in a row."""
    max_pause_ms: int = 30_000


class CacheOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a cache works."""

    budget_bytes: int = 128 * MIB
    """For all namespaces together, with what it takes to keep them; 0: nothing is kept in memory."""
    ttl_s: float = 1800.0
    """How long an answer is good."""
    stale_s: float = 60.0
    """How much longer it is given while it is computed anew, and while that fails."""
    negative_ttl_s: float = 10.0
    """How long it is good that there is nothing."""
    redis_url: str = ""
    """A second tier that servers share; empty: none."""
    redis_timeout_ms: int = 100
    """The longest that an answer waits for it."""
    shares: Mapping[Namespace, float] = msgspec.field(default_factory=lambda: dict(SHARES))
    """Parts of the budget, by namespace."""
    max_flights: int = 1024
    """Computations that are shared at a time; one more is not shared."""

    def __post_init__(self) -> None:
        if self.budget_bytes < 0:
            raise ConfigError(f"budget_bytes is {self.budget_bytes}; use 0 or more")
        for name in ("ttl_s", "stale_s", "negative_ttl_s"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}; use 0 or more seconds")
        if set(self.shares) != set(NAMESPACES):
            raise ConfigError(f"shares name {sorted(self.shares)}; name each of {NAMESPACES}")
        if min(self.shares.values()) < 0 or sum(self.shares.values()) > 1 + 1e-9:
            raise ConfigError("shares are parts of a whole; use 0 or more each, and 1 in sum")
        if self.max_flights < 0:
            raise ConfigError(f"max_flights is {self.max_flights}; use 0 or more")

    @property
    def redis(self) -> RedisOptions | None:
        """How Redis is used; None: not at all."""
        if not self.redis_url:
            return None
        return RedisOptions(url=self.redis_url, timeout_ms=self.redis_timeout_ms)
