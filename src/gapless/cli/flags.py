"""``gapless flags``: which optimisations are on, and for what share of the sessions.

In: the settings and ``flags.json`` in the data folder. Out: text for people, JSON for programs; the file, for running
servers, which look at it once a second. Invariants: the file is replaced whole, and gone when all is as the settings
say. Thread: main.
"""

from __future__ import annotations

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.errors import ConfigError
from gapless.settings import Resolved, Settings
from gapless.settings.flags import FLAGS, ON, FlagName, flag_name, parse_shares, share_text
from gapless.settings.flags_file import FlagsFile

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class FlagRow(msgspec.Struct, frozen=True):
    """One flag."""

    name: FlagName
    share: str
    source: str
    """``default``, ``setting`` or ``file``."""
    help: str


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "gapless flags                             what is on, and for how many",
        "gapless flags set batching=10%            for a tenth of the sessions",
        "gapless flags set answers=off quick=off   for nobody",
        "gapless flags reset batching              as the settings say",
    ),
)
@json_option
@with_settings("data_dir")
def flags(resolved: Resolved, *, as_json: bool) -> None:
    """Turn optimisations on and off while the server runs.

    A flag is on, off, or on for a share of the sessions, which keep their side; /metrics compares
    both. Running servers with this data folder follow within a second. What is set here goes before
    the setting FLAGS.
    """
    if click.get_current_context().invoked_subcommand is None:
        _show(resolved.settings, as_json=as_json)


@flags.command("set")
@click.argument("changes", metavar="NAME=on|off|N%...", nargs=-1, required=True)
@json_option
@with_settings("data_dir")
def set_(resolved: Resolved, *, changes: tuple[str, ...], as_json: bool) -> None:
    """Give flags a share, from now on; others stay as they are."""
    wanted = parse_shares(",".join(changes))
    file = FlagsFile(resolved.settings.data_path)
    file.write(_kept(file) | wanted)
    _show(resolved.settings, as_json=as_json)


@flags.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@with_settings("data_dir")
def reset(resolved: Resolved, *, names: tuple[str, ...], as_json: bool) -> None:
    """Let flags be as the settings say again; all of them, where none is named."""
    wanted = [flag_name(name) for name in names]
    file = FlagsFile(resolved.settings.data_path)
    kept = _kept(file) if wanted else {}
    file.write({name: share for name, share in kept.items() if name not in wanted})
    _show(resolved.settings, as_json=as_json)


def _kept(file: FlagsFile) -> dict[FlagName, float]:
    """What the file says; nothing, where it is broken: no server follows it either."""
    try:
        return file.read()
    except ConfigError as error:
        click.secho(f"gapless: {error}; it is written anew", fg="yellow", err=True)
        return {}


def _show(settings: Settings, *, as_json: bool) -> None:
    rows = _rows(settings)
    if as_json:
        click.echo(msgspec.json.encode({"flags": rows}))
        return
    for row in rows:
        click.echo(f"{row.name:<12} {row.share:<7} {row.source:<8} {row.help}")


def _rows(settings: Settings) -> list[FlagRow]:
    start = parse_shares(settings.flags)
    kept = FlagsFile(settings.data_path).read()
    return [
        FlagRow(
            name,
            share_text(kept.get(name, start.get(name, ON))),
            "file" if name in kept else "setting" if name in start else "default",
            help_text,
        )
        for name, help_text in FLAGS.items()
    ]
