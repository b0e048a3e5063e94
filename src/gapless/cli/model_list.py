"""Which models are here, and which can be had.

In: settings. Out: a list, as a struct and for people. Invariants: no model is loaded to list it. Thread: main.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Final

import click
import msgspec

from gapless.cli.tensor_models import list_entries, table_console
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.scan import Entry
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recogniser.shelf.folders import recogniser_folders
from gapless.listen.recogniser.shelf.hub.catalogue import catalogue
from gapless.listen.recogniser.shelf.shelf import Shelf
from gapless.settings import Settings

MOST_NAMED: Final = 6
"""Languages that are named; more are counted."""


class TensorModel(msgspec.Struct, frozen=True):
    """A model of tensors."""

    name: str
    versions: tuple[str, ...]
    """Those that are served, ascending."""
    kind: str
    platform: str
    description: str
    licence: str
    trouble: str
    """Why it is not served, or not as its folder says now."""


class ModelList(msgspec.Struct, frozen=True):
    """All models that are here."""

    recognisers: tuple[RecogniserInfo, ...]
    """The default first."""
    default: Choice
    """Which recogniser is used where none is asked for, and why."""
    tensors: tuple[TensorModel, ...]


class Offer(msgspec.Struct, frozen=True):
    """A model that can be pulled."""

    name: str
    here: bool
    family: str
    languages: tuple[str, ...]
    """Empty: about a hundred."""
    live: bool
    """It gives partial results."""
    word_times: bool
    size_bytes: int | None
    """None: the hub knows."""
    size_class: str
    quality: int
    cpus: int
    licence: str
    verified: bool
    """The sum of every file is known before it is pulled."""
    source: str
    revision: str
    description: str


def list_all(settings: Settings) -> ModelList:
    """Look into the folders of models."""
    with closing(Shelf(settings)) as shelf:
        recognisers, default = tuple(shelf.list()), shelf.default()
    tensors = tuple(map(_tensor_model, list_entries(settings).values()))
    return ModelList(recognisers, default, tensors)


def list_available(settings: Settings) -> tuple[Offer, ...]:
    """What can be pulled by name."""
    here = recogniser_folders(settings.models_path)
    return tuple(
        Offer(
            name=model.name,
            here=model.name in here,
            family=model.family,
            languages=model.languages,
            live=model.live,
            word_times=model.word_times,
            size_bytes=model.size_bytes,
            size_class=model.size_class,
            quality=model.quality,
            cpus=model.cpus,
            licence=model.licence,
            verified=model.verified,
            source=model.repository,
            revision=model.revision,
            description=model.description,
        )
        for model in catalogue().values()
    )


def print_list(models: ModelList) -> None:
    """Write it for people."""
    click.echo("Recognisers")
    for info in models.recognisers:
        languages = ", ".join(info.languages) or "many languages"
        facts = ", ".join(filter(None, (languages, info.licence, info.kind)))
        click.echo(f"{click.style(info.name, bold=True)}  {facts}")
        click.echo(f"  {info.description}")
        if info.name == models.default.name:
            click.echo(f"  The default: {models.default.reason}.")
    click.echo("\nModels of tensors")
    for model in models.tensors:
        facts = ", ".join(filter(None, (model.kind, model.platform, model.licence)))
        click.echo(f"{click.style(model.name, bold=True)} {', '.join(model.versions)}  {facts}")
        if model.description:
            click.echo(f"  {model.description}")
        if model.trouble:
            click.secho(f"  {model.trouble}", fg="yellow")


def print_available(offers: Sequence[Offer]) -> None:
    """Write it for people, as a table."""
    from rich.table import Table

    columns = ("name", "languages", "size", "partial results", "quality", "CPUs", "licence")
    table = Table(*columns, box=None)
    for offer in offers:
        languages = ", ".join(offer.languages) or "about 100"
        table.add_row(
            f"{offer.name} ✓" if offer.here else offer.name,
            languages if len(offer.languages) < MOST_NAMED else f"{len(offer.languages)}",
            "?" if offer.size_bytes is None else f"{offer.size_bytes / 1e6:.0f} MB",
            "yes" if offer.live else "",
            str(offer.quality),
            str(offer.cpus),
            offer.licence,
        )
    table_console().print(table)
    click.echo(
        "\nquality: 1 to 5, from published error rates; CPUs: from how many on it should keep up with one stream,\n"
        "from its size. Neither was measured here.\n"
        "`gapless models pull NAME` adds one; ✓ is here already."
    )


def _tensor_model(entry: Entry) -> TensorModel:
    said = entry.manifest or Manifest()
    return TensorModel(
        name=entry.name,
        versions=tuple(str(version.number) for version in entry.versions),
        kind=said.kind,
        platform=said.platform,
        description=said.description,
        licence=said.licence,
        trouble=entry.trouble,
    )
