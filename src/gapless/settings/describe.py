"""What is known of each setting, in words for people and in rows for programs.

In: the annotations of ``Settings``. Out: a ``SettingInfo`` each. Invariants: secrets are never in a row. Thread: any
(pure).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from gapless.settings.fields import ENV_PREFIX, SECRETS, Settings
from gapless.settings.resolved import NO_BOUND, Resolved

HIDDEN: Final = "(secret)"
"""Stands for the value of a secret that is set."""


class SettingInfo(msgspec.Struct, frozen=True):
    """What is known of one setting, for people."""

    name: str
    group: str
    type: str
    default: Any
    unit: str
    bounds: str
    help: str
    planned: bool = False
    """Whether ``gapless.tune`` chooses its value where nobody does."""
    automatic: int | None = None
    """The value that leaves it to the plan; None: it is planned if nobody sets it, or not planned."""
    least: int | None = None
    """Of a planned setting: the smallest value that the plan or a bound may have."""
    most: int | None = None

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return ENV_PREFIX + self.name.upper()


@cache
def describe_settings() -> tuple[SettingInfo, ...]:
    """All settings in the order of the file, with bounds and help in words."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = Settings()
    return tuple(
        _describe(name, hints[name], getattr(defaults, name)) for name in Settings.__struct_fields__
    )


@cache
def planned_settings() -> dict[str, SettingInfo]:
    """Those that ``gapless.tune`` chooses where nobody does, by name."""
    return {info.name: info for info in describe_settings() if info.planned}


def setting_rows(resolved: Resolved) -> dict[str, dict[str, Any]]:
    """All that can be told of each setting and its value, for programs; secrets are hidden."""
    return {info.name: setting_row(info, resolved) for info in describe_settings()}


def setting_row(info: SettingInfo, resolved: Resolved) -> dict[str, Any]:
    """The same of one setting."""
    source = resolved.sources[info.name]
    value = getattr(resolved.settings, info.name)
    row = {
        "value": HIDDEN if info.name in SECRETS and value not in (None, "") else value,
        "source": source.kind,
        "source_detail": source.detail,
        "default": info.default,
        "type": info.type,
        "unit": info.unit,
        "bounds": info.bounds,
        "env": info.env,
        "help": info.help,
    }
    if info.planned:
        bound = resolved.bounds.get(info.name, NO_BOUND)
        row |= {"clamped": source.clamped, "plan_min": bound.low, "plan_max": bound.high}
    return row


def _describe(name: str, hint: Any, default: Any) -> SettingInfo:
    base, meta = get_args(hint)[0], get_args(hint)[1]
    extra = meta.extra
    low, high = meta.ge, meta.le
    if get_origin(base) is Literal:
        kind, bounds = "choice", " | ".join(get_args(base))
    else:
        kind = {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
            base, "list of text" if get_origin(base) is tuple else "text or nothing"
        )
        if low is not None and high is not None:
            bounds = f"{low} to {high}"
        else:
            bounds = f"at least {low}" if low is not None else ""
    planned, automatic = extra.get("planned", False), extra.get("automatic")
    return SettingInfo(
        name,
        extra["group"],
        kind,
        default,
        extra["unit"],
        bounds,
        meta.description,
        planned=planned,
        automatic=automatic,
        least=(low if automatic is None else automatic + 1) if planned else None,
        most=high if planned else None,
    )
