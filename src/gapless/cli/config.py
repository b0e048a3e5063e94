"""``gapless config``: what the settings are, what they mean, and a file to start from.

In: the settings of this process. Out: text for people, JSON for programs, TOML for the settings file, variables for the
environment. Invariants: secrets are never printed; the templates, uncommented, give the defaults. Thread: main.
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
from gapless.settings import (
    HIDDEN,
    NO_BOUND,
    SECRETS,
    Resolved,
    SettingInfo,
    describe_settings,
    setting_row,
    setting_rows,
)
from gapless.tune.probe import read_facts
from gapless.tune.table import machine_line, why_of

NOT_SET: Final = "(not set)"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def config() -> None:
    """Show settings and where they came from.

    A setting is taken from, in order of increasing weight: its default, the settings file (--config,
    $GAPLESS_CONFIG, ./gapless.toml or ~/.config/gapless/gapless.toml), the variable GAPLESS_<NAME>,
    and the option of a command. Some are chosen for this machine where nobody sets them: by what gapless
    tune measured, else by a formula, between GAPLESS_<NAME>_MIN and GAPLESS_<NAME>_MAX.
    """


@config.command()
@json_option
@config_option
def show(config: Path | None, *, as_json: bool) -> None:
    """Print every value that is in force, and where it came from."""
    resolved = load(config)
    if as_json:
        click.echo(json.dumps(setting_rows(resolved), indent=2))
        return
    for group, infos in groupby(describe_settings(), key=lambda info: info.group):
        click.secho(f"[{group}]", bold=True)
        for info in infos:
            source = resolved.sources[info.name]
            value = f"{_shown(info.name, resolved)} {info.unit}".rstrip()
            line = f"  {info.name:<20} {value:<28} {why_of(source)}"
            click.secho(line, dim=source.kind == "default")


@config.command()
@click.argument("name", required=False)
@json_option
@config_option
def explain(name: str | None, config: Path | None, *, as_json: bool) -> None:
    """Print what a setting means: type, unit, bounds, default, present value and why it has it.

    NAME is a setting such as endpointing_ms; without it, all are explained, and the machine.
    """
    resolved = load(config)
    infos = [info for info in describe_settings() if name in (None, info.name)]
    if not infos:
        raise NotFoundError(
            f"there is no setting {name!r}; `gapless config show` lists them all", param="name"
        )
    if as_json:
        rows = {info.name: setting_row(info, resolved) for info in infos}
        click.echo(json.dumps(rows, indent=2))
        return
    if name is None:
        click.echo(f"This machine: {machine_line(read_facts(resolved.settings.data_path))}\n")
    click.echo("\n".join(_explanation(info, resolved) for info in infos), nl=False)


@config.command(
    epilog=examples(
        "gapless config template > gapless.toml",
        "gapless config template --env > .env",
    )
)
@click.option("--env", "as_env", is_flag=True, help="Print variables for the environment instead.")
def template(*, as_env: bool) -> None:
    """Print a settings file with every default, commented out."""
    text = env_template if as_env else settings_template
    click.echo(text(describe_settings()), nl=False)


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
            planned = "planned" if info.planned else ""
            facts = ", ".join(fact for fact in (info.unit, info.bounds, planned) if fact)
            lines.append(f"# {info.help}" + (f" ({facts})" if facts else ""))
            lines.append(f"# {info.name} = {toml_value(info.default)}")
    return "\n".join(lines) + "\n"


def env_template(infos: Iterable[SettingInfo]) -> str:
    """Variables that name every setting with its help, bounds and default, each commented out."""
    lines = [
        "# Settings of Gapless as variables: remove the '#' before a name to change its value.",
        "# A planned setting is chosen for the machine where nobody sets it, between <NAME>_MIN and <NAME>_MAX;",
        "# `gapless config explain NAME` prints its value and why. Made by tools/make_reference.py.",
    ]
    for group, members in groupby(infos, key=lambda info: info.group):
        lines += ["", f"# --- {group} ---"]
        for info in members:
            facts = ", ".join(fact for fact in (info.type, info.unit, info.bounds) if fact)
            planned = "; planned" if info.planned else ""
            lines += [
                "",
                f"# {info.help} ({facts}{planned})",
                f"# {info.env}={env_value(info.default)}",
            ]
            if info.planned:
                most = info.default if info.most is None else info.most
                lines += [f"# {info.env}_MIN={info.least}", f"# {info.env}_MAX={most}"]
    return "\n".join(lines) + "\n"


def env_value(value: Any) -> str:
    """A default as the text of a variable."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def toml_value(value: Any) -> str:
    """A default as TOML; nothing is written as an empty text, which ``load_settings`` reads as nothing."""
    if value is None:
        return '""'
    # The scalars and lists that settings are made of look alike in JSON and TOML.
    return json.dumps(value)


def _explanation(info: SettingInfo, resolved: Resolved) -> str:
    bound = resolved.bounds.get(info.name, NO_BOUND)
    ends = [
        f"{word} {value} ({source})"
        for word, value, source in (
            ("at least", bound.low, bound.low_source),
            ("at most", bound.high, bound.high_source),
        )
        if value is not None
    ]
    facts = {
        "type": info.type + (f", {info.bounds}" if info.bounds else ""),
        "unit": info.unit,
        "default": "as the plan says" if info.planned else toml_value(info.default),
        "bounds": ", ".join(ends)
        or (f"none; {info.env}_MIN, {info.env}_MAX" if info.planned else ""),
        "now": f"{_shown(info.name, resolved)}  ({why_of(resolved.sources[info.name])})",
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
