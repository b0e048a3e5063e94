"""What a cache is asked, and what it answers.

In: keys that name all that an answer depends on, and functions that compute what is missing. Out: immutable bytes.
Invariants: a key is computed once however many ask at the same time; values are ``bytes``, so nobody can change what
another one was given; a cache that fails in any way costs a miss, never an answer; everything is bounded in bytes.
Thread: one event loop, but for ``invalidate`` and ``stats``, which any thread may call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeAlias, get_args

import msgspec

from gapless.cache.breaker import BreakerState

Namespace: TypeAlias = Literal["recognition", "inference", "query", "embedding", "flux"]
"""What an answer is: a transcript of a recording, outputs of a model, a page of a search, a vector, a flux position."""

NAMESPACES: Final[tuple[Namespace, ...]] = get_args(Namespace)

Tier: TypeAlias = Literal["memory", "redis", "flight", "none"]
"""Where an answer came from: one of the caches, somebody else who was asking for it, or it was computed."""


class Answer(msgspec.Struct, frozen=True):
    """What was asked for."""

    value: bytes
    tier: Tier
    stale: bool = False
    """Past its lifetime: the answer is being computed anew meanwhile."""

    @property
    def cached(self) -> bool:
        """Whether it was there, or on its way, before it was asked for."""
        return self.tier != "none"


class Fresh(msgspec.Struct, frozen=True):
    """What was computed, where more is to be said of it than its value."""

    value: bytes
    ttl_s: float | None = None
    """How long it is good; None: as long as usual, 0: not to be kept."""
    negative: bool = False
    """It says that there is nothing; kept for a short while only."""


Compute: TypeAlias = Callable[[], Awaitable[bytes | Fresh]]


class NamespaceStats(msgspec.Struct, frozen=True):
    """What became of questions in a namespace since the start."""

    memory_hits: int = 0
    redis_hits: int = 0
    flight_hits: int = 0
    misses: int = 0
    stale_hits: int = 0
    negative_hits: int = 0
    failures: int = 0
    """Computations that raised; nothing is kept of them."""
    evictions: int = 0
    refused: int = 0
    """Values that were too large, or not worth a place."""
    entries: int = 0
    bytes: int = 0
    budget_bytes: int = 0


class TierStats(msgspec.Struct, frozen=True):
    """A tier outside of this process."""

    name: str
    """What it is: redis."""
    breaker: BreakerState
    """Closed: it is asked."""
    opened: int
    """How often it was found to be away, since the start."""


class Cache(Protocol):
    """Remembers answers."""

    @property
    def trouble(self) -> str:
        """What does not work now and for how long, to go on after "the cache: "; empty when all is well."""
        ...

    @property
    def second(self) -> TierStats | None:
        """The tier that servers share, as seen from here; None: there is none."""
        ...

    async def get(
        self, namespace: Namespace, key: bytes, compute: Compute, *, version: str = ""
    ) -> Answer:
        """The answer, from wherever it is had soonest.

        Args:
            namespace: what kind of answer.
            key: a digest (``gapless.cache.key``) of all that the answer depends on.
            compute: makes it where it is not there. What it raises is raised here, for all who wait for it.
            version: of the model; entries of others are gone after ``invalidate``.
        """
        ...

    def peek(self, namespace: Namespace, key: bytes) -> bytes | None:
        """The answer if it is in memory and good; counts as a hit, but never as a miss. The quickest way."""
        ...

    async def put(
        self,
        namespace: Namespace,
        key: bytes,
        value: bytes,
        *,
        version: str = "",
        pinned: bool = False,
        shared: bool = True,
    ) -> None:
        """Keep an answer that was computed elsewhere.

        Args:
            namespace: as for ``get``.
            key: as for ``get``.
            value: the answer.
            version: as for ``get``.
            pinned: it is never pushed out by others, and does not age.
            shared: False: it stays in this process, and its key may be as long as it likes.
        """
        ...

    def invalidate(self, namespace: Namespace, *, version: str | None = None) -> None:
        """Forget a namespace, or what is of a version of a model; takes effect at once, in all tiers."""
        ...

    def stats(self) -> dict[Namespace, NamespaceStats]:
        """Counts by namespace."""
        ...

    def resize(self, budget_bytes: int, ttl_s: float) -> None:
        """Work with another budget and lifetime from now on: memory became short, or is there again."""
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...
