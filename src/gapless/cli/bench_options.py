"""What all benches are told on the command line. In: options. Out: ``Options``. Thread: main."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gapless.bench.compare import THRESHOLD
from gapless.bench.harness import QUICK, Plan
from gapless.cli.main import FailureMessage

BROKEN: Final = 2
"""The exit code when something could not be measured."""

DEFAULTS: Final = Plan()

MOST_ROUNDS: Final = 100


class BrokenMessage(FailureMessage):
    """A bench that cannot be run."""

    exit_code = BROKEN


class Options(msgspec.Struct, frozen=True):
    """What all benches are told."""

    plan: Plan
    only: tuple[str, ...]
    """Names of cases; empty: all."""
    json: str | None
    """A file, or "-"."""
    fail: bool
    """Whether a claim that did not hold shows in the exit code."""
    compare: Path | None = None
    """Reports of before."""
    threshold: float = THRESHOLD
    profile: Path | None = None
    """A folder for flame graphs."""


json_option = click.option(
    "--json", metavar="FILE", help="Write JSON to a file as well; - prints nothing else."
)
no_fail_option = click.option(
    "--no-fail", is_flag=True, help="Exit code 0 even if a claim did not hold."
)
compare_option = click.option(
    "--compare",
    metavar="FILE",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Say what changed since a report that --json wrote; exit code 1 if something became worse.",
)
threshold_option = click.option(
    "--threshold",
    "threshold_percent",
    type=click.FloatRange(0.1, 100),
    default=100 * THRESHOLD,
    show_default=True,
    metavar="PERCENT",
    help="Changes that are smaller do not count.",
)
profile_option = click.option(
    "--profile",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw a flame graph of one more round of each contender there, with py-spy.",
)
quick_option = click.option(
    "--quick", is_flag=True, help="See that everything runs; proves nothing."
)


def rounds_option(default: int | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--rounds``; None: the family's own."""
    own = "  [default: as many as the family needs]" if default is None else ""
    return click.option(
        "--rounds",
        type=click.IntRange(1, MOST_ROUNDS),
        default=default,
        show_default=default is not None,
        help=f"Rounds of each contender, each in a process of its own.{own}",
    )


def seconds_option(
    default: float | None, most_s: float
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--seconds``; None: the family's own."""
    own = "  [default: as long as the family needs]" if default is None else ""
    return click.option(
        "--seconds",
        type=click.FloatRange(0.05, most_s),
        default=default,
        show_default=default is not None,
        help=f"Length of a round.{own}",
    )


def measured(
    command: Callable[..., None] | None = None,
    *,
    defaults: Plan = DEFAULTS,
    most_s: float = 600,
) -> Callable[..., Any]:
    """Give a command the options of all benches; it gets ``Options`` as its first argument.

    Args:
        command: the command, where this is used without brackets.
        defaults: how long everything is tried where nothing else is asked for.
        most_s: longest round that can be asked for.
    """
    if command is None:
        return functools.partial(measured, defaults=defaults, most_s=most_s)

    @rounds_option(defaults.rounds)
    @seconds_option(defaults.seconds, most_s)
    @quick_option
    @click.option(
        "--case", "only", metavar="NAME", multiple=True, help="Only this case; may be repeated."
    )
    @json_option
    @compare_option
    @threshold_option
    @profile_option
    @no_fail_option
    @functools.wraps(command)
    def run(
        *,
        rounds: int,
        seconds: float,
        quick: bool,
        only: tuple[str, ...],
        json: str | None,
        compare: Path | None,
        threshold_percent: float,
        profile: Path | None,
        no_fail: bool,
        **others: Any,
    ) -> None:
        plan = QUICK if quick else Plan(rounds=rounds, seconds=seconds)
        options = Options(
            plan,
            only,
            json,
            fail=not no_fail,
            compare=compare,
            threshold=threshold_percent / 100,
            profile=profile,
        )
        command(options, **others)

    return run


threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="Threads that compute at a time.  [default: one for each core]",
)
