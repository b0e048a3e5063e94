"""Means over mixes and how sure they are: what the report of the low-delay denoiser is made of.

In: one row for each mix and method. Out: means by kind of speaker and family of noise, and paired differences to
``REFERENCE`` with intervals. Invariants: a measure that could not be told (NaN) counts in no mean; a pair needs both.
Thread: any.

Intervals are those that hold 95 % of 4,000 bootstrap means (B. Efron, 1979), drawn by mix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from .measure import Scores
from .methods import REFERENCE
from .splits import HELD_OUT

MEASURES: Final = ("si_sdr_db", "stoi", "pesq", "attenuation_db")
RESAMPLES: Final = 4000

COLUMNS: Final = (
    *("mixes", "method", "SI-SDR dB", "STOI", "PESQ", "pauses dB", "first 40 ms, dB"),
    *("SI-SDR to native", "STOI to native", "PESQ to native"),
)


class Row(msgspec.Struct, frozen=True):
    """One mix by one method."""

    mix: int
    method: str
    kind: str
    speaker: str
    family: str
    snr_db: float
    in_room: bool
    scores: Scores


class Difference(msgspec.Struct, frozen=True):
    """A method minus the reference over the same mixes."""

    mean: float
    low: float
    high: float
    mixes: int


class Group(msgspec.Struct, frozen=True):
    """A method over some of the mixes."""

    name: str
    method: str
    mixes: int
    means: dict[str, float | None]
    onset_db: list[float | None]
    """Level of onsets relative to clean in their first four 10 ms."""
    difference: dict[str, Difference]


class Report(msgspec.Struct, frozen=True):
    """All that was measured."""

    groups: list[Group]
    rows: list[Row]


def summarise(rows: list[Row]) -> Report:
    """Group the rows: all of them, by kind of speaker, by known and held-out noise, by family."""
    chosen: list[tuple[str, Callable[[Row], bool]]] = [
        ("all", lambda _: True),
        ("known noise", lambda row: row.family not in HELD_OUT),
        ("held-out noise", lambda row: row.family in HELD_OUT),
        ("in a room", lambda row: row.in_room),
        ("no room", lambda row: not row.in_room),
    ]
    chosen += [(kind, partial(_is_kind, kind)) for kind in sorted({row.kind for row in rows})]
    chosen += [(f, partial(_is_family, f)) for f in dict.fromkeys(row.family for row in rows)]
    chosen.append(("people in held-out noise", _is_fairest))
    groups: list[Group] = []
    for name, belongs in chosen:
        groups += _groups(name, [row for row in rows if belongs(row)])
    return Report(groups, rows)


def _is_kind(kind: str, row: Row) -> bool:
    return row.kind == kind


def _is_family(family: str, row: Row) -> bool:
    return row.family == family


def _is_fairest(row: Row) -> bool:
    """The low-delay network met neither such speakers nor such noise in training."""
    return row.kind == "person" and row.family in HELD_OUT


def _groups(name: str, rows: list[Row]) -> list[Group]:
    by_method: dict[str, dict[int, Scores]] = {}
    for row in rows:
        by_method.setdefault(row.method, {})[row.mix] = row.scores
    reference = by_method.get(REFERENCE, {})
    groups = []
    for method, scores in by_method.items():
        columns = {m: np.array([getattr(s, m) for s in scores.values()]) for m in MEASURES}
        onsets = np.array([s.onset_db for s in scores.values()]).T
        difference = {}
        if reference and method != REFERENCE:
            for m in MEASURES:
                paired = [getattr(s, m) - getattr(reference[k], m) for k, s in scores.items()]
                difference[m] = interval(np.array(paired))
        means = {m: _mean(column) for m, column in columns.items()}
        onset_db = [_mean(column) for column in onsets]
        groups.append(Group(name, method, len(scores), means, onset_db, difference))
    return groups


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def interval(differences: npt.NDArray[np.float64]) -> Difference:
    """Mean and 95 % interval of paired differences; NaNs are left out, and none at all give NaN."""
    known = differences[np.isfinite(differences)]
    if not known.size:
        return Difference(float("nan"), float("nan"), float("nan"), 0)
    drawn = np.random.default_rng(1).integers(0, known.size, (RESAMPLES, known.size))
    low, high = np.quantile(known[drawn].mean(axis=1), [0.025, 0.975])
    return Difference(float(known.mean()), float(low), float(high), int(known.size))


def table(groups: list[Group]) -> str:
    """Lines of Markdown: a row for each group and method."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for group in groups:
        means = " | ".join(
            _number(group.means[m], digits)
            for m, digits in zip(MEASURES, (2, 3, 2, 1), strict=True)
        )
        onset = " ".join(_number(level, 1) for level in group.onset_db)
        to_native = " | ".join(
            _interval_text(group.difference.get(m), digits)
            for m, digits in zip(MEASURES[:3], (2, 3, 2), strict=True)
        )
        lines.append(
            f"| {group.name} ({group.mixes}) | {group.method} | {means} | {onset} | {to_native} |"
        )
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _interval_text(difference: Difference | None, digits: int) -> str:
    if difference is None:
        return ""
    low, high = f"{difference.low:+.{digits}f}", f"{difference.high:+.{digits}f}"
    return f"{difference.mean:+.{digits}f} ({low} to {high})"
