"""How a running virtual microphone is shown: a view with keys, lines, lines of JSON, or hardly at all.

In: reports and events. Out: text on the terminal or standard output. Invariants: every event is told once. Thread:
main.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gapless.clean.mic.control import Change
from gapless.clean.mic.report import Happening, MicReport
from gapless.cli.mic_keys import open_keys
from gapless.cli.mic_view import MicView
from gapless.cli.mic_words import event_line, how_to_pick, level_line, time_of_day

VIEW_S: Final = 0.08
"""12.5 pictures a second."""
LINES_S: Final = 10.0
JSON_S: Final = 1.0
POLL_S: Final = 0.25
"""How soon an event is told."""

STYLES: Final = {"lost": "yellow", "waiting": "yellow", "engine": "magenta", "virtual": "green"}
TROUBLE: Final = ("lost", "waiting", "engine")
"""Events that are told even if it is to be quiet."""

Show = Callable[[MicReport, Sequence[Happening]], None]
"""Shows a report, and what happened since the one before."""


class Controls(NamedTuple):
    """What keys do."""

    apply: Callable[[Change], None]
    stop: Callable[[], None]


class Shown(NamedTuple):
    """A way to show it."""

    show: Show
    every_s: float
    """Time between two reports."""


@contextmanager
def view(controls: Controls, console: Console) -> Iterator[Shown]:
    """Bars and figures that stay in place; events scroll by above them."""
    picture = MicView()
    amount = 1.0

    def show(report: MicReport, happenings: Sequence[Happening]) -> None:
        nonlocal amount
        amount = report.engine.amount
        for happening in happenings:
            console.print(_event_text(happening))
            if happening.kind == "virtual":
                console.print(Text(_pick(report), "bold"))
        now_ms = time.monotonic_ns() // 1_000_000
        live.update(picture.render(report, now_ms, console.width), refresh=True)
        for key in poll():
            _press(key, amount, controls)

    with (
        open_keys() as poll,
        Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live,
    ):
        yield Shown(show, VIEW_S)


@contextmanager
def lines() -> Iterator[Shown]:
    """A line an event, and one for the levels now and then."""
    due_s = time.monotonic() + LINES_S

    def show(report: MicReport, happenings: Sequence[Happening]) -> None:
        nonlocal due_s
        for happening in happenings:
            click.echo(event_line(happening))
            if happening.kind == "virtual":
                click.echo(_pick(report))
        if report.running and time.monotonic() >= due_s:
            due_s = time.monotonic() + LINES_S
            click.echo(level_line(report))

    yield Shown(show, POLL_S)


@contextmanager
def json_lines() -> Iterator[Shown]:
    """A line of JSON an event, and one a second with everything."""
    due_s = 0.0

    def show(report: MicReport, happenings: Sequence[Happening]) -> None:
        nonlocal due_s
        for happening in happenings:
            click.echo(msgspec.json.encode({"event": happening}))
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + JSON_S
            click.echo(msgspec.json.encode({"status": report}))

    yield Shown(show, POLL_S)


@contextmanager
def quiet() -> Iterator[Shown]:
    """Only what goes wrong, on standard error."""

    def show(_report: MicReport, happenings: Sequence[Happening]) -> None:
        for happening in happenings:
            if happening.kind in TROUBLE:
                click.echo(f"gapless: {happening.text}", err=True)

    yield Shown(show, POLL_S)


def choose_show(
    controls: Controls, *, as_json: bool, be_quiet: bool
) -> AbstractContextManager[Shown]:
    """The way that fits what was asked for and where the output goes."""
    if as_json:
        return json_lines()
    if be_quiet:
        return quiet()
    return view(controls, Console()) if sys.stdout.isatty() else lines()


def _press(key: str, amount: float, controls: Controls) -> None:
    match key:
        case "b":
            controls.apply(Change(bypass="toggle"))
        case "m":
            controls.apply(Change(mute="toggle"))
        case "g":
            controls.apply(Change(gate="toggle"))
        case "+" | "=":
            controls.apply(Change(amount=min(1.0, round(amount + 0.1, 1))))
        case "-":
            controls.apply(Change(amount=max(0.0, round(amount - 0.1, 1))))
        case "q":
            controls.stop()


def _pick(report: MicReport) -> str:
    return how_to_pick(report.kind, report.server, report.label)


def _event_text(happening: Happening) -> Text:
    style = STYLES.get(happening.kind, "")
    return Text.assemble((f"{time_of_day(happening)}  ", "dim"), (happening.text, style))
