"""How what was seen is shown: a dashboard that stays in place, lines, or lines of JSON.

In: looks. Out: text on standard output. Invariants: a key is answered at once, also while a server does not answer.
Thread: main; the questions are asked by another.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, Self

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gapless.cli.mic_keys import open_keys
from gapless.cli.monitor_ask import Look
from gapless.cli.monitor_view import render
from gapless.cli.monitor_words import status_line
from gapless.errors import GaplessError

KEYS_S: Final = 0.1
"""How soon a key is answered."""

Show = Callable[[Look | None], bool]
"""Shows something new, or nothing new; whether to go on."""


class Watch:
    """Looks again and again; a context manager.

    Args:
        look: asks; may wait for as long as it has patience.
        every_s: from one look to the next.
    """

    def __init__(self, look: Callable[[], Look], every_s: float) -> None:
        self._look = look
        self._every_s = every_s
        self._ended = threading.Event()
        self._seen: queue.Queue[Look | GaplessError] = queue.Queue(1)
        # It ends with the process at the latest, which waits for no server.
        self._thread = threading.Thread(target=self._run, name="gapless-monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def take(self, timeout_s: float) -> Look | None:
        """What was seen since the last time; None: nothing yet.

        Raises:
            GaplessError: looking makes no sense any more.
        """
        with suppress(queue.Empty):
            seen = self._seen.get(timeout=timeout_s)
            if isinstance(seen, GaplessError):
                raise seen
            return seen
        return None

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._seen.put(self._look())
            except GaplessError as error:
                self._seen.put(error)
                return
            self._ended.wait(self._every_s)


@contextmanager
def dashboard(console: Console) -> Iterator[Show]:
    """Everything, in place."""
    last: Look | None = None
    size = console.size

    def show(seen: Look | None) -> bool:
        nonlocal last, size
        if seen is not None or size != console.size:
            last, size = seen or last, console.size
            if last is not None:
                live.update(render(last, size.width, size.height), refresh=True)
        return "q" not in poll()

    with (
        open_keys() as poll,
        Live(
            Text("asking …", "dim"),
            console=console,
            auto_refresh=False,
            screen=True,
            redirect_stdout=False,
        ) as live,
    ):
        yield show


@contextmanager
def lines() -> Iterator[Show]:
    """A line each."""

    def show(seen: Look | None) -> bool:
        if seen is not None:
            click.echo(status_line(seen))
        return True

    yield show


@contextmanager
def json_lines() -> Iterator[Show]:
    """A line of JSON each."""

    def show(seen: Look | None) -> bool:
        if seen is not None:
            click.echo(msgspec.json.encode(seen))
        return True

    yield show


def choose_show(*, as_json: bool) -> AbstractContextManager[Show]:
    """The way that fits what was asked for and where the output goes."""
    if as_json:
        return json_lines()
    return dashboard(Console()) if sys.stdout.isatty() else lines()
