"""Transcripts that are deleted because of their age or their size, by the server itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gapless.errors import StoreError
from gapless.settings import Settings
from gapless.store.contract import Pruned, TranscriptQuery
from gapless.store.inferences import InferenceQuery
from gapless.store.retention import DAY_MS, Retention, RetentionOptions, retention_options
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, call, ids

WAIT_S = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "transcripts.db")) as store:
        for number in range(10):
            begin(store, f"s{number}", started_at_ms=number * 1000)
            store.end_session(f"s{number}", ended_at_ms=number * 1000 + 1, audio_ms=1)
        yield store


def kept(store: SqliteStore) -> list[str]:
    return ids(store.list(TranscriptQuery()))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), RetentionOptions()),
        (Settings(retention_days=30), RetentionOptions(max_age_ms=30 * DAY_MS)),
        (Settings(retention_mb=2000), RetentionOptions(max_bytes=2_000_000_000)),
    ],
    ids=["all", "age", "size"],
)
def test_the_settings_say_what_is_kept(settings: Settings, expected: RetentionOptions) -> None:
    assert retention_options(settings) == expected
    assert expected.keeps_all == (settings == Settings())


def test_a_sweep_deletes_what_is_too_old_in_steps(store: SqliteStore) -> None:
    options = RetentionOptions(max_age_ms=5000, step_sessions=2, pause_ms=0)
    retention = Retention(store, options)
    with capture_logs() as lines:
        assert retention.sweep(12_000) == Pruned(7, 0)
        assert retention.sweep(12_000) == Pruned(0, 0)
    assert kept(store) == ["s9", "s8", "s7"]
    (line,) = lines
    assert (line["event"], line["sessions"]) == ("old transcripts deleted", 7)


def test_calls_of_models_go_by_the_same_age(store: SqliteStore) -> None:
    store.add_inferences([call(at_ms * 1000) for at_ms in range(10)]).result(30)
    sweeps = [
        Retention(store, RetentionOptions(max_age_ms=5, pause_ms=0)).sweep(now_ms)
        for now_ms in (9, 9)
    ]
    assert [swept.calls for swept in sweeps] == [4, 0]
    assert len(store.inferences(InferenceQuery())) == 6


def test_the_work_of_a_sweep_is_bounded_and_the_next_goes_on(store: SqliteStore) -> None:
    options = RetentionOptions(max_age_ms=0, step_sessions=2, steps=2, pause_ms=0)
    retention = Retention(store, options)
    assert [retention.sweep(10**6).sessions for _ in range(4)] == [4, 4, 2, 0]


def test_a_sweep_stops_behind_the_step_that_runs_when_it_is_closed(store: SqliteStore) -> None:
    options = RetentionOptions(max_age_ms=0, step_sessions=1, pause_ms=10**6)
    retention = Retention(store, options)
    retention.close()
    assert retention.sweep(10**6) == Pruned(1, 0)


def test_it_sweeps_by_itself_until_it_is_closed(store: SqliteStore) -> None:
    retention = Retention(store, RetentionOptions(max_age_ms=DAY_MS, pause_ms=0))
    retention.start()
    retention.start()
    tick = threading.Event()
    for _ in range(3000):
        if not kept(store):
            break
        tick.wait(0.01)
    assert kept(store) == []
    retention.close()
    retention.close()
    assert not any(thread.name == "gapless-retention" for thread in threading.enumerate())


def test_nothing_runs_where_all_is_kept(store: SqliteStore) -> None:
    retention = Retention(store, RetentionOptions())
    retention.start()
    assert retention._thread is None
    retention.close()
    assert len(kept(store)) == 10


def test_a_store_that_cannot_be_written_is_tried_again_at_the_next_sweep(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "closed.db")
    store.close()
    retention = Retention(store, RetentionOptions(max_age_ms=1, interval_ms=1))
    with pytest.raises(StoreError):
        retention.sweep(5)
    with capture_logs() as lines:
        retention.start()
        tick = threading.Event()
        for _ in range(3000):
            if len(lines) > 2:
                break
            tick.wait(0.01)
        retention.close()
    assert {line["event"] for line in lines} == {"old transcripts could not be deleted"}
    assert len(lines) > 2
