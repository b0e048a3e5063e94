"""``gapless store migrate | check | vacuum | prune | export -f jsonl | import | copy``."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.cli.store_upkeep import size_text
from gapless.store.open import parse_place
from gapless.store.sqlite.migrate import schema_steps
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, say

NEWEST = max(schema_steps())


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file, whatever this machine has."""
    monkeypatch.setenv("GAPLESS_CONFIG", "")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with closing(SqliteStore(folder / "transcripts.db")) as store:
        for number in range(5):
            begin(store, f"s{number}", started_at_ms=1_700_000_000_000 + number)
            for utterance in range(number):
                say(store, f"s{number}", f"u{utterance}", "some words", start_ms=utterance)
            store.end_session(f"s{number}", ended_at_ms=1_700_000_070_000, audio_ms=70_000)
    return folder


def run(data_dir: Path, *arguments: str, answer: str | bytes = "") -> Result:
    env = {"GAPLESS_DATA_DIR": str(data_dir)}
    return CliRunner().invoke(main, ["store", *arguments], input=answer, env=env)


def sessions(path: Path) -> int:
    with closing(SqliteStore(path)) as store:
        return store.facts().sessions


def version(data_dir: Path) -> int:
    with closing(sqlite3.connect(data_dir / "transcripts.db")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_migrate_says_what_it_did_and_asks_before_it_goes_back(data_dir: Path) -> None:
    assert f"the schema is {NEWEST} already" in run(data_dir, "migrate").stderr
    assert run(data_dir, "migrate", "--to", "0", answer="n\n").exit_code == 1
    assert version(data_dir) == NEWEST
    result = run(data_dir, "migrate", "--to", str(NEWEST - 1), answer="y\n")
    assert result.exit_code == 0, result.output
    assert f"the schema was {NEWEST} and is {NEWEST - 1}" in result.stderr
    assert version(data_dir) == NEWEST - 1
    assert run(data_dir, "migrate").exit_code == 0
    assert version(data_dir) == NEWEST
    assert sessions(data_dir / "transcripts.db") == 5
    assert run(data_dir, "migrate", "--to", "999", "--yes").exit_code == 1


def test_check_is_told_by_the_exit_code(data_dir: Path) -> None:
    result = run(data_dir, "check")
    assert (result.exit_code, "all is well" in result.stdout) == (0, True)
    with closing(sqlite3.connect(data_dir / "transcripts.db")) as connection:
        connection.execute("UPDATE sessions SET utterances = 9 WHERE id = 's3'")
        connection.commit()
    result = run(data_dir, "check")
    assert result.exit_code == 1
    assert "s3 keeps 3 utterances" in result.stdout
    result = run(data_dir, "check", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"], len(found["wrong"])) == (1, False, 1)
    assert found["facts"]["sessions"] == 5


def test_vacuum_says_the_size_before_and_after(data_dir: Path) -> None:
    assert "before" in run(data_dir, "vacuum").stdout
    sizes = json.loads(run(data_dir, "vacuum", "--json").stdout)
    assert sizes["before_bytes"] >= sizes["after_bytes"] > 0


def test_prune_deletes_what_is_old_once_it_was_asked(data_dir: Path) -> None:
    with closing(SqliteStore(data_dir / "transcripts.db")) as store:
        begin(store, "young", started_at_ms=2**42)
    dry = run(data_dir, "prune", "--older-than", "30d", "--dry-run")
    assert "5 began longer ago" in dry.stdout
    assert run(data_dir, "prune", "--older-than", "30d", answer="n\n").exit_code == 1
    assert sessions(data_dir / "transcripts.db") == 6
    result = run(data_dir, "prune", "--older-than", "30d", "--json")
    assert json.loads(result.stdout) == {"sessions": 5, "utterances": 10, "calls": 0}
    assert sessions(data_dir / "transcripts.db") == 1


def test_prune_deletes_while_too_much_is_kept(data_dir: Path) -> None:
    assert "are deleted" in run(data_dir, "prune", "--larger-than", "2GB", "--yes").stderr
    assert sessions(data_dir / "transcripts.db") == 5
    dry = json.loads(run(data_dir, "prune", "--larger-than", "1kB", "--dry-run", "--json").stdout)
    assert dry["excess_bytes"] > 1000
    run(data_dir, "prune", "--larger-than", "1kB", "--yes")
    assert sessions(data_dir / "transcripts.db") == 0


@pytest.mark.parametrize(
    "arguments", [[], ["--older-than", "30"], ["--older-than", "d"], ["--larger-than", "2 apples"]]
)
def test_what_cannot_be_pruned_is_wrong_usage(data_dir: Path, arguments: list[str]) -> None:
    assert run(data_dir, "prune", *arguments).exit_code == 2


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
def test_an_archive_goes_into_another_store_and_only_once(
    data_dir: Path, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "out" / name
    result = run(data_dir, "export", "--all", "-f", "jsonl", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert "5 transcripts are in" in result.stderr
    assert file.read_bytes().startswith(b"\x1f\x8b" if name.endswith(".gz") else b'{"format"')
    assert [other.name for other in file.parent.iterdir()] == [name]

    other = tmp_path / "other"
    assert "5 transcripts are new" in run(other, "import", str(file)).stderr
    moved = json.loads(run(other, "import", str(file), "--json").stdout)
    assert (moved["new"], moved["skipped"]) == (0, 5)
    assert sessions(other / "transcripts.db") == 5


def test_an_archive_goes_through_a_pipe(data_dir: Path, tmp_path: Path) -> None:
    result = run(data_dir, "export", "--all", "-f", "jsonl")
    assert len(result.stdout.splitlines()) == 7
    moved = run(tmp_path / "other", "import", "-", answer=result.stdout)
    assert "5 transcripts are new" in moved.stderr
    packed = run(tmp_path / "more", "import", "-", answer=gzip.compress(result.stdout.encode()))
    assert "5 transcripts are new" in packed.stderr


def test_an_archive_of_one_transcript_is_wrong_usage(data_dir: Path) -> None:
    assert run(data_dir, "export", "s1", "-f", "jsonl").exit_code == 2


def test_a_file_that_cannot_be_imported_is_one_red_sentence(data_dir: Path, tmp_path: Path) -> None:
    missing = run(data_dir, "import", str(tmp_path / "nothing"))
    assert missing.exit_code == 1
    assert "cannot be read" in missing.stderr
    (tmp_path / "diary").write_text("dear diary")
    assert "no archive of transcripts" in run(data_dir, "import", str(tmp_path / "diary")).stderr


def test_copy_copies_once_and_says_what_is_where(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    result = run(data_dir, "copy", "--to", str(target))
    assert result.exit_code == 0, result.output
    assert "5 transcripts are new" in result.stderr
    assert f"{target}: 5 transcripts, 10 utterances" in result.stderr
    again = json.loads(run(data_dir, "copy", "--to", str(target), "--json").stdout)
    assert (again["is_complete"], again["moved"]["skipped"]) == (True, 5)
    back = tmp_path / "back"
    assert run(back, "copy", "--store", str(target), "--to", str(back) + "/").exit_code == 0
    assert sessions(back / "transcripts.db") == 5


def test_copy_is_told_by_the_exit_code_if_something_is_missing(
    data_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    with closing(SqliteStore(target)) as store:
        begin(store, "s3", started_at_ms=5)
    result = run(data_dir, "copy", "--to", str(target))
    assert result.exit_code == 1
    assert "left alone: s3" in result.stderr


def test_a_store_is_not_copied_onto_itself(data_dir: Path) -> None:
    assert run(data_dir, "copy", "--to", str(data_dir / "transcripts.db")).exit_code == 2


@pytest.mark.parametrize(
    "command", [["migrate"], ["check"], ["vacuum"], ["prune", "--older-than", "1d", "--yes"]]
)
def test_upkeep_makes_no_store_where_there_is_none(tmp_path: Path, command: list[str]) -> None:
    result = run(tmp_path / "empty", *command)
    assert (result.exit_code, "nothing is kept in" in result.stderr) == (1, True)
    assert not (tmp_path / "empty").exists()


def test_search_shows_the_best_first_if_asked(data_dir: Path) -> None:
    with closing(SqliteStore(data_dir / "transcripts.db")) as store:
        say(store, "s1", "best", "words words words", start_ms=9)
    output = run(data_dir, "search", "words", "--order", "relevance", "--json").stdout
    found = [json.loads(line)["session"]["id"] for line in output.splitlines()]
    assert found == ["s1", "s4", "s3", "s2"]


def test_places_are_read_as_people_write_them(tmp_path: Path) -> None:
    assert parse_place("postgresql://u@h/d") == "postgresql://u@h/d"
    assert parse_place("postgres://u@h/d") == "postgres://u@h/d"
    assert parse_place(str(tmp_path)) == tmp_path / "transcripts.db"
    assert parse_place(str(tmp_path / "new") + "/") == tmp_path / "new" / "transcripts.db"
    assert parse_place(str(tmp_path / "a.db")) == tmp_path / "a.db"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (2_500_000, "2.5 MB"),
        (3 * 10**9, "3.00 GB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
