"""What a comparison says to people. In: a ``Comparison``. Out: lines on a console. Thread: any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gapless.bench.claims import CLAIMS
from gapless.bench.compare import Change, Comparison
from gapless.bench.quantity import quantity
from gapless.bench.report import verdict_lines

if TYPE_CHECKING:
    from rich.console import Console

MOST_UNSURE: Final = 10
"""Of what may be noise no more is told."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Write what changed, the worst first."""

    def say(line: str, style: str = "") -> None:
        console.print(line, style=style, markup=False, highlight=False)

    turns = "rounds in turn" if comparison.paired else "separate runs"
    old, new = comparison.old_commit or "unknown", comparison.new_commit or "unknown"
    say(f"\ncompared with commit {old} (now {new}), {turns}", "bold")
    if comparison.differs:
        say(
            "  times are not comparable, so only multiples of each baseline are compared:", "yellow"
        )
        for line in comparison.differs:
            say(f"    {line}", "yellow")
    for change in comparison.of("worse"):
        say(f"  WORSE  {_title(change)}", "bold red")
        say(f"         {_told(change)}")
    for broken in comparison.broken:
        says, came_out = verdict_lines(broken.new)
        say(f"  BROKEN {broken.bench} {broken.case}, {says}", "bold red")
        say(f"         held before ({verdict_lines(broken.old)[1]}), now {came_out}")
    for change in comparison.of("better"):
        say(f"  better {_title(change)}", "green")
        say(f"         {_told(change)}")
    unsure = comparison.of("unsure")
    for change in unsure[:MOST_UNSURE]:
        say(f"  unsure {_title(change)}", "dim")
        say(f"         {_told(change)}", "dim")
    if len(unsure) > MOST_UNSURE:
        say(f"  and {len(unsure) - MOST_UNSURE} more that may be noise", "dim")
    few = comparison.of("too few rounds")
    if few:
        say(f"  {_too_few(comparison, few)}", "yellow")
    for line in comparison.missing:
        say(f"  {line}", "yellow")
    say(f"  {_summary(comparison)}", "bold")


def _title(change: Change) -> str:
    where = f"{change.bench} {change.case}, {change.contender}: {change.figure}"
    if change.against is not None:
        where += f", in multiples of {change.against}"
    rows = {CLAIMS[name].row: None for name in change.claims if name in CLAIMS}
    if not rows:
        return where
    return f"{where} ({', '.join(rows)}: {', '.join(change.claims)})"


def _told(change: Change) -> str:
    figure = "times" if change.against is not None else change.figure
    told = f"{quantity(change.old, figure)} -> {quantity(change.new, figure)}"
    if change.ratio is not None and change.low is not None and change.high is not None:
        told += (
            f", {change.ratio:.2f}x ({100 * change.confidence:.0f} % sure of "
            f"{change.low:.2f}x .. {change.high:.2f}x)"
        )
    return (
        f"{told}; worse in {100 * change.worse_share:.0f} % of pairs, p = {change.probability:.2g}"
    )


def _too_few(comparison: Comparison, few: list[Change]) -> str:
    first = few[0]
    moved = f"{first.bench} {first.case}, {first.contender}: {first.figure}"
    what = f"{len(few)} figures moved by more than {100 * comparison.threshold:g} % ({moved} most)"
    if comparison.rounds_needed is None:
        return f"cannot tell of {what}: measure both with more --rounds"
    return (
        f"cannot tell of {what} with so few rounds: "
        f"measure both with --rounds {comparison.rounds_needed} or more"
    )


def _summary(comparison: Comparison) -> str:
    counts = {
        name: len(comparison.of(name))
        for name in ("worse", "better", "unsure", "too few rounds", "steady")
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return (
        f"{len(comparison.changes)} figures compared: {told or 'nothing to compare'}. Changed is what moved by "
        f"more than {100 * comparison.threshold:g} % with p <= {comparison.alpha:g}, corrected for all figures"
    )
