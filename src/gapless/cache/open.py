"""Opens the cache that options describe.

In: options. Out: a cache. Thread: any; the cache belongs to the event loop that first asks it.
"""

from __future__ import annotations

from gapless.cache.contract import Cache
from gapless.cache.options import CacheOptions
from gapless.cache.second import SecondTier
from gapless.cache.tiered import TieredCache


def open_cache(options: CacheOptions) -> Cache:
    """A cache; nothing is connected to before it is asked.

    Raises:
        ConfigError: ``redis_url`` cannot be one of a Redis.
        MissingDependencyError: redis-py is needed, and not installed.
    """
    second: SecondTier | None = None
    redis = options.redis
    if redis is not None:
        from gapless.cache.redis.tier import RedisTier

        second = RedisTier(redis)
    return TieredCache(options, second)
