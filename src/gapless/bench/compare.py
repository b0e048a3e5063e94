"""What became slower, or better, between two runs of the same benches, and how sure that is.

In: reports of before and now. Out: a ``Comparison``. Invariants: a figure counts as changed only if it moved by more
than ``THRESHOLD`` and if rounds that do not differ would rarely (``ALPHA``) lie as far apart anywhere; of different
machines only multiples of the baseline beside are compared; what too few rounds cannot tell is said to be so.
Thread: any (pure functions).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Final, Literal, TypeAlias

import msgspec

from gapless.bench.direction import more_is_better
from gapless.bench.distribution import Spread
from gapless.bench.harness import CaseResult, ContenderResult
from gapless.bench.machine import Machine
from gapless.bench.report import Report
from gapless.bench.verdict import Verdict

ALPHA: Final = 0.05
"""How often a comparison may name any change where there is none."""

THRESHOLD: Final = 0.05
"""Smaller changes are not worth a word."""

GENERAL: Final = ("rate_per_s", "p50_us", "p95_us", "cpu_us_per_unit", "peak_mib")
"""Compared of every contender, besides those figures that a claim judges."""

OWN_PACKAGE: Final = "gapless"

Outcome: TypeAlias = Literal["worse", "better", "unsure", "too few rounds", "steady"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one contender, before and now."""

    bench: str
    case: str
    contender: str
    against: str | None
    """What both are multiples of; None: they are compared as they are."""
    figure: str
    old: float
    """The median of the rounds."""
    new: float
    ratio: float | None
    """The middle of all pairs of rounds, new by old; None where a value is not above 0."""
    low: float | None
    high: float | None
    confidence: float
    """Of the interval from ``low`` to ``high``."""
    worse_share: float
    """In how many pairs of an old and a new round the new one is worse."""
    probability: float
    """Of so large a difference anywhere, if nothing differed."""
    outcome: Outcome
    claims: tuple[str, ...]
    """Names of the claims that are judged by it."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that held before and does not now."""

    bench: str
    case: str
    old: Verdict
    new: Verdict


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs beside each other."""

    old_commit: str | None
    new_commit: str | None
    paired: bool
    """Whether the rounds of both ran in turn."""
    differs: tuple[str, ...]
    """Why times of both cannot be compared; empty if they can."""
    threshold: float
    alpha: float
    changes: tuple[Change, ...]
    broken: tuple[Broken, ...]
    missing: tuple[str, ...]
    """What only one of both has, or was measured too briefly to prove anything."""
    rounds_needed: int | None
    """Where rounds were too few: how many could tell; None: nothing was, or not even a hundred could."""

    def of(self, outcome: Outcome) -> list[Change]:
        """Changes of a kind, the largest first."""
        found = [change for change in self.changes if change.outcome == outcome]
        return sorted(found, key=lambda change: -abs(math.log(change.ratio or math.inf)))

    @property
    def regressed(self) -> bool:
        """Whether something became worse."""
        return any(change.outcome == "worse" for change in self.changes)


def compare(
    old: Sequence[Report],
    new: Sequence[Report],
    *,
    paired: bool = False,
    threshold: float = THRESHOLD,
) -> Comparison:
    """Compare what both have.

    Args:
        old: reports of before, a family each.
        new: reports of now.
        paired: whether round i of one ran next to round i of the other.
        threshold: the smallest share by which a figure must have moved.
    """
    differs = tuple(dict.fromkeys(_differences(old, new)))
    before = dict(_cases(old))
    missing, rows, broken = list(_unproved(old, new)), [], []
    for (bench, name), case in _cases(new):
        if (bench, name) not in before:
            missing.append(f"{bench} {name}: was not measured before")
            continue
        earlier = before[bench, name]
        rows += list(_rows(bench, earlier, case, multiples=bool(differs), paired=paired))
        broken += list(_broken(bench, earlier, case))
        gone = {one.name for one in earlier.contenders} ^ {one.name for one in case.contenders}
        missing += [f"{bench} {name}: only one of both has {who}" for who in sorted(gone)]
    here = {key for key, _ in _cases(new)}
    missing += [
        f"{bench} {name}: is not measured any more"
        for bench, name in before
        if (bench, name) not in here and bench in {report.bench for report in new}
    ]
    changes = _judged(rows, paired=paired, threshold=threshold)
    return Comparison(
        old_commit=next((report.machine.commit for report in old), None),
        new_commit=next((report.machine.commit for report in new), None),
        paired=paired,
        differs=differs,
        threshold=threshold,
        alpha=ALPHA,
        changes=tuple(change for change, _ in changes),
        broken=tuple(broken),
        missing=tuple(missing),
        rounds_needed=max(
            (needed for change, needed in changes if change.outcome == "too few rounds" and needed),
            default=None,
        ),
    )


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared: a figure before it is judged."""

    bench: str
    case: str
    contender: str
    against: str | None
    figure: str
    more: bool
    """Whether more is better."""
    old: tuple[float, ...]
    new: tuple[float, ...]
    claims: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows with as many rounds are relabelled together."""
        return len(self.old), len(self.new)

    @property
    def positive(self) -> bool:
        """Whether there are multiples."""
        return min(*self.old, *self.new) > 0

    def comparable(self) -> tuple[list[float], list[float]]:
        """Numbers whose differences count: logarithms, or shares of the largest."""
        if self.positive:
            return [math.log(one) for one in self.old], [math.log(one) for one in self.new]
        largest = max(abs(one) for one in (*self.old, *self.new)) or 1.0
        return [one / largest for one in self.old], [one / largest for one in self.new]


def _cases(reports: Iterable[Report]) -> Iterator[tuple[tuple[str, str], CaseResult]]:
    for report in reports:
        for case in report.results.cases:
            yield (report.bench, case.name), case


def _differences(old: Sequence[Report], new: Sequence[Report]) -> Iterator[str]:
    """What says that the times of both cannot be compared."""
    before = {report.bench: report for report in old}
    for report in new:
        if report.bench in before:
            yield from _machine_differences(before[report.bench].machine, report.machine)


def _machine_differences(old: Machine, new: Machine) -> Iterator[str]:
    for name in ("cpu", "usable_cpus", "physical_cpus", "memory_bytes", "system", "python"):
        was, is_now = getattr(old, name), getattr(new, name)
        if was != is_now:
            yield f"{name}: {was}, now {is_now}"
    for package in sorted({*old.packages, *new.packages} - {OWN_PACKAGE}):
        was, is_now = old.packages.get(package), new.packages.get(package)
        if was != is_now:
            yield f"{package}: {was or 'not there'}, now {is_now or 'not there'}"


def _unproved(old: Sequence[Report], new: Sequence[Report]) -> Iterator[str]:
    before = {report.bench: report for report in old}
    for report in new:
        earlier = before.get(report.bench)
        if earlier is None:
            yield f"{report.bench}: was not measured before"
            continue
        if not (earlier.plan.proves and report.plan.proves):
            yield f"{report.bench}: measured with --quick, which proves nothing"
        elif earlier.plan.seconds != report.plan.seconds:
            yield (
                f"{report.bench}: rounds of {earlier.plan.seconds:g} s before and of "
                f"{report.plan.seconds:g} s now; measure both with the same --seconds"
            )


def _rows(
    bench: str, old: CaseResult, new: CaseResult, *, multiples: bool, paired: bool
) -> Iterator[_Row]:
    before = {one.name: one for one in old.contenders}
    if not old.contenders or not new.contenders:
        return
    bases = (old.contenders[0], new.contenders[0])
    for contender in new.contenders:
        earlier = before.get(contender.name)
        if earlier is None or (multiples and contender is bases[1]):
            continue
        claimed = _claims_of(contender.name, (*old.verdicts, *new.verdicts))
        for figure in dict.fromkeys((*GENERAL, *claimed)):
            more = more_is_better(figure)
            was, is_now = _rounds(earlier, figure), _rounds(contender, figure)
            if multiples:
                was, is_now = (
                    _multiples(rounds, _rounds(base, figure))
                    for rounds, base in zip((was, is_now), bases, strict=True)
                )
            if more is None or not was or not is_now:
                continue
            both = min(len(was), len(is_now)) if paired else None
            yield _Row(
                bench=bench,
                case=new.name,
                contender=contender.name,
                against=bases[1].name if multiples else None,
                figure=figure,
                more=more,
                # A run that was cut short has one round more of some.
                old=was[:both],
                new=is_now[:both],
                claims=tuple(claimed.get(figure, ())),
            )


def _rounds(contender: ContenderResult, figure: str) -> tuple[float, ...]:
    known: Spread | None = contender.figures.get(figure)
    return known.rounds if known else ()


def _multiples(rounds: Sequence[float], base: Sequence[float]) -> tuple[float, ...]:
    pairs = list(zip(rounds, base, strict=False))
    return tuple(one / other for one, other in pairs) if all(base) else ()


def _claims_of(contender: str, verdicts: Iterable[Verdict]) -> Mapping[str, list[str]]:
    """The claims that a contender is judged by, by figure."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        names = {verdict.contender, *verdict.contender.split(", ")}
        if contender in names and verdict.claim.bound is not None:
            known = found.setdefault(verdict.claim.figure, [])
            if verdict.claim.name not in known:
                known.append(verdict.claim.name)
    return found


