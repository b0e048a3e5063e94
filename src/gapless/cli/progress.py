"""Progress bars: one for each file being worked on, one in all.

In: how much of each file is done. Out: bars on standard error, where that is a terminal; nothing otherwise.
Invariants: the bars never touch standard output, which may be a pipe. Thread: any.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gapless.transcript import clock


class FileBars:
    """Bars for a number of files. Use it as a context manager.

    Args:
        files: how many there are; the bar in all is left out for one.
    """

    def __init__(self, files: int) -> None:
        self._files = files
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[heard]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            # What is printed on a terminal goes through `say`; what goes into a pipe must stay untouched.
            redirect_stdout=False,
        )
        self._all = self._bars.add_task(
            "in all", total=files, heard=f"0/{files} files", visible=files > 1
        )
        self._done = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, name: str) -> TaskID:
        """Show a bar for a file."""
        return self._bars.add_task(Path(name).name, total=None, heard="")

    def advance(self, bar: TaskID, done_ms: int, duration_ms: int | None) -> None:
        """So much of the file is done; ``duration_ms`` is None where nobody knows its length."""
        self._bars.update(bar, completed=done_ms, total=duration_ms, heard=clock(done_ms, ".")[:-4])

    def end(self, bar: TaskID) -> None:
        """The file is done or has failed: its bar makes room for the next."""
        self._done += 1
        self._bars.remove_task(bar)
        self._bars.update(
            self._all, completed=self._done, heard=f"{self._done}/{self._files} files"
        )

    def say(self, text: str) -> None:
        """Print a result on standard output; where the bars share its terminal, above them."""
        if self._bars.disable or not sys.stdout.isatty():
            click.echo(text, nl=False)
        else:
            self._above(Text(text))

    def complain(self, message: str) -> None:
        """Say what went wrong with a file, above the bars."""
        if self._bars.disable:
            click.secho(message, fg="red", err=True)
        else:
            self._above(Text(f"{message}\n", "red"))

    def _above(self, text: Text) -> None:
        self._bars.console.print(text, end="", soft_wrap=True)


class WorkBar:
    """One bar for work of known length. Use it as a context manager.

    Args:
        what: is being done.
        total: of it.
    """

    def __init__(self, what: str, total: int) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, done: int) -> None:
        """So much more is done."""
        self._bar.advance(self._task, done)
