"""``gapless config``: what the settings are, what they mean, and a file to start from.

In: the settings of this process. Out: text for people, JSON for programs, TOML for the settings file.
Invariants: secrets are never printed; the template, uncommented, gives the defaults. Thread: main.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import click

from gapless.cli.options import CONFIG_NAME, CONFIG_VARIABLE, config_option, examples, load
from gapless.errors import NotFoundError
from gapless.settings import SECRETS, Resolved, SettingInfo, Source, describe_settings

HIDDEN: Final = "(secret)"
"""Stands for the value of a secret that is set."""

NOT_SET: Final = "(not set)"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def config() -> None:
    """Show settings and where they came from.

    A setting is taken from, in order of increasing weight: its default, the settings file (--config,
    $GAPLESS_CONFIG, ./gapless.toml or ~/.config/gapless/gapless.toml), the variable GAPLESS_<NAME>,
    and the option of a command.
    """


@config.command()
@json_option
@config_option
def show(config: Path | None, *, as_json: bool) -> None:
    """Print every value that is in force, and where it came from."""
    resolved = load(config)
    if as_json:
        rows = {info.name: _row(info, resolved) for info in describe_settings()}
        click.echo(json.dumps(rows, indent=2))
        return
    for group, infos in groupby(describe_settings(), key=lambda info: info.group):
        click.secho(f"[{group}]", bold=True)
        for info in infos:
            source = resolved.sources[info.name]
            value = f"{_shown(info.name, resolved)} {info.unit}".rstrip()
            line = f"  {info.name:<20} {value:<28} {_origin(source)}"
            click.secho(line, dim=source.kind == "default")


@config.command()
@click.argument("name", required=False)
@json_option
@config_option
def explain(name: str | None, config: Path | None, *, as_json: bool) -> None:
    """Print what a setting means: type, unit, bounds, default and present value.

    NAME is a setting such as endpointing_ms; without it, all are explained.
    """
    resolved = load(config)
    infos = [info for info in describe_settings() if name in (None, info.name)]
    if not infos:
        raise NotFoundError(
            f"there is no setting {name!r}; `gapless config show` lists them all", param="name"
        )
    if as_json:
        rows = {info.name: _row(info, resolved) for info in infos}
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("\n".join(_explanation(info, resolved) for info in infos), nl=False)


@config.command(
    epilog=examples(
        "gapless config template > gapless.toml",
    )
)
def template() -> None:
    """Print a settings file with every default, commented out."""
    click.echo(settings_template(describe_settings()), nl=False)


def settings_template(infos: Iterable[SettingInfo]) -> str:
    """A TOML file that names every setting with its help and its default, each commented out."""
    lines = [
        "# Settings of Gapless: remove the '#' before a name to change its value.",
        f"# Looked for in ${CONFIG_VARIABLE}, ./{CONFIG_NAME} and ~/.config/gapless/{CONFIG_NAME};",
        "# `gapless config show` prints what is in force.",
    ]
    for group, members in groupby(infos, key=lambda info: info.group):
        lines += ["", f"[{group}]"]
        for info in members:
            facts = ", ".join(fact for fact in (info.unit, info.bounds) if fact)
            lines.append(f"# {info.help}" + (f" ({facts})" if facts else ""))
            lines.append(f"# {info.name} = {toml_value(info.default)}")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A default as TOML; nothing is written as an empty text, which ``load_settings`` reads as nothing."""
    if value is None:
        return '""'
    # The scalars and lists that settings are made of look alike in JSON and TOML.
    return json.dumps(value)


def _row(info: SettingInfo, resolved: Resolved) -> dict[str, Any]:
    source = resolved.sources[info.name]
    value = getattr(resolved.settings, info.name)
    return {
        "value": HIDDEN if info.name in SECRETS and value is not None else value,
        "source": source.kind,
        "source_detail": source.detail,
        "default": info.default,
        "type": info.type,
        "unit": info.unit,
        "bounds": info.bounds,
        "env": info.env,
        "help": info.help,
    }


def _explanation(info: SettingInfo, resolved: Resolved) -> str:
    facts = {
        "type": info.type + (f", {info.bounds}" if info.bounds else ""),
        "unit": info.unit,
        "default": toml_value(info.default),
        "now": f"{_shown(info.name, resolved)}  ({_origin(resolved.sources[info.name])})",
        "set by": f"{info.name} in [{info.group}] of the settings file, or {info.env}",
    }
    lines = [click.style(info.name, bold=True), f"  {info.help}"]
    lines += [f"  {label:<8} {fact}" for label, fact in facts.items() if fact]
    return "\n".join(lines) + "\n"


def _shown(name: str, resolved: Resolved) -> str:
    value = getattr(resolved.settings, name)
    if value in (None, ""):
        return NOT_SET
    return HIDDEN if name in SECRETS else toml_value(value)


def _origin(source: Source) -> str:
    return f"{source.kind}: {source.detail}" if source.detail else source.kind
