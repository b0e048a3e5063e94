"""Jobs from the command line, over a store on this machine and without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main,
        [*arguments, "--data-dir", str(data)],
        env={"GAPLESS_CONFIG": "", "GAPLESS_MODELS_DIR": str(data / "models")},
    )


def submitted(data: Path, *files: Path) -> str:
    result = run(data, "jobs", "submit", *map(str, files), "--json")
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["id"])


@pytest.fixture
def talk(speech_dir: Path) -> Path:
    return speech_dir / "sentence.flac"


@pytest.mark.long
def test_a_job_is_submitted_listed_cancelled_and_retried(tmp_path: Path, talk: Path) -> None:
    job_id = submitted(tmp_path, talk, talk)
    listed = json.loads(run(tmp_path, "jobs", "list", "--json").stdout)
    assert (listed["id"], listed["counts"]["queued"]) == (job_id, 2)
    shown = run(tmp_path, "jobs", "show", job_id).stdout
    assert shown.count("sentence.flac") == 2
    cancelled = json.loads(run(tmp_path, "jobs", "cancel", job_id, "--json").stdout)
    assert cancelled["state"] == "cancelled"
    assert run(tmp_path, "jobs", "list", "--state", "queued").stdout == ""
    assert "2 queued" in run(tmp_path, "jobs", "retry", job_id).stdout


def test_a_file_name_cannot_write_to_the_terminal(tmp_path: Path, talk: Path) -> None:
    odd = tmp_path / "a\x1b[31mb.flac"
    odd.write_bytes(talk.read_bytes())
    job_id = submitted(tmp_path / "data", odd)
    assert "\x1b" not in run(tmp_path / "data", "jobs", "show", job_id).stdout


def test_an_unknown_job_is_an_error_in_one_sentence(tmp_path: Path, talk: Path) -> None:
    submitted(tmp_path, talk)
    result = run(tmp_path, "jobs", "show", "gone")
    assert result.exit_code == 1
    assert "gapless jobs list" in result.stderr


@pytest.mark.parametrize("command", [("jobs", "list"), ("work", "--once")], ids=["list", "work"])
def test_where_nothing_is_kept_it_says_where_jobs_may_be(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = run(tmp_path / "data", *command)
    assert result.exit_code == 1
    assert "--store-url" in result.stderr
    assert not (tmp_path / "data").exists()


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    result = run(tmp_path, "jobs", "submit", str(tmp_path / "empty.wav"))
    assert result.exit_code == 2
    assert "empty.wav is empty" in result.stderr


@pytest.mark.long
def test_work_hears_all_that_waits_and_ends(tmp_path: Path, talk: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"no sound at all" * 10)
    job_id = submitted(tmp_path / "data", talk, noise)
    result = run(tmp_path / "data", "work", "--once", "--json")
    assert result.exit_code == 1, result.output
    assert "1 heard, 1 failed" in result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted((line["file"], line["result"]) for line in lines) == [(0, "done"), (1, "failed")]
    job = json.loads(run(tmp_path / "data", "jobs", "show", job_id, "--follow", "--json").stdout)
    kept = run(tmp_path / "data", "store", "show", job["files"][0]["session_id"]).stdout
    assert "officials" in kept
