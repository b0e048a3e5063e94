"""Settings from all sources: a TOML file, environment variables, flags.

In: those. Out: ``Resolved``. Invariants: a later source wins; what was not set has the source ``default``; what is not
usable stops the start. Thread: any.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gapless.errors import ConfigError
from gapless.settings.aliases import read_aliases
from gapless.settings.bounds import TABLE, read_bounds
from gapless.settings.convert import convert
from gapless.settings.describe import describe_settings
from gapless.settings.fields import ENV_PREFIX, Settings
from gapless.settings.resolved import Resolved, Source


def load_settings(
    *,
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Resolved:
    """Read every source and resolve it.

    Args:
        file: a TOML file; its top-level keys, or keys in tables named after the groups, are setting names; a table
            ``bounds`` has bounds of planned ones.
        env: environment variables; ``None`` reads ``os.environ``.
        flags: values from the command line; ``None`` values mean "not given".

    Raises:
        ConfigError: unknown name, wrong type, or out of bounds; names the source.
    """
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    sources = {name: Source("default") for name in Settings.__struct_fields__}
    old_names = read_aliases(env)
    for old in old_names:
        values[old.alias.setting], sources[old.alias.setting] = old.value, old.source
    from_file, bounds_table = ({}, None) if file is None else _read_toml(file)
    for name, value in from_file.items():
        values[name] = convert(name, value, f"in {file}", strict=True)
        sources[name] = Source("file", str(file))
    for name in Settings.__struct_fields__:
        variable = ENV_PREFIX + name.upper()
        if variable in env:
            values[name] = convert(name, env[variable], f"from {variable}", strict=False)
            sources[name] = Source("environment", variable)
    for name, value in (flags or {}).items():
        if value is not None:
            flag = "--" + name.replace("_", "-")
            values[name] = convert(name, value, f"from {flag}", strict=False)
            sources[name] = Source("flag", flag)
    settings = Settings(**values)
    _check_order(settings)
    return Resolved(
        settings,
        sources,
        bounds=read_bounds(env, bounds_table, str(file)),
        notices=tuple(old.notice(sources[old.alias.setting]) for old in old_names),
    )


def _check_order(settings: Settings) -> None:
    """Pairs of settings of which one must be the larger."""
    if settings.max_buffer_ms <= settings.pause_buffer_ms:
        raise ConfigError(
            f"max_buffer_ms ({settings.max_buffer_ms}) must be larger than "
            f"pause_buffer_ms ({settings.pause_buffer_ms}); raise the first or lower the second",
            param="max_buffer_ms",
        )
    if settings.mic_max_fill_ms < settings.mic_min_fill_ms:
        raise ConfigError(
            f"mic_max_fill_ms ({settings.mic_max_fill_ms}) must not be smaller than "
            f"mic_min_fill_ms ({settings.mic_min_fill_ms}); raise the first or lower the second",
            param="mic_max_fill_ms",
        )


def _read_toml(file: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Values by name, and the table of bounds."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no settings file at {file}; `gapless config template` prints one"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error
    bounds = document.pop(TABLE, None)
    if bounds is not None and not isinstance(bounds, dict):
        raise ConfigError(f"{TABLE} in {file} must be a table, such as [{TABLE}]", param=TABLE)
    groups = {info.group for info in describe_settings()}
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat.update(value if key in groups and isinstance(value, dict) else {key: value})
    return flat, bounds
