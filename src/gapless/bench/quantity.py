"""Figures as people read them: three digits, a unit, a spread.

In: a number and the name of its figure, whose ending is its unit. Out: text. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

from gapless.bench.distribution import Spread

STEPS: Final = ((1e6, "M"), (1e3, "k"), (1.0, ""))


def quantity(value: float, figure: str) -> str:
    """A value of a figure: ``p95_us`` in microseconds, milliseconds or seconds, ``error_share`` in percent..."""
    match figure.rpartition("_")[2]:
        case "us":
            return duration(value)
        case "cores":
            return f"{value:.2f}"
        case "mib":
            return f"{value:.0f} MiB"
        case "share":
            return f"{100 * value:.2f} %"
        case "times" | "medians":
            return f"{digits(value)}x"
        case _:
            return number(value)


def spread_text(spread: Spread, figure: str) -> str:
    """The median, and the lowest and highest round where there are several."""
    median = quantity(spread.median, figure)
    if len(spread.rounds) == 1:
        return median
    return f"{median} ({quantity(spread.low, figure)} .. {quantity(spread.high, figure)})"


def duration(us: float) -> str:
    """A time."""
    if us >= 1e6:
        return f"{digits(us / 1e6)} s"
    return f"{digits(us / 1e3)} ms" if us >= 1e3 else f"{digits(us)} us"


def number(value: float) -> str:
    """A count or a rate."""
    step, suffix = next(((step, suffix) for step, suffix in STEPS if value >= step), (1.0, ""))
    return digits(value / step) + suffix


def digits(value: float) -> str:
    """At least three digits, no more behind the point than those need."""
    whole = len(str(int(abs(value))))
    return f"{value:.{max(0, 3 - whole)}f}"
