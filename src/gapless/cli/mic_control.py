"""``gapless mic status | set | bypass | mute | stop``: speak to a virtual microphone that runs.

In: what to change. Out: how it goes, in words or JSON. Invariants: exit code 1 and one sentence if none runs. Thread:
main.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import click

from gapless.cli.mic_options import name_option
from gapless.cli.options import examples
from gapless.errors import ConfigError, DeadlineError, GaplessError

if TYPE_CHECKING:
    from gapless.clean.mic.control import Change, Request
    from gapless.clean.mic.report import MicReport

KEYS: Final = {
    "amount": "a number from 0 to 1",
    "bypass": "on, off or toggle",
    "gate": "on, off or toggle",
    "mute": "on, off or toggle",
    "mode": "low-delay or quality",
    "block": "auto, 128, 256 or 512",
    "device": "a name or a part of one from `gapless devices`, or default",
}
"""What can be set, and to what."""

END_S: Final = 15.0
"""How long the end may take."""
POLL_S: Final = 0.05

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
switch_argument = click.argument(
    "switch",
    metavar="[on|off|toggle]",
    type=click.Choice(("on", "off", "toggle")),
    default="toggle",
)


@click.command(epilog=examples("gapless mic status", "gapless mic status --json"))
@json_option
@name_option
def status(*, as_json: bool, name: str | None) -> None:
    """Say how it goes."""
    from gapless.clean.mic.control import StatusRequest

    _print(_ask(StatusRequest(), name), as_json=as_json)


@click.command(
    "set",
    epilog="\n".join(("\b", "Keys:", *(f"  {key:<8} {values}" for key, values in KEYS.items())))
    + "\n\n"
    + examples(
        "gapless mic set amount 0.5",
        "gapless mic set mode quality",
        "gapless mic set device usb",
        "gapless mic set gate toggle",
    ),
)
@click.argument("key", type=click.Choice(tuple(KEYS)), metavar="KEY")
@click.argument("value", metavar="VALUE")
@json_option
@name_option
def set_value(key: str, value: str, *, as_json: bool, name: str | None) -> None:
    """Change something while it runs."""
    report = _change(make_change(key, value), name)
    if as_json:
        _print(report, as_json=True)
    else:
        click.echo(f"“{report.name}”: {key} {_told(report, key) or value}")


@click.command(epilog=examples("gapless mic bypass", "gapless mic bypass off"))
@switch_argument
@name_option
def bypass(switch: str, *, name: str | None) -> None:
    """Let the sound pass as it is, or clean it again.

    Without an argument it changes from one to the other, as a keyboard shortcut wants it.
    """
    report = _change(make_change("bypass", switch), name)
    click.echo(f"“{report.name}”: bypass {_told(report, 'bypass')}")


@click.command(epilog=examples("gapless mic mute", "gapless mic mute off"))
@switch_argument
@name_option
def mute(switch: str, *, name: str | None) -> None:
    """Give silence, or sound again.

    Without an argument it changes from one to the other, as a keyboard shortcut wants it.
    """
    report = _change(make_change("mute", switch), name)
    click.echo(f"“{report.name}”: mute {_told(report, 'mute')}")


@click.command(epilog=examples("gapless mic stop"))
@name_option
def stop(*, name: str | None) -> None:
    """End it; the virtual device goes away."""
    from gapless.clean.mic.control import StopRequest
    from gapless.clean.mic.endpoint import holders
    from gapless.clean.mic.places import runtime_folder

    folder = runtime_folder(os.environ)
    ended = _ask(StopRequest(), name).name
    deadline_s = time.monotonic() + END_S
    while ended in (holder.name for holder in holders(folder)):
        if time.monotonic() > deadline_s:
            raise DeadlineError(f"“{ended}” does not end; see its process with: gapless mic status")
        time.sleep(POLL_S)
    click.echo(f"“{ended}” has ended")


def make_change(key: str, value: str) -> Change:
    """A change from words.

    Raises:
        ConfigError: the value is not usable.
    """
    import msgspec

    from gapless.clean.mic.control import Change

    try:
        return msgspec.convert({key: value}, Change, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{key} = {value!r} is not usable: expected: {KEYS[key]}", param=key
        ) from error


def _change(change: Change, name: str | None) -> MicReport:
    from gapless.clean.mic.control import SetRequest

    return _ask(SetRequest(change=change), name)


def _ask(request: Request, name: str | None) -> MicReport:
    """The report in the answer.

    Raises:
        GaplessError: nobody answers, or with a refusal.
    """
    from gapless.clean.mic.endpoint import ask
    from gapless.clean.mic.places import runtime_folder

    answer = ask(request, runtime_folder(os.environ), name)
    if answer.report is None:
        raise GaplessError(answer.error.message if answer.error else "it gave no answer; try again")
    return answer.report


def _told(report: MicReport, key: str) -> str:
    """A value as it is now; empty for what takes a moment."""
    from gapless.cli.mic_words import on_off

    engine = report.engine
    values: dict[str, Any] = {
        "amount": f"{engine.amount:g}",
        "bypass": on_off(on=engine.bypass),
        "gate": on_off(on=engine.gate),
        "mute": on_off(on=engine.muted),
    }
    return str(values.get(key, ""))


def _print(report: MicReport, *, as_json: bool) -> None:
    import msgspec

    from gapless.cli.mic_words import status_text

    click.echo(msgspec.json.encode(report) if as_json else status_text(report))
