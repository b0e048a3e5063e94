"""Pulling a model, with a bar.

In: settings and a name. Out: a folder with the model. Invariants: the bar never touches standard output, which may be a
pipe; Ctrl-C keeps what has arrived. Thread: main.
"""

from __future__ import annotations

import sys

import click
import msgspec
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from gapless.listen.recogniser.shelf.hub.pull import PullOptions, pull_model
from gapless.listen.recogniser.shelf.receipt import read_receipt
from gapless.settings import Settings


class Pulled(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    name: str
    folder: str
    source: str
    revision: str
    licence: str
    size_bytes: int


def pull(settings: Settings, name: str, options: PullOptions) -> Pulled:
    """Fetch a model onto the shelf."""
    bars = Progress(
        *Progress.get_default_columns(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
    )
    with bars:
        bar = bars.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            bars.update(bar, completed=done, total=total)

        try:
            folder = pull_model(name, settings.models_path, report, options)
        except KeyboardInterrupt:
            click.secho(
                f"Stopped; what has arrived is kept, and `gapless models pull {name}` goes on from there.",
                err=True,
            )
            raise
    receipt = read_receipt(folder)
    if receipt is None:  # it was copied here by hand, and was left alone
        return Pulled(folder.name, str(folder), "", "", "", 0)
    return Pulled(
        name=folder.name,
        folder=str(folder),
        source=receipt.source,
        revision=receipt.revision,
        licence=receipt.licence,
        size_bytes=receipt.size_bytes,
    )
