from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.testing.hub import LocalHub
from gapless.testing.whisper_model import build_whisper_model

REPOSITORY = "somebody/whisper"


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper_model(tmp_path_factory.mktemp("built") / "mine")


@pytest.fixture
def hub(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    files = {path.name: path.read_bytes() for path in whisper.iterdir()}
    with LocalHub({REPOSITORY: files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def run(models: Path, *arguments: str, **options: str) -> Result:
    return CliRunner().invoke(
        main,
        ["models", *arguments, "--models-dir", str(models)],
        env={"GAPLESS_CONFIG": ""},
        **options,  # type: ignore[arg-type]
    )


def test_models_lists_what_is_here_and_why_one_is_the_default(tmp_path: Path) -> None:
    listed = json.loads(run(tmp_path, "list", "--json").stdout)
    told = run(tmp_path, "list").stdout

    assert listed["recognisers"][0]["name"] == listed["default"]["name"] == "pocketsphinx"
    assert "gapless models pull" in listed["default"]["reason"]
    assert "silero_vad" in [model["name"] for model in listed["tensors"]]
    assert f"The default: {listed['default']['reason']}." in told


def test_what_can_be_pulled_is_listed(whisper: Path, tmp_path: Path) -> None:
    run(tmp_path, "add", str(whisper), "--name", "tiny")
    offers = {
        offer["name"]: offer
        for offer in json.loads(run(tmp_path, "list", "--available", "--json").stdout)
    }
    table = run(tmp_path, "list", "--available").stdout

    assert offers["tiny"]["here"]
    assert not offers["small"]["here"]
    assert offers["parakeet-tdt-0.6b-v3"]["licence"] == "CC-BY-4.0"
    assert offers["zipformer-en"]["live"]
    assert "tiny ✓" in table
    assert "parakeet-tdt-0.6b-v3" in table
    assert "Neither was measured here" in table


def test_models_path_prints_the_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "path").stdout == f"{tmp_path}\n"


@pytest.mark.long
def test_a_model_is_pulled_verified_used_and_removed(hub: LocalHub, tmp_path: Path) -> None:
    hub.faults["model.bin"] = ["cut"]

    pulled = run(tmp_path, "pull", REPOSITORY)
    assert pulled.exit_code == 0
    assert pulled.stdout.startswith(f"whisper is in {tmp_path / 'whisper'}")
    assert "✓ whisper" in run(tmp_path, "verify").stdout
    assert json.loads(run(tmp_path, "list", "--json").stdout)["default"]["name"] == "whisper"

    (tmp_path / "whisper" / "model.bin").write_bytes(b"broken")
    verified = run(tmp_path, "verify", "whisper", "--json")
    assert verified.exit_code == 1
    assert json.loads(verified.stdout)["models"][0]["state"] == "broken"
    assert "model.bin has 6 bytes" in run(tmp_path, "verify").stdout

    assert run(tmp_path, "remove", "whisper", input="n\n").exit_code == 1
    assert (tmp_path / "whisper").is_dir()
    assert run(tmp_path, "remove", "whisper", "--yes").stdout == "whisper is gone\n"
    assert list(tmp_path.iterdir()) == []


def test_a_pull_tells_programs_what_came(hub: LocalHub, tmp_path: Path) -> None:
    pulled = json.loads(run(tmp_path, "pull", REPOSITORY, "--json").stdout)

    assert pulled["name"] == "whisper"
    assert pulled["source"] == f"{hub.url}/{REPOSITORY}"
    assert pulled["size_bytes"] > 1000


def test_a_name_that_is_no_model_cannot_be_pulled(tmp_path: Path) -> None:
    result = run(tmp_path, "pull", "no such model")

    assert result.exit_code == 2
    assert "'no such model' cannot be pulled" in result.stderr


def test_without_a_hub_the_pull_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    result = run(tmp_path, "pull", "owner/name")

    assert result.exit_code == 1
    assert "gapless models add PATH" in result.stderr


def test_a_folder_is_added(whisper: Path, tmp_path: Path) -> None:
    added = run(tmp_path, "add", str(whisper), "--link", "--json")

    assert json.loads(added.stdout) == {"name": "mine", "folder": str(tmp_path / "mine")}
    assert (tmp_path / "mine" / "model.bin").is_symlink()


def test_without_models_there_is_nothing_to_verify(tmp_path: Path) -> None:
    result = run(tmp_path, "verify")

    assert result.exit_code == 0
    assert result.stdout == "No model was pulled or added.\n"


def test_ctrl_c_says_that_what_has_arrived_is_kept(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    assert hub.url
    monkeypatch.setattr("gapless.cli.model_pull.pull_model", interrupt)
    result = run(tmp_path, "pull", REPOSITORY)

    assert result.exit_code == 130
    assert f"`gapless models pull {REPOSITORY}` goes on from there" in result.stderr
