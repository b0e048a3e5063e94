from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gapless.cli.options import find_config_file, load, with_settings
from gapless.errors import ConfigError
from gapless.settings import Resolved, Source


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings but those a test makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("GAPLESS_CONFIG", raising=False)
    return tmp_path


@click.command()
@click.argument("word")
@with_settings("port", "save", "log_level", "denoise")
def show(resolved: Resolved, word: str) -> None:
    settings = resolved.settings
    click.echo(f"{word} {settings.port} {settings.save} {settings.log_level} {settings.denoise}")


def test_the_settings_file_is_looked_for_in_order(elsewhere: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(elsewhere / "xdg")}
    assert find_config_file(env) is None

    (elsewhere / "xdg" / "gapless").mkdir(parents=True)
    (elsewhere / "xdg" / "gapless" / "gapless.toml").touch()
    assert find_config_file(env) == elsewhere / "xdg" / "gapless" / "gapless.toml"

    (elsewhere / "gapless.toml").touch()
    assert find_config_file(env) == Path("gapless.toml")

    assert find_config_file({**env, "GAPLESS_CONFIG": "other.toml"}) == Path("other.toml")
    assert find_config_file({**env, "GAPLESS_CONFIG": ""}) is None


def test_a_named_settings_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_CONFIG", "missing.toml")

    with pytest.raises(ConfigError, match=r"no settings file at missing\.toml"):
        load()


def test_a_file_named_by_the_option_wins_over_the_usual_places(elsewhere: Path) -> None:
    (elsewhere / "gapless.toml").write_text("port = 1001\n")
    named = elsewhere / "named.toml"
    named.write_text("port = 1002\n")

    assert load().settings.port == 1001
    assert load(named).settings.port == 1002
    assert load(named).sources["port"] == Source("file", str(named))


def test_options_set_settings_and_leave_the_rest_alone() -> None:
    arguments = ["hello", "--port", "1234", "--no-save", "--log-level", "debug", "--denoise", "0.5"]

    assert CliRunner().invoke(show, arguments).output == "hello 1234 False debug 0.5\n"
    assert CliRunner().invoke(show, ["hello"]).output == "hello 8000 True info 0.0\n"


def test_the_help_of_an_option_is_that_of_its_setting() -> None:
    text = " ".join(CliRunner().invoke(show, ["--help"]).output.split())

    assert (
        "TCP port to listen on; 0 picks a free one. [0 to 65535; default: 8000; or $GAPLESS_PORT]"
        in text
    )
    assert "--save / --no-save" in text
    assert "[debug|info|warning|error]" in text


def test_the_path_of_a_model_is_relative_to_where_it_is_typed(elsewhere: Path) -> None:
    assert load(flags={"model": "./mine"}).settings.model == str(elsewhere / "mine")
    assert load(flags={"model": "mine"}).settings.model == "mine"
