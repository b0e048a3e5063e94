"""The same load against every store and cache: what was acknowledged is kept, once, and it is the same everywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gapless.engine import Engine
from gapless.settings import Settings
from gapless.testing.postgres_server import PostgresServer
from gapless.testing.redis_server import RedisServer
from gapless.testing.serve_process import ServeProcess
from gapless.testing.store_load import Amounts, Load
from gapless.transcript import Transcript

pytestmark = pytest.mark.database

MODEL = "commands-en"

RECORDINGS = ("news.flac", "sentence.flac", "stereo_44k1.flac")

AMOUNTS = Amounts(paced=3, fast=6, uploads=6, jobs=3, askers=4, searchers=4)


@pytest.fixture(scope="module")
def texts(speech_dir: Path) -> dict[str, set[tuple[str, ...]]]:
    """What is to be understood of each recording, however it comes and wherever it is kept."""
    found = {}
    with Engine(Settings(model=MODEL, save=False)) as engine:
        for name in RECORDINGS:
            events = engine.transcribe(speech_dir / name, None, engine.listen_options)
            (transcript,) = (event for event in events if isinstance(event, Transcript))
            found[name] = {tuple(utterance.text for utterance in transcript.utterances)}
    return found


@pytest.mark.parametrize("backend", ["sqlite", "postgres", "postgres_and_redis"])
def test_what_was_acknowledged_is_kept_once_and_is_the_same_everywhere(
    backend: str,
    request: pytest.FixtureRequest,
    texts: dict[str, set[tuple[str, ...]]],
    speech_dir: Path,
    tmp_path: Path,
) -> None:
    stores: dict[str, str] = {}
    if backend != "sqlite":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        stores["store_url"] = postgres.new_database()
    if backend == "postgres_and_redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        stores["redis_url"] = redis.url
    recordings = [speech_dir / name for name in RECORDINGS]

    with ServeProcess(
        tmp_path, through=(), model=MODEL, redis_timeout_ms=5_000, **stores
    ) as server:
        ledger = asyncio.run(Load(server.url, recordings, AMOUNTS).run())

        assert asyncio.run(ledger.check(server.url)) == []
        assert asyncio.run(ledger.strays(server.url)) == []
        assert ledger.refusals == []
        assert ledger.unkept == 0
        assert len(ledger.said) == AMOUNTS.paced + AMOUNTS.fast + AMOUNTS.uploads + AMOUNTS.jobs
        assert ledger.texts() == texts
        # Every question came twice, and was computed once.
        assert ledger.cached == {True: 40, False: 40}
        ready = httpx.get(f"{server.url}/health/ready").json()
        assert ready == {"ready": True, "reasons": [], "degraded": []}
        assert [line for line in server.log() if line["level"] != "info"] == []
