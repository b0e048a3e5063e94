from __future__ import annotations

from typing import NoReturn

import click
import pytest
from click.testing import CliRunner

from gapless.cli.denoise import denoise
from gapless.cli.main import COMMANDS, main


def test_the_short_help_of_each_command_is_the_first_sentence_of_its_own_help() -> None:
    context = click.Context(main)
    firsts = {}
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        firsts[name] = (command.help or "").split("\n\n")[0].strip()

    assert firsts == COMMANDS


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["fly"])

    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr


def test_an_error_is_one_sentence_and_a_failure() -> None:
    result = CliRunner().invoke(main, ["denoise", "nowhere.wav", "out.wav"])

    assert result.exit_code == 1
    assert result.stderr == "gapless: there is no file nowhere.wav; check its name\n"
    assert result.stdout == ""


def test_a_wrong_setting_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["config", "show"], env={"GAPLESS_PORT": "99999"})

    assert result.exit_code == 2
    assert "port = '99999' from GAPLESS_PORT" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_ctrl_c_ends_quietly_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_options: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(denoise, "callback", interrupted)

    result = CliRunner().invoke(main, ["denoise", "in.wav", "out.wav"])

    assert result.exit_code == 130
    assert result.output == ""
