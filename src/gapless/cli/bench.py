"""``gapless bench``: measure what Gapless claims, each claim beside a baseline.

In: families and options. Out: a table for people, or JSON; exit code 1 if a claim did not hold, 2 if something was not
measured. Invariants: one family has options of its own; several, or all, have those that all have in common.
Thread: main.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gapless.bench.families import ALIASES, FAMILIES
from gapless.cli.bench_check import check
from gapless.cli.bench_claims import claims
from gapless.cli.bench_compare import compare
from gapless.cli.bench_families import COMMANDS
from gapless.cli.bench_options import (
    Options,
    compare_option,
    json_option,
    no_fail_option,
    profile_option,
    quick_option,
    rounds_option,
    seconds_option,
    threshold_option,
)
from gapless.cli.bench_run import (
    STDOUT,
    Rounds,
    compared,
    console_of,
    end,
    publish,
    read_before,
    run_families,
    show_comparison,
)
from gapless.cli.options import examples

if TYPE_CHECKING:
    from gapless.bench.claims.claim import Bench

SEVERAL: Final = "all"
"""The command that the words of several families, or of none, are for."""

MOST_S: Final = 600.0


class Benches(click.Group):
    """A group in which several commands may be named at once, or none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """One family is a command of its own; several, or only options, are words of ``all``."""
        names = {*FAMILIES, *ALIASES}
        only_options = args[0].startswith("-") if args else True
        asks_help = bool(args) and args[0] in ctx.help_option_names
        both_names = len(args) > 1 and names.issuperset(args[:2])
        if both_names or (only_options and not asks_help):
            args = [SEVERAL, *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name, or by another that it has."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the story."""
        return list(self.commands)


@click.group(
    cls=Benches,
    subcommand_metavar="[FAMILY]... [OPTIONS]",
    epilog=examples(
        "gapless bench                                 all families, an hour or two",
        "gapless bench inference                       one, with options of its own",
        "gapless bench inference cache --json new.json several, in one file",
        "gapless bench inference cache --compare old.json",
        "gapless bench claims                          the whole table of claims",
    ),
)
def bench() -> None:
    """Measure what Gapless claims.

    Every claim is measured beside a baseline, in fresh processes, contenders in turn, and can come out red: the exit
    code is 1 then, and 2 if something could not be measured. Figures belong to the machine they were measured on, and
    to a quiet one.

    Name one family, several, or none for all of them. Options that all have: --rounds, --seconds, --quick, --json,
    --compare, --profile, --no-fail; gapless bench all --help explains them.
    """


@bench.command(name=SEVERAL, epilog=examples("gapless bench all --quick --json trial.json"))
@click.argument(
    "families", metavar="[FAMILY]...", nargs=-1, type=click.Choice([*FAMILIES, *ALIASES])
)
@rounds_option(None)
@seconds_option(None, MOST_S)
@quick_option
@json_option
@compare_option
@threshold_option
@profile_option
@no_fail_option
def several(
    families: tuple[str, ...],
    *,
    rounds: int | None,
    seconds: float | None,
    quick: bool,
    json: str | None,
    compare: Path | None,
    threshold_percent: float,
    profile: Path | None,
    no_fail: bool,
) -> None:
    """Run several families, or all.

    Each is printed when it is over. One that cannot be run here says why, and the others go on; the exit code is 2
    then. Ctrl-C prints, and writes to --json, what there is.
    """
    from gapless.bench.claims_table import claims_table
    from gapless.bench.run_file import encode_run
    from gapless.cli.bench_claims import print_summary

    options = Options(
        FAMILIES["inference"].plan,
        (),
        json,
        fail=not no_fail,
        compare=compare,
        threshold=threshold_percent / 100,
        profile=profile,
    )
    before = read_before(options)
    names = chosen(families)
    reports = run_families(names, options, Rounds(rounds, seconds, quick=quick))
    comparison = compared(before, reports, options)
    publish(encode_run(reports, comparison), json)
    if json != STDOUT:
        print_summary(claims_table(reports), console_of(sys.stdout), only_measured=True)
        show_comparison(comparison)
    end(reports, comparison, fail=options.fail)


def chosen(names: tuple[str, ...]) -> list[Bench]:
    """The families of these names, each once; all where none is named."""
    real = {ALIASES.get(name, name) for name in names}
    return [family for family in FAMILIES if not names or family in real]


for command in (*COMMANDS, claims, check, compare):
    bench.add_command(command)
