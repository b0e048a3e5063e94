"""Whether a server is ready, and what it does without."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gapless.cache.options import CacheOptions
from gapless.cache.tiered import TieredCache
from gapless.errors import StoreError
from gapless.serve.health import Health, health_of
from gapless.serve.stream.registry import Streams
from gapless.settings import Settings
from gapless.store.contract import SessionRecord
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.cache_contract import FakeSecondTier
from gapless.testing.services import ScriptedServices
from gapless.transcript import Utterance


def test_a_server_that_lacks_nothing_is_ready() -> None:
    with ScriptedServices(Settings(save=False)) as services:
        assert health_of(services, Streams(services)) == Health(ready=True)


def test_a_server_without_its_second_cache_is_ready_and_says_so() -> None:
    tier = FakeSecondTier()
    cache = TieredCache(CacheOptions(budget_bytes=0), tier)
    with ScriptedServices(Settings(save=False), cache=cache) as services:
        streams = Streams(services)
        tier.up = False
        away = health_of(services, streams)
        tier.up = True

        assert away.ready
        assert away.degraded == (
            "the cache: it is away; what it would have remembered counts as a miss",
        )
        assert health_of(services, streams) == Health(ready=True)


def test_a_server_whose_store_fails_is_ready_and_says_so(tmp_path: Path) -> None:
    session = SessionRecord("s1", "stream", "scripted", 0)
    with (
        closing(SqliteStore(tmp_path / "transcripts.db")) as store,
        ScriptedServices(Settings(), store=store) as services,
    ):
        streams = Streams(services)
        store.begin_session(session)
        store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())
        with pytest.raises(StoreError, match="disk is full"):
            store.add_utterance("s1", Utterance("u1", "word " * 20_000, 0, 1))
        failing = health_of(services, streams)
        store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
        store.add_utterance("s1", Utterance("u1", "kept", 0, 1))

        assert failing.ready
        (sentence,) = failing.degraded
        assert sentence.startswith("the store cannot be written, for 0 s now: streams are heard")
        assert str(tmp_path) not in sentence
        assert health_of(services, streams) == Health(ready=True)


def test_a_server_that_stops_is_not_ready() -> None:
    with ScriptedServices(Settings(save=False)) as services:
        streams = Streams(services)
        streams.draining = True

        assert health_of(services, streams).reasons == ("the server is stopping",)
        assert not health_of(services, streams).ready


def test_a_server_that_was_to_keep_transcripts_needs_its_store() -> None:
    with ScriptedServices(Settings()) as services:
        assert health_of(services, Streams(services)).reasons == ("the store is not open",)
