"""A cache whose Redis dies, hangs, comes back, is full, or holds what others wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import redis as redis_py
from structlog.testing import capture_logs

from gapless.cache.key import digest
from gapless.cache.options import CacheOptions, RedisOptions
from gapless.cache.redis.reads import STAMPS_KEY, redis_key
from gapless.cache.redis.tier import RedisTier
from gapless.cache.second import Scope
from gapless.cache.tiered import TieredCache
from gapless.testing.cache_contract import Source
from gapless.testing.redis_server import RedisServer

pytestmark = pytest.mark.database

KEY = digest(b"a question")
SCOPE = Scope("inference", "m")
NO_MEMORY = CacheOptions(budget_bytes=0)


def options_of(server: RedisServer, timeout_ms: int = 5_000) -> RedisOptions:
    return RedisOptions(url=server.url, timeout_ms=timeout_ms, pause_ms=50, max_pause_ms=100)


@asynccontextmanager
async def opened(
    options: RedisOptions, cache_options: CacheOptions = NO_MEMORY
) -> AsyncIterator[tuple[TieredCache, RedisTier]]:
    tier = RedisTier(options)
    cache = TieredCache(cache_options, tier)
    try:
        yield cache, tier
    finally:
        await cache.close()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("what was waited for did not come")


async def reaches(count: Callable[[], int], value: int) -> None:
    await until(lambda: count() == value)


async def ask(cache: TieredCache, value: bytes = b"answer", key: bytes = KEY) -> str:
    answer = await cache.get("inference", key, Source(value), version="m")
    assert answer.value == value
    return answer.tier


async def kept(cache: TieredCache, tier: RedisTier) -> None:
    """Ask until Redis has the answer."""
    written = tier.writes.written
    assert await ask(cache) == "none"
    await until(lambda: tier.writes.written > written)
    assert await ask(cache) == "redis"


def test_servers_share_answers_and_invalidations(redis_server: RedisServer) -> None:
    async def run() -> None:
        options = options_of(redis_server)
        async with opened(options) as (one, tier), opened(options) as (other, _):
            await kept(one, tier)
            assert await ask(other) == "redis"
            other.invalidate("inference", version="m")
            assert await ask(other, b"anew") == "none"
            await until(lambda: tier.link.up)
            again = await one.get("inference", KEY, Source(b"anew"), version="m")
            assert again.value == b"anew"

    asyncio.run(run())


def test_an_invalidation_reaches_others_without_a_question(redis_server: RedisServer) -> None:
    async def run() -> None:
        options = options_of(redis_server)
        async with opened(options) as (one, tier), opened(options) as (other, other_tier):
            await kept(one, tier)
            assert await ask(other) == "redis"
            trips = other_tier.reads.round_trips
            await asyncio.to_thread(other.invalidate, "inference")
            await until(lambda: other_tier.reads.round_trips > trips)
            await other.put("query", KEY, b"waits for the round trip before")
            assert await ask(one, b"anew") == "none"

    asyncio.run(run())


def test_questions_of_one_turn_share_a_round_trip(redis_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(redis_server)) as (cache, tier):
            await ask(cache)
            before = tier.reads.round_trips
            keys = [digest(b"%d" % number) for number in range(50)]
            await asyncio.gather(*(ask(cache, b"value", key) for key in keys))
            assert tier.reads.round_trips == before + 1

    asyncio.run(run())


def test_a_killed_redis_costs_misses_and_heals(mortal_redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(mortal_redis)) as (cache, tier):
            await kept(cache, tier)
            await asyncio.to_thread(mortal_redis.kill)
            with capture_logs() as logs:
                for _ in range(20):
                    assert await ask(cache) == "none"
                    await asyncio.sleep(0.01)
                assert not tier.link.up
                trips = tier.reads.round_trips
                assert await ask(cache) == "none"
                assert tier.reads.round_trips == trips
                await asyncio.to_thread(mortal_redis.start)
                await until(lambda: tier.link.up)
            assert [log["event"].split(":")[0] for log in logs] == [
                "Redis is away",
                "Redis is back",
            ]
            await kept(cache, tier)

    asyncio.run(run())


def test_a_hanging_redis_is_waited_for_once(mortal_redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(mortal_redis, timeout_ms=100)) as (cache, tier):
            # The server may be slow to start with; that is another test's.
            await until(lambda: tier.link.up)
            await ask(cache)
            with mortal_redis.hanging():
                # All of one moment wait together, and those behind them not at all.
                await asyncio.gather(
                    *(ask(cache, b"value", digest(b"%d" % number)) for number in range(10))
                )
                await until(lambda: not tier.link.up)
                trips = tier.reads.round_trips
                for _ in range(10):
                    assert await ask(cache) == "none"
                assert tier.reads.round_trips == trips
            await until(lambda: tier.link.up)
            await until(lambda: tier.link.opened >= 1)

    asyncio.run(run())


def test_what_was_invalidated_while_it_was_away_stays_so(mortal_redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(mortal_redis, timeout_ms=500)) as (cache, tier):
            await kept(cache, tier)
            with mortal_redis.hanging():
                await ask(cache)
                await until(lambda: not tier.link.up)
                cache.invalidate("inference", version="m")
            await until(lambda: tier.link.up)
            assert await ask(cache, b"anew") == "none"

    asyncio.run(run())


def test_a_full_redis_is_read_all_the_same(mortal_redis: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(mortal_redis)) as (cache, tier):
            await kept(cache, tier)
            with redis_py.Redis.from_url(mortal_redis.url) as client:
                client.config_set("maxmemory-policy", "noeviction")
                client.config_set("maxmemory", "1")
            with capture_logs() as logs:
                for number in range(3):
                    await ask(cache, b"other", digest(b"%d" % number))
                    await reaches(lambda: tier.writes.dropped, number + 1)
            assert [log["event"] for log in logs] == [
                "Redis does not keep answers; it is still asked"
            ]
            assert await ask(cache) == "redis"
            # It cannot be told, so it is not believed.
            cache.invalidate("inference", version="m")
            assert await ask(cache, b"anew") == "none"
            assert tier.link.up

    asyncio.run(run())


def test_what_others_wrote_is_no_answer(redis_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(redis_server)) as (cache, tier):
            await kept(cache, tier)
            name = redis_key(SCOPE, KEY)
            with redis_py.Redis.from_url(redis_server.url) as client:
                good = client.get(name)
                assert isinstance(good, bytes)
                for bad in (b"", b"text", good[:20], good[:-1], good[:2] + b"\x09" + good[3:]):
                    client.set(name, bad)
                    written = tier.writes.written
                    assert await ask(cache) == "none"
                    await reaches(lambda: tier.writes.written, written + 1)
                # A list instead of a value: MGET says nothing of it.
                client.delete(name)
                client.rpush(name, "x")
                assert await ask(cache) == "none"
                assert tier.link.up

    asyncio.run(run())


def test_lost_numbers_make_nothing_valid_again(redis_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(redis_server)) as (cache, tier):
            await kept(cache, tier)
            with redis_py.Redis.from_url(redis_server.url) as client:
                client.delete(STAMPS_KEY)
            assert await ask(cache, b"anew") == "none"

    asyncio.run(run())


def test_what_ends_there_is_gone(redis_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(options_of(redis_server)) as (cache, tier):
            await kept(cache, tier)
            with redis_py.Redis.from_url(redis_server.url) as client:
                ttl = client.pttl(redis_key(SCOPE, KEY))
                assert isinstance(ttl, int)
                most = 1000 * (NO_MEMORY.ttl_s + NO_MEMORY.stale_s)
                assert most - 60_000 < ttl <= most

    asyncio.run(run())


def test_large_values_and_too_many_are_not_written(redis_server: RedisServer) -> None:
    async def run() -> None:
        options = msgspec.structs.replace(
            options_of(redis_server), max_value_bytes=1000, max_writes=2
        )
        async with opened(options) as (cache, tier):
            await ask(cache, bytes(1000))
            assert tier.writes.dropped == 1
            await ask(cache)
            await until(lambda: tier.writes.written == 1)
            stamp = (await tier.get(SCOPE, None)).stamp
            assert stamp is not None
            for number in range(4):
                tier.put(SCOPE, digest(b"%d" % number), b"frame", 1000)
            assert tier.writes.dropped == 3
            await until(lambda: tier.writes.written == 3)

    asyncio.run(run())


def test_a_wrong_password_is_a_miss_that_is_told(mortal_redis: RedisServer) -> None:
    async def run() -> None:
        with redis_py.Redis.from_url(mortal_redis.url) as client:
            client.acl_setuser(
                "gapless", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all"]
            )
        options = options_of(mortal_redis)
        wrong = msgspec.structs.replace(
            options, url=f"{options.url}?username=gapless&password=wrong"
        )
        right = msgspec.structs.replace(
            options, url=f"{options.url}?username=gapless&password=right"
        )
        with capture_logs() as logs:
            async with opened(wrong) as (cache, tier):
                assert await ask(cache) == "none"
                assert not tier.link.up
        assert logs[0]["log_level"] == "warning"
        assert "wrong" not in repr(logs).replace("WRONGPASS", "")
        async with opened(right) as (cache, tier):
            await kept(cache, tier)

    asyncio.run(run())
