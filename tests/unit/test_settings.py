from __future__ import annotations

from pathlib import Path

import pytest

from gapless.errors import ConfigError
from gapless.settings import Settings, Source, describe_settings, load_settings


def test_every_setting_is_described_and_has_a_default() -> None:
    described = describe_settings()

    assert [info.name for info in described] == list(Settings.__struct_fields__)
    assert all(info.help.endswith(".") for info in described)
    assert all(info.default == getattr(Settings(), info.name) for info in described)


def test_later_sources_win_and_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text('port = 1000\n[listen]\nmodel = "small"\ndenoise = 0.5\n')

    resolved = load_settings(
        file=file,
        env={"GAPLESS_PORT": "2000", "GAPLESS_DENOISE": "0.25"},
        flags={"port": 3000, "host": None},
    )

    assert resolved.settings.port == 3000
    assert resolved.settings.denoise == 0.25
    assert resolved.settings.model == "small"
    assert resolved.sources["port"] == Source("flag", "--port")
    assert resolved.sources["denoise"] == Source("environment", "GAPLESS_DENOISE")
    assert resolved.sources["model"] == Source("file", str(file))
    assert resolved.sources["host"] == Source("default")


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("PORT", "70000", ["port = '70000'", "GAPLESS_PORT", "0 to 65535"]),
        ("PORT", "many", ["port = 'many'", "whole number"]),
        ("DENOISE", "1.5", ["denoise = '1.5'", "0 to 1"]),
        ("SAVE", "perhaps", ["save = 'perhaps'", "true or false"]),
        ("LOG_FORMAT", "xml", ["auto | console | json"]),
        ("IDLE_TIMEOUT_MS", "1", ["at least 100", "(ms)"]),
    ],
)
def test_an_unusable_value_names_setting_value_source_and_range(
    name: str, value: str, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env={f"GAPLESS_{name}": value})

    assert caught.value.param == name.lower()
    assert all(part in str(caught.value) for part in parts)


def test_an_unknown_name_in_a_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text("prot = 1000\n")

    with pytest.raises(ConfigError, match="unknown setting 'prot'"):
        load_settings(file=file, env={})


@pytest.mark.parametrize("content", [b"port = \n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gapless.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_settings(file=file, env={})


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gapless config template"):
        load_settings(file=tmp_path / "none.toml", env={})


def test_an_empty_optional_value_means_none() -> None:
    assert load_settings(env={"GAPLESS_API_KEY": ""}).settings.api_key is None


def test_lists_are_separated_by_commas() -> None:
    loaded = load_settings(env={"GAPLESS_ALLOWED_ORIGINS": "https://a, https://b,"}).settings

    assert loaded.allowed_origins == ("https://a", "https://b")


def test_a_secret_is_not_shown_in_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env={}, flags={"api_key": 12345})

    assert "12345" not in str(caught.value)


def test_the_buffer_bounds_must_be_in_order() -> None:
    with pytest.raises(ConfigError, match="must be larger than"):
        load_settings(env={"GAPLESS_PAUSE_BUFFER_MS": "90000"})


def test_folders_follow_the_data_dir() -> None:
    settings = load_settings(env={"GAPLESS_DATA_DIR": "/data"}).settings

    assert settings.data_path == Path("/data")
    assert settings.models_path == Path("/data/models")
