"""Bounds that a person sets for what the plan chooses: ``GAPLESS_<NAME>_MIN`` and ``_MAX``, or a table ``[bounds]``.

In: environment variables; the table of a settings file. Out: a ``Bound`` per setting. Invariants: a bound of a setting
that is not planned, one out of the setting's own range, or a lower one above its upper one stops the start. The
environment weighs more than the file, each end for itself. Thread: any (pure).

Bounds limit the plan only: a value that somebody sets is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from gapless.errors import ConfigError
from gapless.settings.describe import SettingInfo, planned_settings
from gapless.settings.fields import ENV_PREFIX, Settings
from gapless.settings.resolved import Bound

TABLE: Final = "bounds"
"""Of the settings file: ``cache_mb_max = 256`` and the like."""


def read_bounds(
    env: Mapping[str, str], table: Mapping[str, Any] | None = None, file: str = ""
) -> dict[str, Bound]:
    """All bounds that were set, by name of the setting.

    Args:
        env: environment variables.
        table: of the settings file.
        file: its name, for errors.

    Raises:
        ConfigError: see above.
    """
    ends: dict[str, dict[str, tuple[int, str]]] = {}
    for key, value in (table or {}).items():
        name, end = _split(key, f"in [{TABLE}] of {file}")
        number = _number(name, end, value, f"in [{TABLE}] of {file}")
        ends.setdefault(name, {})[end] = (number, f"{key} in {file}")
    for variable in _variables(env):
        name, end = _split(variable.removeprefix(ENV_PREFIX).lower(), f"from {variable}")
        number = _number(name, end, env[variable], f"from {variable}")
        ends.setdefault(name, {})[end] = (number, variable)
    return {name: _bound(name, both) for name, both in ends.items()}


def _variables(env: Mapping[str, str]) -> Iterator[str]:
    """Variables that can only be bounds."""
    for variable in sorted(env):
        if variable.startswith(ENV_PREFIX) and variable.endswith(("_MIN", "_MAX")):
            name = variable.removeprefix(ENV_PREFIX).lower()
            if name not in Settings.__struct_fields__:
                yield variable


def _split(key: str, where: str) -> tuple[str, Literal["min", "max"]]:
    name, _, end = key.rpartition("_")
    if end not in ("min", "max") or name not in planned_settings():
        known = ", ".join(planned_settings())
        raise ConfigError(
            f"unknown bound {key!r} {where}; a bound is the name of a planned setting and _min or _max: {known}",
            param=key,
        )
    return name, "min" if end == "min" else "max"


def _number(name: str, end: str, value: Any, where: str) -> int:
    info = planned_settings()[name]
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError  # noqa: TRY301  one message for all that is no whole number
        number = int(value)
    except (TypeError, ValueError):
        number = None
    below = number is not None and info.least is not None and number < info.least
    above = number is not None and info.most is not None and number > info.most
    if number is None or below or above:
        raise ConfigError(
            f"{name}_{end} = {value!r} {where} is not usable: expected: whole number, {_range(info)}"
            + (f" ({info.unit})" if info.unit else ""),
            param=name,
        )
    return number


def _range(info: SettingInfo) -> str:
    return f"at least {info.least}" if info.most is None else f"{info.least} to {info.most}"


def _bound(name: str, ends: Mapping[str, tuple[int, str]]) -> Bound:
    low, low_source = ends.get("min", (None, ""))
    high, high_source = ends.get("max", (None, ""))
    if low is not None and high is not None and low > high:
        raise ConfigError(
            f"{name}_min = {low} ({low_source}) is larger than {name}_max = {high} ({high_source}); "
            "raise the second or lower the first",
            param=name,
        )
    return Bound(low, high, low_source, high_source)
