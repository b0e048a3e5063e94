"""What a second tier is: a place outside of this process that servers share.

In: keys and frames. Out: frames. Invariants: no call raises because of the tier, and none waits longer than the tier's
timeout; a tier that cannot answer says nothing, which is a miss. Thread: one event loop, but for ``invalidate``.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gapless.cache.contract import Namespace, TierStats


class Scope(NamedTuple):
    """What is invalidated together."""

    namespace: Namespace
    version: str


class Found(NamedTuple):
    """What a second tier says."""

    stamp: bytes | None
    """16 bytes that change with every invalidation of the scope; None: the tier says nothing."""
    frame: bytes | None
    """What was kept under the key."""


NOTHING = Found(None, None)


class SecondTier(Protocol):
    """Keeps frames; see ``gapless.cache.frame``."""

    @property
    def trouble(self) -> str:
        """What does not work now and for how long; empty when all is well."""
        ...

    @property
    def stats(self) -> TierStats:
        """How it is."""
        ...

    async def get(self, scope: Scope, key: bytes | None) -> Found:
        """What is kept under a key, and the scope's stamp; None as the key asks for the stamp alone."""
        ...

    def put(self, scope: Scope, key: bytes, frame: bytes, ttl_ms: int) -> None:
        """Keep a frame soon; nobody waits for it, and it may be given up."""
        ...

    def invalidate(self, namespace: Namespace, version: str | None) -> None:
        """From now on ``get`` never gives the stamp that it gave before. Any thread."""
        ...

    async def close(self) -> None:
        """Write what waits, for a moment, and let go. Idempotent."""
        ...
