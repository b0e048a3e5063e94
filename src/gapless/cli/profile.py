"""``gapless profile FILE.ph``: where the time of a program of the play language goes.

In: a program, as a file, on standard input or as text. Out: tables, or JSON. Invariants: no device is used; the program
runs as fast as it can. Thread: main.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from gapless.cli.options import examples
from gapless.cli.play_options import (
    FILE_RATE_HZ,
    code_option,
    length_options,
    rate_option,
    samples_option,
)
from gapless.cli.play_source import cycles_of, program_of, say

if TYPE_CHECKING:
    from rich.table import Table

    from gapless.play.profile import PerBlock, Profile

DEFAULT_CYCLES: Final = Fraction(8)
SHOWN_NODES: Final = 16
"""In the table; all are in the JSON."""
NS_PER_US: Final = 1000


@click.command(
    epilog=examples(
        "gapless profile beat.ph",
        "gapless profile beat.ph --cycles 32 --block 128 --rate 48000",
        """gapless profile --code 'o1: s "bd(3,8)" # reverb 0.9 0.1'""",
        "cat beat.ph | gapless profile - --json",
    )
)
@click.argument("source", metavar="[FILE.ph|-]", required=False)
@code_option
@length_options(3600, str(DEFAULT_CYCLES))
@rate_option(FILE_RATE_HZ)
@click.option(
    "--block",
    type=click.IntRange(64, 8192),
    default=512,
    show_default=True,
    metavar="FRAMES",
    help="Frames that a device would ask for at a time: a multiple of 64.",
)
@samples_option
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def profile(
    source: str | None,
    *,
    code: str | None,
    cycles: str | None,
    duration: float | None,
    rate: int,
    block: int,
    samples: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say where the time of a program of the play language goes.

    The program is run once for its code and sounds to be loaded, and once more to be measured. Patterns are asked ahead
    by a thread of their own when it is played live; the rest has to be done in the time of a block.
    """
    from gapless.play.offline import samples_of
    from gapless.play.profile import profile as measured
    from gapless.play.remarks import Remarks

    program, name = program_of(source, code)
    length = DEFAULT_CYCLES if cycles is None and duration is None else cycles_of(cycles)
    n_samples = samples_of(program, rate, cycles=length, seconds=duration)
    remarks = Remarks()
    found = measured(
        program, n_samples, rate_hz=rate, block=block, folders=samples, remarks=remarks
    )
    for remark in remarks.take():
        say(name, remark)
    if as_json:
        fields = msgspec.to_builtins(found)
        click.echo(msgspec.json.encode({**fields, "used": found.used, "holds": found.holds}))
    else:
        _show(found)


def _show(found: Profile) -> None:
    click.echo(
        f"{found.blocks} blocks of {found.block} frames at {found.rate_hz} Hz; "
        f"{_us(found.budget_ns)} us for each\n"
    )
    _print(_blocks(found))
    _print(_nodes(found))
    _print(_outputs(found))
    click.echo(
        f"A reading of the clock, {found.clock_ns:.0f} ns, is in the time of every unit.\n"
        f"{_verdict(found)}"
    )


def _blocks(found: Profile) -> Table:
    table = _table(
        "us a block", "P50", "P95", "P99", "max", "mean", "P99 of budget", "max of budget", "share"
    )
    rows: dict[str, PerBlock] = {
        **found.parts,
        "all but patterns": found.sound,
        "all": found.whole,
    }
    for name, row in rows.items():
        table.add_row(
            name,
            *map(_us, (row.p50_ns, row.p95_ns, row.p99_ns, row.max_ns, row.mean_ns)),
            f"{row.p99_ns / found.budget_ns:.1%}",
            f"{row.max_ns / found.budget_ns:.1%}",
            f"{row.share:.1%}",
        )
    return table


def _nodes(found: Profile) -> Table:
    from rich.markup import escape

    table = _table("place", "ns a quantum", "share", second="unit")
    for node in found.nodes[:SHOWN_NODES]:
        table.add_row(escape(node.place), node.unit, f"{node.quantum_ns:.0f}", f"{node.share:.1%}")
    rest = found.nodes[SHOWN_NODES:]
    if rest:
        quantum_ns, share = sum(one.quantum_ns for one in rest), sum(one.share for one in rest)
        table.add_row(f"{len(rest)} more", "", f"{quantum_ns:.0f}", f"{share:.1%}")
    return table


def _outputs(found: Profile) -> Table:
    table = _table("output or bus", "ns a quantum", "share")
    for one in found.outputs:
        table.add_row(one.name, f"{one.quantum_ns:.0f}", f"{one.share:.1%}")
    return table


def _verdict(found: Profile) -> str:
    used = f"The sound takes {found.used:.1%} of a block's time (P99)"
    if found.holds:
        return f"{used}; every block was in time: it would hold on this machine."
    late = f"{used}; {found.late_blocks} of {found.blocks} blocks took longer than there is time"
    if found.late_blocks and found.used < 1:
        return (
            f"{late}: it would click there, if nothing else was in the way. Run it again on a machine that is idle, "
            "or use a larger --block."
        )
    if found.late_blocks:
        return f"{late}: it would crackle. Use a larger --block, fewer voices, or fewer of the units at the top."
    return (
        f"{used}, but the patterns take longer than they last: beats would come late. "
        "Use fewer or simpler transforms."
    )


def _us(ns: float) -> str:
    return f"{ns / NS_PER_US:.1f}"


def _table(first: str, *numbers: str, second: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in (first, *([second] if second else [])):
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _print(table: Table) -> None:
    from gapless.cli.tensor_models import table_console

    table_console().print(table)
    click.echo()
