"""What a program that plays says: words for people, or lines of JSON; and how the process is told to end.

In: happenings. Out: words on standard error, JSON on standard output. Thread: main.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from gapless.cli.first_time import compiling
from gapless.cli.play_source import say
from gapless.cli.play_status import StatusLine
from gapless.errors import ConfigError

if TYPE_CHECKING:
    from gapless.play.live.stage import Stage
    from gapless.play.program import Program, Remark

ENDINGS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Says:
    """Words for people, or lines of JSON.

    Args:
        name: of the program.
        as_json: for programs.
        line: that is in the way of words, if there is one.
    """

    def __init__(self, name: str, *, as_json: bool, line: StatusLine | None = None) -> None:
        self.name = name
        self.as_json = as_json
        self._line = line

    def event(self, what: str, text: str) -> None:
        """Something happened."""
        if self.as_json:
            self._json({"event": what, "text": text})
        else:
            self._make_way()
            click.echo(text, err=True)

    def mistake(self, shown: str) -> None:
        """Something is wrong with the program."""
        if self.as_json:
            self._json({"event": "mistake", "text": shown})
        else:
            self._make_way()
            click.secho(shown, fg="red", err=True)

    def remark(self, remark: Remark) -> None:
        """Something that the author should know."""
        if not self.as_json:
            self._make_way()
            say(self.name, remark)
            return
        place = f":{remark.place.line}:{remark.place.column}" if remark.place else ""
        self._json({"event": "remark", "text": f"{self.name}{place}: {remark.text}"})

    def figures(self, stage: Stage) -> None:
        """How it goes, once a second; for programs only."""
        if not self.as_json:
            return
        counts, performance = stage.counts(), stage.performance
        self._json(
            {
                "cycle": float(performance.player.cycle),
                "blocks": counts.blocks,
                "xruns": counts.xruns,
                "block_p99_ms": counts.took.p99_ms,
                "refused": performance.scheduler.refused,
                "clipped_samples": performance.player.clipped,
                "missed_sounds": performance.sounds.missed,
            }
        )

    def _make_way(self) -> None:
        if self._line is not None:
            self._line.clear()

    def _json(self, fields: dict[str, Any]) -> None:
        click.echo(msgspec.json.encode({"v": 1, **fields}))


def take_up(stage: Stage, text: str, says: Says) -> Program | None:
    """Play a text from now on; None: it has a mistake, which is told, and what played goes on."""
    from gapless.play.errors import PlayError

    try:
        with compiling():
            program = stage.performance.set(text, says.name)
    except PlayError as error:
        says.mistake(error.shown(text, says.name))
    except ConfigError as error:
        says.mistake(error.message)
    else:
        says.event(
            "changed",
            f"cycle {float(stage.performance.player.cycle):.2f}: {', '.join(program.outputs)}",
        )
        for remark in program.remarks:
            says.remark(remark)
        return program
    return None


def check_alive(stage: Stage, says: Says) -> None:
    """Say what came up in the meantime; the process ends with 1 if the device is gone."""
    for remark in stage.performance.remarks():
        says.remark(remark)
    if not stage.alive():
        says.event("lost", "the sound device is gone; start again")
        raise SystemExit(1)


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """Set when the process is told to end."""
    end = threading.Event()
    signals = [getattr(signal, name) for name in ENDINGS if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: end.set()) for number in signals}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
