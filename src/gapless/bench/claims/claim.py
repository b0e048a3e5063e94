"""One thing that is claimed, and whether a figure keeps it. Thread: any (immutable)."""

from __future__ import annotations

from typing import Literal

import msgspec

Bench = Literal[
    "api",
    "inference",
    "pool",
    "voice",
    "mic",
    "synth",
    "database",
    "cache",
    "batching",
    "autoconfig",
    "startup",
    "memory",
    "console",
    "ablate",
]
"""The command that measures a claim: ``gapless bench NAME``."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is claimed."""

    name: str
    row: str
    """Its family, as in "I2": claims of one family are about one promise."""
    bench: Bench
    says: str
    """What is measured, against what; without the bound."""
    figure: str
    """The figure of a contender that is judged; its unit is in its name (see ``quantity.py``)."""
    sense: Literal["at least", "at most"] = "at least"
    bound: float | None = None
    """None: reported, not judged."""
    times: bool = False
    """Whether what is judged is a multiple of another contender's figure."""

    def holds(self, value: float) -> bool | None:
        """Whether a measured value keeps the claim; None if it is only reported."""
        if self.bound is None:
            return None
        return value >= self.bound if self.sense == "at least" else value <= self.bound
