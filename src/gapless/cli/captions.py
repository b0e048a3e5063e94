"""What is heard, as it is heard: captions for a terminal, lines for a pipe, JSON for a program.

In: listen events. Out: text on standard output. Invariants: what was said is printed once and stays; partial results go
to terminals and into JSON only. Thread: one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gapless.listen import events
from gapless.listen.events import ListenEvent
from gapless.transcript import Utterance, clock

Show: TypeAlias = Callable[[ListenEvent], None]
"""Shows an event."""

TYPES: Final = {
    events.SpeechStart: "speech_start",
    events.SpeechEnd: "speech_end",
    events.Partial: "partial",
    events.Final: "final",
    events.Failed: "failed",
    events.Flushed: "flushed",
}
"""What events are called in JSON: as on the wire."""


@contextmanager
def live_captions(console: Console) -> Iterator[Show]:
    """What was said scrolls up; what is being said stays on the last line, its settled part bright, the rest dim."""
    with Live(Text("listening; Ctrl-C ends", "dim"), console=console, auto_refresh=False) as live:

        def show(event: ListenEvent) -> None:
            match event:
                case events.SpeechStart():
                    line = Text("…", "dim")
                case events.Partial(text=text, stable_chars=stable):
                    line = Text.assemble(text[:stable], (text[stable:], "dim"))
                case events.Final(utterance):
                    console.print(Text.assemble((f"{_time(utterance)}  ", "cyan"), utterance.text))
                    line = Text()
                case events.Failed(error=error):
                    console.print(Text(str(error), "red"))
                    line = Text()
                case _:
                    return
            live.update(line, refresh=True)

        yield show
        live.update(Text(), refresh=True)


@contextmanager
def line_captions() -> Iterator[Show]:
    """One line an utterance; failures go to standard error."""

    def show(event: ListenEvent) -> None:
        if isinstance(event, events.Final):
            click.echo(f"{_time(event.utterance)}  {event.utterance.text}")
        elif isinstance(event, events.Failed):
            click.secho(str(event.error), fg="red", err=True)

    yield show


@contextmanager
def json_captions() -> Iterator[Show]:
    """One line of JSON an event."""

    def show(event: ListenEvent) -> None:
        click.echo(json.dumps({"type": TYPES[type(event)], **_fields(event)}, ensure_ascii=False))

    yield show


def _fields(event: ListenEvent) -> dict[str, Any]:
    fields: dict[str, Any]
    match event:
        case events.Final(utterance):
            fields = msgspec.to_builtins(utterance)
        case events.Failed(utt, error):
            fields = {"utt": utt, "code": error.code, "message": str(error)}
        case _:
            fields = msgspec.to_builtins(event)
    return fields


def _time(utterance: Utterance) -> str:
    return clock(utterance.start_ms, ".")[:-4]
