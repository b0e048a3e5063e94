from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.store.contract import SessionRecord
from gapless.store.sqlite.store import SqliteStore
from gapless.transcript import Utterance


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file, whatever this machine has."""
    monkeypatch.setenv("GAPLESS_CONFIG", "")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with closing(SqliteStore(folder / "transcripts.db")) as store:
        store.begin_session(SessionRecord("s1", "file", "m", 1_700_000_000_000, name="talk.mp3"))
        store.add_utterance("s1", Utterance("u1", "hold the budget", 61_000, 62_000))
        store.add_utterance("s1", Utterance("u2", "and mind the gap", 63_000, 64_000))
        store.end_session("s1", ended_at_ms=1_700_000_070_000, audio_ms=70_000)
        evil = "esc\x1b[2Jape.wav"
        store.begin_session(SessionRecord("s2", "stream", "m", 1_800_000_000_000, name=evil))
        store.add_utterance("s2", Utterance("u1", "no \x1b]0;budget at all", 0, 1000))
    return folder


def run(data_dir: Path, *arguments: str, answer: str = "", color: bool = False) -> Result:
    env = {"GAPLESS_DATA_DIR": str(data_dir)}
    return CliRunner().invoke(main, ["store", *arguments], input=answer, env=env, color=color)


def test_search_prints_where_and_when_it_was_said(data_dir: Path) -> None:
    result = run(data_dir, "search", "the", "bud")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "talk.mp3  s1" in lines[0]
    assert "file, 00:01:10, 2 utterances" in lines[1]
    assert lines[2:] == ["  00:01:01  hold the budget"]


def test_search_highlights_what_matched_on_a_terminal(data_dir: Path) -> None:
    result = run(data_dir, "search", "gap", color=True)
    assert "and mind the \x1b[33m\x1b[1mgap\x1b[0m" in result.stdout


def test_search_without_words_lists_the_latest_first(data_dir: Path) -> None:
    lines = run(data_dir, "search").stdout.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("20")] == ["s2", "s1"]
    assert "not ended" in lines[1]
    assert "  hold the budget and mind the gap" in lines


def test_search_has_a_range_of_time_and_a_limit(data_dir: Path) -> None:
    def ids(*arguments: str) -> list[str]:
        output = run(data_dir, "search", "--json", *arguments).stdout
        return [json.loads(line)["session"]["id"] for line in output.splitlines()]

    assert ids("budget") == ["s2", "s1"]
    assert ids("budget", "--limit", "1") == ["s2"]
    assert ids("--until", "2025-01-01") == ["s1"]
    assert ids("--since", "1700000000001") == ["s2"]


def test_json_lines_hold_the_hits(data_dir: Path) -> None:
    (line,) = run(data_dir, "search", "mind", "--json").stdout.splitlines()
    assert json.loads(line)["hits"][0]["highlights"] == [[4, 8]]


def test_finding_nothing_is_said_beside_the_output(data_dir: Path) -> None:
    result = run(data_dir, "search", "unheard")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing found\n")


def test_more_than_a_page_is_found(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "transcripts.db")) as store:
        for number in range(105):
            store.begin_session(SessionRecord(f"s{number}", "stream", "m", number))
    output = run(tmp_path, "search", "--json", "--limit", "103").stdout
    found = [json.loads(line)["session"]["id"] for line in output.splitlines()]
    assert found == [f"s{number}" for number in range(104, 1, -1)]


@pytest.mark.parametrize("command", [["search"], ["search", "budget"], ["show", "s2"]])
def test_nothing_that_was_kept_can_control_the_terminal(data_dir: Path, command: list[str]) -> None:
    result = run(data_dir, *command)
    assert "ape.wav" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_prints_each_utterance_with_its_time(data_dir: Path) -> None:
    lines = run(data_dir, "show", "s1").stdout.splitlines()
    assert lines[2:] == ["  00:01:01  hold the budget", "  00:01:03  and mind the gap"]
    as_json = json.loads(run(data_dir, "show", "s1", "--json").stdout)
    assert [utterance["utt"] for utterance in as_json["utterances"]] == ["u1", "u2"]


def test_one_transcript_is_exported_to_standard_output(data_dir: Path) -> None:
    result = run(data_dir, "export", "s1", "-f", "srt")
    assert result.stdout.startswith("1\n00:01:01,000 --> 00:01:02,000\nhold the budget\n")
    assert json.loads(run(data_dir, "export", "s1", "-f", "json").stdout)["session"]["id"] == "s1"


def test_all_transcripts_are_exported_to_a_folder(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "deep"
    result = run(data_dir, "export", "--all", "-f", "vtt", "-o", str(folder))
    assert result.exit_code == 0
    assert "2 transcripts are in" in result.stderr
    assert {file.name for file in folder.iterdir()} == {"talk-s1.vtt", "esc_[2Jape-s2.vtt"}
    assert (folder / "talk-s1.vtt").read_text("utf-8").startswith("WEBVTT\n")


def test_an_export_that_fails_stops_no_other_and_is_told_by_the_exit_code(
    data_dir: Path, tmp_path: Path
) -> None:
    result = run(data_dir, "export", "nobody", "s1", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "no transcript 'nobody'" in result.stderr
    assert (tmp_path / "out" / "talk-s1.txt").read_text("utf-8").startswith("hold the budget\n")


@pytest.mark.parametrize(
    "arguments",
    [["export"], ["export", "--all", "s1"], ["export", "--all"], ["export", "s1", "s2"]],
)
def test_an_export_that_is_not_clear_is_wrong_usage(data_dir: Path, arguments: list[str]) -> None:
    assert run(data_dir, *arguments).exit_code == 2


def test_delete_asks_first(data_dir: Path) -> None:
    refusal = run(data_dir, "delete", "s1", answer="n\n")
    assert refusal.exit_code == 1
    assert "talk.mp3" in refusal.stdout
    assert run(data_dir, "show", "s1").exit_code == 0

    assert run(data_dir, "delete", "s1", answer="y\n").exit_code == 0
    assert run(data_dir, "show", "s1").exit_code == 1
    assert run(data_dir, "delete", "s2", "--yes").exit_code == 0
    assert run(data_dir, "search").stdout == ""


@pytest.mark.parametrize(
    "command", [["search"], ["show", "s1"], ["export", "s1"], ["delete", "s1"]]
)
def test_where_nothing_is_kept_nothing_is_made(tmp_path: Path, command: list[str]) -> None:
    result = run(tmp_path / "empty", *command)
    assert result.exit_code == 1
    assert "nothing is kept in" in result.stderr
    assert not (tmp_path / "empty").exists()


def test_a_transcript_that_is_not_there_is_one_red_sentence(data_dir: Path) -> None:
    result = run(data_dir, "show", "nobody")
    assert result.exit_code == 1
    assert result.stderr.startswith("gapless: no transcript 'nobody' is kept")