def _broken(bench: str, old: CaseResult, new: CaseResult) -> Iterator[Broken]:
    before = {(one.claim.name, one.contender): one for one in old.verdicts}
    for verdict in new.verdicts:
        earlier = before.get((verdict.claim.name, verdict.contender))
        if verdict.holds is False and earlier is not None and earlier.holds:
            yield Broken(bench=bench, case=new.name, old=earlier, new=verdict)


def _judged(
    rows: Sequence[_Row], *, paired: bool, threshold: float
) -> list[tuple[Change, int | None]]:
    """Each change, and how many rounds could tell more of it."""
    import numpy as np

    from gapless.bench.permutation import least_probability, probabilities, rounds_needed

    shapes = dict.fromkeys(row.shape for row in rows)
    changes = []
    for shape in shapes:
        alike = [row for row in rows if row.shape == shape]
        numbers = [row.comparable() for row in alike]
        found = probabilities(
            np.array([old for old, _ in numbers]),
            np.array([new for _, new in numbers]),
            paired=paired,
        )
        # Rows with other numbers of rounds are tested by themselves; the chance of a false alarm is shared out.
        least = least_probability(*shape, paired=paired) * len(shapes)
        needed = rounds_needed(ALPHA / len(shapes), paired=paired)
        changes += [
            (
                _change(row, one * len(shapes), least=least, paired=paired, threshold=threshold),
                needed,
            )
            for row, one in zip(alike, found, strict=True)
        ]
    order = {(row.bench, row.case, row.contender, row.figure): n for n, row in enumerate(rows)}
    return sorted(
        changes,
        key=lambda pair: order[pair[0].bench, pair[0].case, pair[0].contender, pair[0].figure],
    )


