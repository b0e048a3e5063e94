"""A store that moves to PostgreSQL and back, by the command line."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.store.moving import copy_store, transcripts_of
from gapless.store.open import open_place
from gapless.store.options import StoreOptions
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import FULL_SESSION, FULL_UTTERANCE
from gapless.transcript import Utterance

pytestmark = pytest.mark.database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "transcripts.db"
    odd = "Größe 你好 😀 'quoted' \"too\" \\ \t tab"
    with closing(SqliteStore(path)) as store:
        transcripts = [
            StoredTranscript(
                SessionRecord(f"s{n:03}", "stream", "m", 1000 + n // 3, name=odd),
                tuple(Utterance(f"u{u}", f"{odd} {u}", u, u + 5) for u in range(n % 5)),
            )
            for n in range(120)
        ]
        store.restore([*transcripts, StoredTranscript(FULL_SESSION, (FULL_UTTERANCE,))])
    return path


def run(path: Path, *arguments: str) -> Result:
    env = {"GAPLESS_DATA_DIR": str(path.parent), "GAPLESS_CONFIG": ""}
    return CliRunner().invoke(main, ["store", *arguments], env=env)


def test_there_and_back_again_is_what_it_was(path: Path, postgres_url: str) -> None:
    there = run(path, "copy", "--to", postgres_url, "--json")
    assert there.exit_code == 0, there.output
    copied = json.loads(there.stdout)
    assert copied["moved"]["new"] == 121
    assert copied["target"]["kind"] == "postgresql"
    assert copied["source"]["utterances"] == copied["target"]["utterances"]
    assert json.loads(run(path, "copy", "--to", postgres_url, "--json").stdout)["moved"] == {
        "new": 0,
        "completed": 0,
        "skipped": 121,
        "conflicts": [],
    }
    back = path.parent / "back.db"
    assert run(path, "copy", "--store", postgres_url, "--to", str(back)).exit_code == 0
    with closing(SqliteStore(path)) as first, closing(SqliteStore(back)) as second:
        assert list(transcripts_of(second)) == list(transcripts_of(first))
        assert second.check() == ()


def test_a_copy_to_postgresql_that_was_interrupted_goes_on(path: Path, postgres_url: str) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with (
        closing(SqliteStore(path)) as source,
        closing(open_place(postgres_url, StoreOptions())) as target,
    ):
        with pytest.raises(KeyboardInterrupt):
            copy_store(source, target, stop)
        assert target.facts().sessions == 100
        copied = copy_store(source, target, lambda _: None)
        assert copied.is_complete
        assert (copied.moved.new, copied.moved.skipped) == (21, 100)
        assert list(transcripts_of(target)) == list(transcripts_of(source))


def test_upkeep_works_on_postgresql_too(path: Path, postgres_url: str) -> None:
    run(path, "copy", "--to", postgres_url)
    at = ("--store", postgres_url)
    assert "all is well" in run(path, "check", *at).stdout
    assert run(path, "vacuum", *at).exit_code == 0
    assert "already" in run(path, "migrate", *at).stderr
    archive = path.parent / "all.jsonl.gz"
    assert run(path, "export", "--all", "-f", "jsonl", "-o", str(archive), *at).exit_code == 0
    gone = run(path, "migrate", "--to", "0", "--yes", *at)
    assert gone.exit_code == 0, gone.output
    moved = run(path, "import", str(archive), "--json", *at)
    assert json.loads(moved.stdout)["new"] == 121
    pruned = run(path, "prune", "--older-than", "1d", "--json", *at)
    assert json.loads(pruned.stdout)["sessions"] == 121
