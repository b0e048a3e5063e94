"""Every cache keeps to the contract; the one over a real Redis does in ``tests/database``."""

from __future__ import annotations

import asyncio

import pytest

from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.cache.tiered import TieredCache
from gapless.testing.cache_contract import CACHE_CHECKS, CacheCheck, FakeSecondTier, OpenCache

CACHES: dict[str, OpenCache] = {
    "memory": lambda: open_cache(CacheOptions(budget_bytes=8_000_000)),
    "memory_and_second": lambda: TieredCache(
        CacheOptions(budget_bytes=8_000_000), FakeSecondTier()
    ),
    "second_alone": lambda: TieredCache(CacheOptions(budget_bytes=0), FakeSecondTier()),
    "nothing": lambda: open_cache(CacheOptions(budget_bytes=0)),
}


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("check", CACHE_CHECKS, ids=lambda check: check.__name__)
def test_cache(check: CacheCheck, cache: str) -> None:
    async def run() -> None:
        await check(CACHES[cache])

    asyncio.run(run())