def _change(
    row: _Row, probability: float, *, least: float, paired: bool, threshold: float
) -> Change:
    from gapless.bench.permutation import interval

    old, new = row.comparable()
    shift = interval(old, new, paired=paired)
    sign = 1 if row.more else -1
    pairs = (
        list(zip(row.old, row.new, strict=True))
        if paired
        else [(was, is_now) for was in row.old for is_now in row.new]
    )
    moved = math.log1p(threshold) if row.positive else threshold
    outcome: Outcome = "steady"
    if abs(shift.shift) > moved:
        if probability <= ALPHA:
            outcome = "better" if shift.shift * sign > 0 else "worse"
        else:
            outcome = "too few rounds" if least > ALPHA else "unsure"
    ratio, low, high = (
        (math.exp(one) if row.positive else None) for one in (shift.shift, shift.low, shift.high)
    )
    return Change(
        bench=row.bench,
        case=row.case,
        contender=row.contender,
        against=row.against,
        figure=row.figure,
        old=median(row.old),
        new=median(row.new),
        ratio=ratio,
        low=low,
        high=high,
        confidence=shift.confidence,
        worse_share=sum((is_now - was) * sign < 0 for was, is_now in pairs) / len(pairs),
        probability=min(1.0, probability),
        outcome=outcome,
        claims=row.claims,
    )
