"""``gapless models``: which recognisers are here, and how to add one.

In: settings. Out: a list, a folder, or a model more on the shelf. Thread: main.
"""

from __future__ import annotations

import sys
from contextlib import closing

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved


@click.group()
def models() -> None:
    """List and add recognisers.

    PocketSphinx is always here; it is small, and wrong about one word in four. A Whisper model is far better: pull one
    by name where a model hub can be reached, or copy a CTranslate2 model directory into `gapless models path`.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@with_settings("model", "models_dir")
def list_models(resolved: Resolved, *, as_json: bool) -> None:
    """List the recognisers that are here, the default first."""
    from gapless.listen.recogniser.shelf import Shelf

    with closing(Shelf(resolved.settings)) as shelf:
        infos = shelf.list()
    if as_json:
        click.echo(msgspec.json.encode(infos))
        return
    for info in infos:
        languages = ", ".join(info.languages) or "many languages"
        click.echo(f"{click.style(info.name, bold=True)}  {languages}, {info.licence}, {info.kind}")
        click.echo(f"  {info.description}")


@models.command(epilog=examples("gapless models pull small.en", "gapless serve --model small.en"))
@click.argument("name")
@with_settings("models_dir")
def pull(resolved: Resolved, name: str) -> None:
    """Add a model from the model hub.

    NAME is one of the usual names of Whisper models (tiny, base, small, medium, large-v3, large-v3-turbo; the first
    four with .en for English only), or owner/name of a Whisper model in CTranslate2 format. What an interrupted pull
    has fetched is used by the next.
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from gapless.listen.recogniser.shelf import Shelf

    bars = Progress(
        *Progress.get_default_columns(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
    )
    with bars, closing(Shelf(resolved.settings)) as shelf:
        bar = bars.add_task(name, total=None)
        info = shelf.pull(name, lambda done, total: bars.update(bar, completed=done, total=total))
    click.echo(f"{info.name} is in {resolved.settings.models_path / info.name}")


@models.command()
@with_settings("models_dir")
def path(resolved: Resolved) -> None:
    """Print the folder that models are kept in."""
    click.echo(resolved.settings.models_path)
