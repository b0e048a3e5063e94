"""A cache over a real Redis keeps to the contract, with memory before it and without."""

from __future__ import annotations

import asyncio

import pytest

from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.testing.cache_contract import CACHE_CHECKS, CacheCheck
from gapless.testing.redis_server import RedisServer

pytestmark = pytest.mark.database


@pytest.mark.parametrize("budget_bytes", [8_000_000, 0], ids=["memory_and_redis", "redis_alone"])
@pytest.mark.parametrize("check", CACHE_CHECKS, ids=lambda check: check.__name__)
def test_cache(check: CacheCheck, budget_bytes: int, redis_server: RedisServer) -> None:
    options = CacheOptions(
        budget_bytes=budget_bytes,
        redis_url=redis_server.url,
        # A busy machine is no reason to be away.
        redis_timeout_ms=5_000,
    )

    async def run() -> None:
        await check(lambda: open_cache(options))

    asyncio.run(run())
