from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gapless.cli.config import config
from gapless.settings import Settings, describe_settings, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file, whatever this machine has."""
    monkeypatch.setenv("GAPLESS_CONFIG", "")


def run(*arguments: str, **env: str) -> Result:
    result = CliRunner().invoke(config, arguments, env=env, catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_show_names_every_setting_with_value_and_origin() -> None:
    lines = run("show", GAPLESS_PORT="9000").stdout.splitlines()

    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        info.name for info in describe_settings()
    ]
    assert "  port                 9000                         environment: GAPLESS_PORT" in lines
    assert "  endpointing_ms       500 ms                       default" in lines


@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "--json"], ["explain"], ["explain", "api_key", "--json"]]
)
def test_secrets_are_never_printed(arguments: list[str]) -> None:
    output = run(*arguments, GAPLESS_API_KEY="open sesame").stdout

    assert "open sesame" not in output
    assert "(secret)" in output


def test_show_speaks_json() -> None:
    rows = json.loads(run("show", "--json", GAPLESS_DENOISE="0.5").stdout)

    assert list(rows) == list(Settings.__struct_fields__)
    assert rows["denoise"] == {
        "value": 0.5,
        "source": "environment",
        "source_detail": "GAPLESS_DENOISE",
        "default": 0.0,
        "type": "number",
        "unit": "",
        "bounds": "0 to 1",
        "env": "GAPLESS_DENOISE",
        "help": "Amount of noise removed before listening; 0 is off.",
    }


def test_explain_says_all_about_one_setting() -> None:
    assert run("explain", "endpointing_ms").stdout == (
        "endpointing_ms\n"
        "  Silence that ends an utterance.\n"
        "  type     whole number, 100 to 10000\n"
        "  unit     ms\n"
        "  default  500\n"
        "  now      500  (default)\n"
        "  set by   endpointing_ms in [listen] of the settings file, or GAPLESS_ENDPOINTING_MS\n"
    )


def test_a_planned_setting_is_shown_with_its_value_and_why() -> None:
    environment = {"GAPLESS_CACHE_MB_MAX": "100", "GAPLESS_STORE_POOL_MIN": "9"}

    row = json.loads(run("show", "--json", **environment).stdout)["cache_mb"]
    text = run("explain", "cache_mb", **environment).stdout

    assert (row["value"], row["source"], row["plan_max"]) == (100, "formula", 100)
    assert row["source_detail"].startswith("a quarter of ")
    assert row["clamped"] == "GAPLESS_CACHE_MB_MAX = 100"
    assert "  default  as the plan says\n" in text
    assert "  bounds   at most 100 (GAPLESS_CACHE_MB_MAX)\n" in text
    assert "  now      100  (formula: a quarter of " in text
    assert "[clamped by GAPLESS_CACHE_MB_MAX = 100]" in text
    assert "GAPLESS_THREADS_MIN, GAPLESS_THREADS_MAX" in run("explain", "threads").stdout


def test_without_a_name_the_machine_is_told_too() -> None:
    assert run("explain").stdout.startswith("This machine: ")


def test_the_static_plan_says_that_it_is_one() -> None:
    rows = json.loads(run("show", "--json", GAPLESS_TUNING="static").stdout)

    assert (rows["cache_mb"]["value"], rows["cache_mb"]["source"]) == (512, "static")


def test_old_names_are_told_on_standard_error_only() -> None:
    result = run("show", "--json", CACHE_SIZE_MB="77")

    assert json.loads(result.stdout)["cache_mb"]["value"] == 77
    assert result.stderr == (
        "gapless: CACHE_SIZE_MB is an old name; it sets cache_mb to 77: use GAPLESS_CACHE_MB in its place\n"
    )


@pytest.mark.long
def test_the_variables_set_nothing_and_uncommented_set_every_default_and_bound() -> None:
    template = run("template", "--env").stdout
    variables = dict(re.findall(r"^# (GAPLESS_\w+)=(.*)$", template, flags=re.MULTILINE))

    assert all(line.startswith("#") or not line for line in template.splitlines())
    resolved = load_settings(env=variables)
    assert resolved.settings == Settings()
    assert {source.kind for source in resolved.sources.values()} == {"environment"}
    planned = {info.name for info in describe_settings() if info.planned}
    assert set(resolved.bounds) == planned


@pytest.mark.long
def test_the_template_sets_nothing_and_uncommented_sets_every_default(tmp_path: Path) -> None:
    template = run("template").stdout
    commented, uncommented = tmp_path / "commented.toml", tmp_path / "uncommented.toml"
    commented.write_text(template)
    uncommented.write_text(re.sub(r"^# (\w+ = )", r"\1", template, flags=re.MULTILINE))

    untouched = load_settings(file=commented, env={})
    resolved = load_settings(file=uncommented, env={})

    assert {source.kind for source in untouched.sources.values()} == {"default"}
    assert {source.kind for source in resolved.sources.values()} == {"file"}
    assert resolved.settings == Settings()
