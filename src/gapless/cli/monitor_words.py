"""What is said of a server: figures in words, one line of all, and rows of CSV.

In: what was seen. Out: text. Invariants: what was not measured is said to be so, or left empty, and is never a 0; the
columns of CSV and their order stay. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from gapless.cli.monitor_ask import Look
from gapless.observe.status import Quantiles, Status, TargetStatus

MB: Final = 1_000_000
NOT_MEASURED: Final = "not measured"
AWAY: Final = "away"
"""In the place of a judgement: no server answered."""


def number(value: float) -> str:
    """A figure as short as it can be told: three digits, as a rule."""
    if value >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def amount(value: float | None, unit: str) -> str:
    """A figure with its unit."""
    if value is None:
        return NOT_MEASURED
    return f"{number(value)}{'' if unit.startswith('/') else ' '}{unit}"


def target_word(target: TargetStatus) -> str:
    """What became of a target, in a word."""
    return {True: "met", False: "not met", None: NOT_MEASURED}[target.met]


def verdict(status: Status) -> str:
    """What became of all of them."""
    return f"{status.judgement}, {status.targets_met} of {len(status.targets)}"


def status_line(seen: Look) -> str:
    """All in a line, for a log."""
    time = datetime.fromtimestamp(seen.at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S")
    status = seen.status
    if status is None:
        return f"{time}  {AWAY}: {seen.trouble}"
    targets = "  ".join(
        f"{target.name} {amount(target.value, target.unit)}{' NOT MET' if target.met is False else ''}"
        for target in status.targets
    )
    troubles = "".join(f"  ! {trouble}" for trouble in status.troubles)
    return f"{time}  {verdict(status)}  {targets}  streams {status.streams.live}{troubles}"


def csv_row(seen: Look) -> list[str]:
    """A row; empty where nothing was measured."""
    time = datetime.fromtimestamp(seen.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    status = seen.status
    if status is None:
        return [time, AWAY, *[""] * len(_FIGURES)]
    return [time, status.judgement, *(_plain(figure(status)) for figure in _FIGURES.values())]


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _lag(pick: Callable[[Quantiles], float]) -> Callable[[Status], float | None]:
    return lambda status: None if status.streams.lag is None else pick(status.streams.lag)


def _target(row: str) -> Callable[[Status], float | None]:
    return lambda status: next((each.value for each in status.targets if each.row == row), None)


def _hit_share(status: Status) -> float | None:
    hits = sum(cache.hits_per_s for cache in status.caches)
    asked = hits + sum(cache.misses_per_s for cache in status.caches)
    return hits / asked if asked else None


_FIGURES: Final[dict[str, Callable[[Status], float | None]]] = {
    "targets_met": lambda status: status.targets_met,
    "streams": lambda status: status.streams.live,
    "parked": lambda status: status.streams.parked,
    "held_back": lambda status: status.streams.held_back,
    "lag_p50_ms": _lag(lambda lag: lag.p50_ms),
    "lag_p95_ms": _lag(lambda lag: lag.p95_ms),
    "lag_p99_ms": _lag(lambda lag: lag.p99_ms),
    "calls_p95_ms": _target("A1"),
    "refused_per_min": _target("V2"),
    "processor_percent": _target("A4"),
    "memory_mb": _target("A3"),
    "requests_per_s": lambda status: sum(dialect.per_s for dialect in status.dialects),
    "errors_per_s": lambda status: sum(dialect.errors_per_s for dialect in status.dialects),
    "model_calls_per_s": lambda status: sum(model.calls_per_s for model in status.models),
    "model_rows_per_s": lambda status: sum(model.rows_per_s for model in status.models),
    "cache_hit_share": _hit_share,
    "breakers_open": lambda status: sum(each.state != "closed" for each in status.breakers),
}

CSV_COLUMNS: Final = ("time", "judgement", *_FIGURES)
