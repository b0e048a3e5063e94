"""Checking that models are as they came.

In: settings and names. Out: what was found of each. Invariants: nothing is changed. Thread: main.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress

from gapless.listen.recogniser.shelf.folders import recogniser_folders
from gapless.listen.recogniser.shelf.install import Verified, verify_model
from gapless.settings import Settings

MARKS: Final = {"ok": ("✓", "green"), "unknown": ("?", "yellow"), "broken": ("✗", "red")}


def verify(settings: Settings, names: Sequence[str]) -> tuple[Verified, ...]:
    """Check the named models, or all that were pulled or added."""
    bars = Progress(
        console=Console(stderr=True), disable=not sys.stderr.isatty(), redirect_stdout=False
    )
    with bars:
        bar = bars.add_task("", total=None)
        found = []
        for name in names or recogniser_folders(settings.models_path):
            bars.update(bar, description=name)
            found.append(
                verify_model(
                    name, settings.models_path, lambda size_bytes: bars.advance(bar, size_bytes)
                )
            )
        return tuple(found)


def print_verified(found: Sequence[Verified]) -> None:
    """Write it for people."""
    for model in found:
        mark, colour = MARKS[model.state]
        click.echo(
            f"{click.style(mark, fg=colour)} {click.style(model.name, bold=True)}  {model.detail}"
        )
        for trouble in model.troubles:
            click.echo(f"  {trouble}")
    if not found:
        click.echo("No model was pulled or added.")
