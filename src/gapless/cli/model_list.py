"""Which models are here.

In: settings. Out: a list, as a struct and for people. Invariants: no model is loaded to list it. Thread: main.
"""

from __future__ import annotations

from contextlib import closing

import click
import msgspec

from gapless.cli.tensor_models import list_entries
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.scan import Entry
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recogniser.shelf import Shelf
from gapless.settings import Settings


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
    tensors: tuple[TensorModel, ...]


def list_all(settings: Settings) -> ModelList:
    """Look into the folders of models."""
    with closing(Shelf(settings)) as shelf:
        recognisers = tuple(shelf.list())
    return ModelList(recognisers, tuple(map(_tensor_model, list_entries(settings).values())))


def print_list(models: ModelList) -> None:
    """Write it for people."""
    click.echo("Recognisers")
    for info in models.recognisers:
        languages = ", ".join(info.languages) or "many languages"
        click.echo(f"{click.style(info.name, bold=True)}  {languages}, {info.licence}, {info.kind}")
        click.echo(f"  {info.description}")
    click.echo("\nModels of tensors")
    for model in models.tensors:
        facts = ", ".join(filter(None, (model.kind, model.platform, model.licence)))
        click.echo(f"{click.style(model.name, bold=True)} {', '.join(model.versions)}  {facts}")
        if model.description:
            click.echo(f"  {model.description}")
        if model.trouble:
            click.secho(f"  {model.trouble}", fg="yellow")


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
