"""Settings with the origin of each value, and what a person allowed the plan to choose.

In, out: data. Invariants: immutable. Thread: any.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from gapless.settings.fields import Settings


class Source(Struct, frozen=True):
    """Where a value came from."""

    kind: Literal["default", "file", "environment", "flag", "formula", "measured", "static"]
    """``formula``, ``measured`` and ``static`` are the plan's: see ``gapless.tune.plan``."""
    detail: str = ""
    """The file, variable or flag; of the plan: why, with the facts that were used."""
    clamped: str = ""
    """The bound that changed the value, such as ``GAPLESS_CACHE_MB_MAX = 256``; empty: none."""


class Bound(Struct, frozen=True):
    """The range in which a person lets the plan choose; ``None``: as far as the setting itself allows."""

    low: int | None = None
    high: int | None = None
    low_source: str = ""
    """Where the lower end came from: a variable, or a name and its file."""
    high_source: str = ""


NO_BOUND: Final = Bound()


class Resolved(Struct, frozen=True):
    """Settings with the origin of each value."""

    settings: Settings
    sources: dict[str, Source]
    bounds: dict[str, Bound] = {}
    """By name of the setting."""
    notices: tuple[str, ...] = ()
    """What a person should be told once at the start: old names that were read. Sentences."""
