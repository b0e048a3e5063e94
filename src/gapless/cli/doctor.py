"""``gapless doctor``: what works on this machine, what is missing, and the command that adds it.

In: settings. Out: a line a fact; exit code 0 if Gapless is usable here, 1 if not. Thread: main.
"""

from __future__ import annotations

from typing import Final

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved

MARKS: Final = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@click.command(epilog=examples("gapless doctor", "gapless doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@with_settings("model", "data_dir", "models_dir", "host", "port")
def doctor(resolved: Resolved, *, as_json: bool) -> None:
    """Check what works on this machine.

    Says what is missing and the command that adds it. The exit code is 0 if Gapless is usable here,
    even if something optional is missing, and 1 if not.
    """
    from gapless.cli.checks import CHECKS

    results = []
    for check in CHECKS:
        result = check(resolved.settings)
        results.append(result)
        if not as_json:
            mark, colour = MARKS[result.state]
            click.echo(f"{click.style(mark, fg=colour)} {result.name:<16} {result.detail}")
            if result.fix:
                click.echo(f"  {'':<16} {click.style('→ ' + result.fix, bold=True)}")
    usable = all(result.state != "fail" for result in results)
    if as_json:
        click.echo(msgspec.json.encode({"usable": usable, "checks": results}))
    if not usable:
        raise click.exceptions.Exit(1)
