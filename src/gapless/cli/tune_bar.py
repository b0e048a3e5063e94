"""The bar of ``gapless tune``.

In: what is tried. Out: a bar on standard error, which is a terminal. Thread: main; it is drawn by another.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from gapless.bench.tuning import experiment


class TuneBar:
    """Shows the progress. Use it as a context manager, which gives the function to tell."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Callable[[experiment.Progress], None]:
        self._bar.start()
        return self._tell

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def _tell(self, now: experiment.Progress) -> None:
        text = f"{now.stage.name}: {now.candidate} ({now.left} left)"
        self._bar.update(self._task, description=text, completed=now.done_share)
