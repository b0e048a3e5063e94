from __future__ import annotations

from pathlib import Path

import pytest

from gapless.errors import ConfigError
from gapless.settings import (
    ALIASES,
    Bound,
    Settings,
    Source,
    describe_settings,
    load_settings,
)


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


@pytest.mark.parametrize(
    ("variable", "value", "setting", "result"),
    [
        ("ACTIX_WORKERS", "12", "threads", 12),
        ("AUDIO_BUFFER_SIZE", "1024", "bulk_block_samples", 1024),
        ("ENABLE_SIMD", "false", "simd", False),
        ("ENABLE_SIMD", "Yes", "simd", True),
        ("ONNX_POOL_SIZE", "3", "executors", 3),
        ("USE_GPU", "true", "provider", "auto"),
        ("USE_GPU", "false", "provider", "cpu"),
        ("TENSORRT", "true", "provider", "tensorrt"),
        ("DB_POOL_SIZE", "32", "store_pool", 32),
        ("PREPARED_STATEMENTS", "off", "store_prepared", False),
        ("PREPARED_STATEMENTS", "100", "store_prepared", True),
        ("BATCH_SIZE", "1000", "store_batch_rows", 1000),
        ("CACHE_SIZE_MB", "512", "cache_mb", 512),
        ("CACHE_TTL", "3600", "cache_ttl_s", 3600),
        ("REDIS_ENABLED", "1", "redis_url", "redis://127.0.0.1:6379/0"),
    ],
)
def test_old_names_are_read_with_a_notice(
    variable: str, value: str, setting: str, result: object
) -> None:
    resolved = load_settings(env={variable: value})

    assert getattr(resolved.settings, setting) == result
    assert resolved.sources[setting] == Source("environment", variable)
    (notice,) = resolved.notices
    assert notice.startswith(f"{variable} is an old name; it sets {setting} to ")
    assert notice.endswith(f"use GAPLESS_{setting.upper()} in its place")


def test_there_are_a_dozen_old_names_each_of_a_setting() -> None:
    assert len({alias.variable for alias in ALIASES}) == 12
    assert {alias.setting for alias in ALIASES} <= set(Settings.__struct_fields__)


def test_an_old_name_that_says_nothing_sets_nothing() -> None:
    for env in ({"BATCH_SIZE": ""}, {"TENSORRT": "false"}, {"REDIS_ENABLED": "0"}):
        resolved = load_settings(env=env)
        assert resolved.settings == Settings()
        assert resolved.notices == ()


@pytest.mark.parametrize(
    ("use_gpu", "tensorrt", "provider"),
    [("true", "true", "tensorrt"), ("false", "true", "cpu"), ("true", "false", "auto")],
)
def test_two_old_names_for_one_setting_agree(use_gpu: str, tensorrt: str, provider: str) -> None:
    env = {"USE_GPU": use_gpu, "TENSORRT": tensorrt}

    assert load_settings(env=env).settings.provider == provider


def test_our_own_name_wins_over_an_old_one_wherever_it_is_set(tmp_path: Path) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text("[cache]\ncache_mb = 7\n")
    env = {"CACHE_SIZE_MB": "512", "DB_POOL_SIZE": "9", "GAPLESS_STORE_POOL": "4", "CACHE_TTL": "5"}

    resolved = load_settings(file=file, env=env, flags={"cache_ttl_s": 6})

    s = resolved.settings
    assert (s.cache_mb, s.store_pool, s.cache_ttl_s) == (7, 4, 6)
    assert resolved.notices == (
        "DB_POOL_SIZE is an old name and not used, for GAPLESS_STORE_POOL sets store_pool: remove it",
        f"CACHE_SIZE_MB is an old name and not used, for {file} sets cache_mb: remove it",
        "CACHE_TTL is an old name and not used, for --cache-ttl-s sets cache_ttl_s: remove it",
    )


@pytest.mark.parametrize(
    ("env", "parts"),
    [
        ({"ACTIX_WORKERS": "many"}, ["threads = 'many'", "ACTIX_WORKERS", "0 to 256"]),
        ({"DB_POOL_SIZE": "5000"}, ["store_pool = '5000'", "DB_POOL_SIZE", "0 to 1024"]),
        ({"USE_GPU": "perhaps"}, ["USE_GPU = 'perhaps'", "true or false", "GAPLESS_PROVIDER"]),
    ],
)
def test_an_old_name_with_an_unusable_value_stops_the_start(
    env: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env=env)

    assert all(part in str(caught.value) for part in parts)


def test_bounds_come_from_the_file_and_the_environment_which_weighs_more(tmp_path: Path) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text("[bounds]\ncache_mb_min = 64\ncache_mb_max = 128\nthreads_max = 8\n")

    resolved = load_settings(file=file, env={"GAPLESS_CACHE_MB_MAX": "256"})

    assert resolved.bounds == {
        "cache_mb": Bound(64, 256, f"cache_mb_min in {file}", "GAPLESS_CACHE_MB_MAX"),
        "threads": Bound(None, 8, "", f"threads_max in {file}"),
    }
    assert resolved.settings == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("CACHE_MB_MAX", "lots", ["cache_mb_max = 'lots'", "GAPLESS_CACHE_MB_MAX", "0 to 1048576"]),
        ("CACHE_MB_MIN", "-1", ["cache_mb_min = '-1'", "0 to 1048576"]),
        ("THREADS_MIN", "0", ["threads_min = '0'", "1 to 256"]),
        ("THREADS_MAX", "257", ["1 to 256"]),
        ("THREADS_MAX", "2.5", ["threads_max = '2.5'"]),
        ("MODEL_MEMORY_BYTES_MIN", "5", ["at least 16777216", "(bytes)"]),
        ("PORT_MAX", "9000", ["unknown bound 'port_max'", "GAPLESS_PORT_MAX", "cache_mb"]),
        ("CACHE_MAX", "9000", ["unknown bound 'cache_max'"]),
    ],
)
def test_an_unusable_bound_names_setting_value_source_and_range(
    variable: str, value: str, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env={f"GAPLESS_{variable}": value})

    assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[bounds]\ncache_mb_max = true\n", "cache_mb_max = True"),
        ("[bounds]\ncache_mb = 5\n", "unknown bound 'cache_mb'"),
        ("bounds = 3\n", "must be a table"),
    ],
)
def test_an_unusable_table_of_bounds_is_an_error(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text(content)

    with pytest.raises(ConfigError, match=message):
        load_settings(file=file, env={})


def test_a_lower_bound_above_the_upper_one_is_an_error() -> None:
    with pytest.raises(ConfigError, match="is larger than threads_max = 4"):
        load_settings(env={"GAPLESS_THREADS_MIN": "5", "GAPLESS_THREADS_MAX": "4"})
