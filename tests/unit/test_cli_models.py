from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gapless.cli.main import main


def test_models_lists_what_is_here(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main,
        ["models", "list", "--json", "--models-dir", str(tmp_path)],
        env={"GAPLESS_CONFIG": ""},
    )

    listed = json.loads(result.stdout)
    assert [info["name"] for info in listed["recognisers"]] == ["pocketsphinx"]
    assert [model["name"] for model in listed["tensors"]] == ["silero_vad"]


def test_models_path_prints_the_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["models", "path", "--models-dir", str(tmp_path)], env={"GAPLESS_CONFIG": ""}
    )

    assert result.stdout == f"{tmp_path}\n"


def test_a_name_that_is_no_model_cannot_be_pulled(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main,
        ["models", "pull", "no such model", "--models-dir", str(tmp_path)],
        env={"GAPLESS_CONFIG": ""},
    )

    assert result.exit_code == 2
    assert "'no such model' cannot be pulled" in result.stderr
