"""Redis or Valkey as a second tier.

In: keys and frames. Out: frames. Invariants: those of ``SecondTier``. Thread: one event loop, but for ``invalidate``.
"""

from __future__ import annotations

import asyncio
from typing import final

from gapless.cache.contract import Namespace, TierStats
from gapless.cache.options import RedisOptions
from gapless.cache.redis.link import Link
from gapless.cache.redis.reads import Reads, redis_key
from gapless.cache.redis.stamps import Stamps
from gapless.cache.redis.writes import Writes
from gapless.cache.second import Found, Scope


@final
class RedisTier:
    """See the module's head; implements ``SecondTier``.

    Args:
        options: where it is, and how it is used.

    Raises:
        ConfigError: the URL cannot be one of a Redis.
        MissingDependencyError: redis-py is not installed.
    """

    def __init__(self, options: RedisOptions) -> None:
        self._stamps = Stamps()
        self.link = Link(options, self._tell_soon)
        self.reads = Reads(options, self.link, self._stamps)
        self.writes = Writes(options, self.link)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: asyncio.Task[Found] | None = None
        self._closed = False

    @property
    def trouble(self) -> str:
        """See ``SecondTier.trouble``."""
        return self.link.trouble

    @property
    def stats(self) -> TierStats:
        """See ``SecondTier.stats``."""
        return TierStats("redis", self.link.state, self.link.opened)

    async def get(self, scope: Scope, key: bytes | None) -> Found:
        """See ``SecondTier.get``."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return await self.reads.get(scope, key)

    def put(self, scope: Scope, key: bytes, frame: bytes, ttl_ms: int) -> None:
        """See ``SecondTier.put``."""
        self.writes.put(redis_key(scope, key), frame, ttl_ms)

    def invalidate(self, namespace: Namespace, version: str | None) -> None:
        """See ``SecondTier.invalidate``. While Redis is away it waits here, and goes before the first question."""
        self._stamps.invalidate(namespace, version)
        loop = self._loop
        if loop is None or self._closed:
            return
        try:
            loop.call_soon_threadsafe(self._tell_soon)
        except RuntimeError:
            # The loop has ended, and with it whoever could ask.
            return

    async def close(self) -> None:
        """See ``SecondTier.close``."""
        if self._closed:
            return
        self._closed = True
        await self.writes.close()
        await self.reads.close()
        if self._telling is not None:
            await asyncio.wait((self._telling,))
        await self.link.close()

    def _tell_soon(self) -> None:
        """Other servers learn of invalidations also when this one asks nothing."""
        if len(self._stamps) and not self._closed:
            # Any question takes them along.
            self._telling = asyncio.get_running_loop().create_task(
                self.reads.get(Scope("query", ""), None)
            )
