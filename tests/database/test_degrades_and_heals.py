"""Redis and PostgreSQL die, hang and come back under load: the server says so, goes on, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from gapless.testing.postgres_server import PostgresServer
from gapless.testing.redis_server import RedisServer
from gapless.testing.serve_process import ServeProcess
from gapless.testing.store_load import Amounts, Ledger, Load

pytestmark = pytest.mark.database

RECORDINGS = ("utterances.flac", "news.flac")

CROWD = Amounts(paced=0, fast=40, uploads=0, jobs=0, askers=0, searchers=0)
"""More streams than there are threads for those who read the store."""

GONE_S = 8.0

WAIT_S = 60.0


class Probe:
    """Asks a server how it is; whoever does is told that it is ready, whatever is away."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def get(self, path: str, **parameters: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self._url, timeout=WAIT_S) as client:
            return await client.get(path, params=parameters)

    async def degraded(self) -> list[str]:
        answer = await self.get("/health/ready")
        assert answer.status_code == 200, answer.text
        found: list[str] = answer.json()["degraded"]
        return found

    async def until_told(self, words: str) -> None:
        async def is_told() -> bool:
            return any(words in sentence for sentence in await self.degraded())

        await until(is_told)

    async def until_well(self) -> None:
        async def is_well() -> bool:
            return not await self.degraded()

        await until(is_well)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await holds():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.05)


async def more(count: Callable[[], int], number: int) -> None:
    """Wait until so many more have come."""
    enough = count() + number

    async def is_there() -> bool:
        return count() >= enough

    await until(is_there)


async def more_finals(ledger: Ledger) -> None:
    await more(lambda: len(ledger.finals), 3)


def check(ledger: Ledger, server: ServeProcess) -> None:
    """Nothing was lost or doubled, and everybody understood the same."""
    assert asyncio.run(ledger.check(server.url)) == []
    assert asyncio.run(ledger.strays(server.url)) == []
    assert ledger.unkept == 0
    assert all(len(texts) == 1 for texts in ledger.texts().values()), ledger.texts()
    assert {said.way for said in ledger.said.values()} == {"talk", "stream", "upload", "job"}


def test_a_server_whose_redis_hangs_and_dies_and_whose_postgres_dies_goes_on_and_heals(
    mortal_postgres: PostgresServer, mortal_redis: RedisServer, speech_dir: Path, tmp_path: Path
) -> None:
    recordings = [speech_dir / name for name in RECORDINGS]
    with ServeProcess(
        tmp_path,
        model="commands-en",
        store_url=mortal_postgres.new_database(),
        redis_url=mortal_redis.url,
        redis_timeout_ms=500,
    ) as server:
        load = Load(server.url, recordings, Amounts(paced=3, fast=1, uploads=1, askers=1))
        ledger, probe = load.ledger, Probe(server.url)
        crowd = Load(server.url, recordings, CROWD)

        async def redis_fails() -> None:
            await more_finals(ledger)
            with mortal_redis.hanging():
                await probe.until_told("Redis has not answered")
                await more_finals(ledger)
            await probe.until_well()
            await asyncio.to_thread(mortal_redis.kill)
            await probe.until_told("Redis has not answered")
            await more_finals(ledger)
            await asyncio.to_thread(mortal_redis.start)
            await probe.until_well()
            assert ledger.refusals == []

        async def postgres_fails() -> None:
            await asyncio.to_thread(mortal_postgres.kill)
            await probe.until_told("the store cannot be reached")
            assert any("jobs" in sentence for sentence in await probe.degraded())
            crowding = asyncio.create_task(crowd.run())
            await asyncio.sleep(GONE_S / 2)
            # Not behind those who wait to be written: who comes later than the store's patience would find them unsaved.
            refused = await probe.get("/v1/transcripts", q="gone")
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "store_error"
            assert refused.json()["error"]["retryable"]
            assert int(refused.headers["retry-after-ms"]) > 0
            kept = len(ledger.finals)
            await asyncio.sleep(GONE_S / 2)
            # Three people are speaking all the time; and nothing is acknowledged that nobody could keep.
            await more(lambda: len(ledger.partials), 3)
            assert len(ledger.finals) == kept
            await asyncio.to_thread(mortal_postgres.start)
            await probe.until_well()
            await crowding
            await more_finals(ledger)

        async def happens() -> None:
            await redis_fails()
            await postgres_fails()

        asyncio.run(load.run_during(happens))

        assert {refusal.path.split("/")[2] for refusal in ledger.refusals} <= {
            "transcripts",
            "jobs",
        }
        assert asyncio.run(crowd.ledger.check(server.url)) == []
        assert len(crowd.ledger.said) == CROWD.fast
        assert not any(said.unsaved for said in crowd.ledger.said.values())
        ledger.said |= crowd.ledger.said
        check(ledger, server)
        assert asyncio.run(probe.degraded()) == []
        events = [line["event"] for line in server.log()]
        assert [event for event in events if event.startswith("the store")] == [
            "the store is in trouble: what is said waits for it",
            "the store is back",
        ]
        # It hung and it died; in the crowd, a slow machine may be late for it once more.
        told = [event for event in events if event.startswith("Redis")]
        assert told[:2] * (len(told) // 2) == told
        assert told[:2] == [
            "Redis is away: answers are remembered in memory only until it is back",
            "Redis is back",
        ]
        assert len(told) >= 4
        assert server.events("the store is back")[0]["seconds"] >= GONE_S


def test_a_postgres_that_hangs_is_told_of_and_what_was_said_meanwhile_is_kept(
    mortal_postgres: PostgresServer, speech_dir: Path, tmp_path: Path
) -> None:
    recordings = [speech_dir / name for name in RECORDINGS]
    with ServeProcess(
        tmp_path, model="commands-en", store_url=mortal_postgres.new_database()
    ) as server:
        load = Load(server.url, recordings, Amounts(paced=2, fast=1, uploads=1, askers=1))
        ledger, probe = load.ledger, Probe(server.url)

        async def happens() -> None:
            await more_finals(ledger)
            with mortal_postgres.hanging():
                await probe.until_told("the store does not answer")
                await more(lambda: len(ledger.partials), 2)
                await more(ledger.cached.total, 20)
            await probe.until_well()
            await more_finals(ledger)

        asyncio.run(load.run_during(happens))

        check(ledger, server)
        (back,) = server.events("the store is back")
        assert back["it"] == "does not answer"
