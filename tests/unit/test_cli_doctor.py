from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from gapless.cli import checks
from gapless.cli.checks import CHECKS, Check, check_data_dir, check_hub, check_port
from gapless.cli.main import main
from gapless.settings import Settings


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that nobody answers for, at once."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("GAPLESS_CONFIG", "")


@pytest.mark.long
def test_this_machine_is_usable_and_every_fact_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--data-dir", str(tmp_path), "--port", "0"])

    lines = [line for line in result.stdout.splitlines() if not line.startswith("  ")]
    assert result.exit_code == 0
    assert len(lines) == len(CHECKS)
    assert not any(line.startswith("✗") for line in lines)


def test_a_machine_that_lacks_a_need_is_not_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(checks, "CHECKS", (check_data_dir,))

    result = CliRunner().invoke(main, ["doctor", "--json", "--data-dir", str(tmp_path / "file")])

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["usable"] is False
    assert report["checks"][0]["state"] == "fail"
    assert report["checks"][0]["fix"] == "gapless serve --data-dir DIR"


def test_what_is_optional_and_missing_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (check_hub,))

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 0
    assert "! model hub" in result.stdout
    assert "→ fetch a model elsewhere, then: gapless models add FOLDER" in result.stdout


def test_a_port_in_use_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        busy = check_port(Settings(port=port))

    assert busy.state == "warn"
    assert busy.fix == "gapless serve --port 0"
    assert check_port(Settings(port=0)) == Check("port", "ok", "127.0.0.1:0 is free")


@pytest.mark.long
def test_the_doctor_says_which_recogniser_is_the_default_and_why(tmp_path: Path) -> None:
    check = checks.check_models(Settings(models_dir=str(tmp_path)))

    assert check.state == "ok"
    assert check.detail.startswith("pocketsphinx loads, the default: ")
    assert "gapless models pull small.en" in check.detail


def test_a_model_that_is_not_here_is_a_failure_that_says_how_to_add_it(tmp_path: Path) -> None:
    settings = Settings(model="small.en", models_dir=str(tmp_path))

    check = checks.check_models(settings)

    assert check.state == "fail"
    assert "small.en" in check.detail
    assert "gapless models pull" in check.detail
