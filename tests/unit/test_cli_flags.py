"""`gapless flags` and `gapless store inferences`, as they are typed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.settings.flags import FILE_NAME, FLAGS
from gapless.store.open import FILE_NAME as DATABASE
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import call


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but these."""
    monkeypatch.setenv("GAPLESS_CONFIG", "")
    monkeypatch.setenv("GAPLESS_DATA_DIR", str(tmp_path))


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


def shares(*arguments: str, **env: str) -> dict[str, Any]:
    """What is printed, by flag: its share and where that comes from."""
    result = run("flags", *arguments, "--json", **env)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["flags"]
    return {row["name"]: (row["share"], row["source"]) for row in rows}


def test_all_flags_are_listed_with_where_their_share_comes_from() -> None:
    assert shares() == dict.fromkeys(FLAGS, ("on", "default"))
    assert shares(GAPLESS_FLAGS="quick=off,batching=10%")["batching"] == ("10%", "setting")
    lines = run("flags").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(FLAGS)


def test_what_is_set_goes_before_the_setting_until_it_is_reset(tmp_path: Path) -> None:
    assert shares("set", "batching=10%", "answers=off")["batching"] == ("10%", "file")
    told = shares("set", "batching=20%", GAPLESS_FLAGS="answers=on")
    assert (told["batching"], told["answers"]) == (("20%", "file"), ("off", "file"))
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"answers": "off", "batching": "20%"}
    told = shares("reset", "answers", GAPLESS_FLAGS="answers=50%")
    assert (told["batching"], told["answers"]) == (("20%", "file"), ("50%", "setting"))
    assert shares("reset") == dict.fromkeys(FLAGS, ("on", "default"))
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("change", ["fast=on", "batching=most", "batching"])
def test_a_wrong_change_is_told_and_changes_nothing(tmp_path: Path, change: str) -> None:
    result = run("flags", "set", "answers=off", change)
    assert result.exit_code == 2
    assert "gapless: " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_told_and_can_be_written_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert run("flags").exit_code == 2
    result = run("flags", "set", "answers=off")
    assert result.exit_code == 0
    assert "written anew" in result.stderr
    assert shares()["answers"] == ("off", "file")


def test_calls_of_models_are_listed_newest_first(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / DATABASE)) as store:
        store.add_inferences(
            [
                call(1_700_000_000_000_000, model="alpha", request_id="r-1\x1b[31m"),
                call(1_700_000_000_000_001, model="beta", status="overload"),
                *(call(number) for number in range(1500)),
            ]
        ).result(30)
    beta, alpha = run("store", "inferences", "--limit", "2").stdout.splitlines()
    assert beta.split()[2:] == ["beta/1", "2", "rows", "1.60", "ms", "overload"]
    assert "alpha" in alpha
    assert "\x1b" not in alpha
    lines = run("store", "inferences", "--limit", "5000", "--json").stdout.splitlines()
    assert len(lines) == 1502
    assert json.loads(lines[0])["status"] == "overload"
    (only,) = run("store", "inferences", "--model", "alpha", "--json").stdout.splitlines()
    assert json.loads(only)["request_id"] == "r-1\x1b[31m"


def test_where_nothing_is_kept_the_setting_is_named(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / DATABASE)):
        pass
    result = run("store", "inferences")
    assert result.exit_code == 0
    assert "SAVE_INFERENCES" in result.stderr
