"""Options that set settings, and where the settings file is looked for.

In: names of settings. Out: click options with the help, unit, bounds and default of the setting, and ``Resolved``
settings for the command. Invariants: nothing is said twice: all text comes from ``settings.py``. Thread: main.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Concatenate, Final, ParamSpec

import click

from gapless.settings import SECRETS, Resolved, SettingInfo, describe_settings, load_settings
from gapless.tune.fit import fit_here
from gapless.tune.simd import choose_instructions

P = ParamSpec("P")

CONFIG_VARIABLE: Final = "GAPLESS_CONFIG"
CONFIG_NAME: Final = "gapless.toml"


def examples(*lines: str) -> str:
    """The end of a help page: commands to copy, each on a line of its own."""
    # click leaves a paragraph that begins with a backspace as it is.
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def find_config_file(env: Mapping[str, str]) -> Path | None:
    """The settings file to read where ``--config`` names none.

    ``$GAPLESS_CONFIG`` (which must exist, but for an empty one: no file at all), else the first that exists of
    ``./gapless.toml`` and ``$XDG_CONFIG_HOME/gapless/gapless.toml`` (``~/.config`` by default).
    """
    named = env.get(CONFIG_VARIABLE)
    if named is not None:
        return Path(named).expanduser() if named else None
    home = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    places = (Path(CONFIG_NAME), home / "gapless" / CONFIG_NAME)
    return next((place for place in places if place.is_file()), None)


def load(config: Path | None = None, flags: Mapping[str, object] | None = None) -> Resolved:
    """Settings from all sources, with the plan for this machine in the place of what nobody set.

    What a person should know of them (old names, a measurement of another machine) is written to standard error; the
    kernels that are imported later are compiled for the processor that the settings say.

    Args:
        config: the file that ``--config`` named; None looks in the usual places.
        flags: values of options by the name of their setting; None values mean "not given". A model that is
            the path of a folder is looked for from here.

    Raises:
        ConfigError: an unknown name or an unusable value; says where it came from.
    """
    given = dict(flags or {})
    model = given.get("model")
    if isinstance(model, str) and os.sep in model:
        given["model"] = str(Path(model).expanduser().absolute())
    resolved = fit_here(load_settings(file=config or find_config_file(os.environ), flags=given))
    for notice in resolved.notices:
        click.echo(f"gapless: {notice}", err=True)
    choose_instructions(resolved.settings, os.environ)
    return resolved


def with_settings(
    *names: str,
) -> Callable[[Callable[Concatenate[Resolved, P], None]], Callable[..., None]]:
    """Give a command ``--config`` and an option for each named setting; it gets ``Resolved`` as its first argument.

    Put it right above the function, so that the command's own options come first in its help.
    """

    def decorate(command: Callable[Concatenate[Resolved, P], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(config: Path | None, *args: P.args, **values: P.kwargs) -> None:
            flags = {name: values.pop(name) for name in names}
            command(load(config, flags), *args, **values)

        decorated: Callable[..., None] = config_option(run)
        known = {info.name: info for info in describe_settings()}
        for name in reversed(names):
            decorated = setting_option(known[name])(decorated)
        return decorated

    return decorate


config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"Settings file (TOML).  [default: ${CONFIG_VARIABLE}, ./{CONFIG_NAME}, "
    f"~/.config/gapless/{CONFIG_NAME}]",
)


def setting_option(info: SettingInfo) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option that sets a setting. ``load_settings`` checks its value, as it does for all sources."""
    flag = "--" + info.name.replace("_", "-")
    help_text = f"{info.help}  {_facts(info)}"
    if info.type == "true or false":
        return click.option(f"{flag}/--no-{flag[2:]}", info.name, default=None, help=help_text)
    if info.type == "choice":
        return click.option(
            flag, info.name, type=click.Choice(info.bounds.split(" | ")), help=help_text
        )
    return click.option(flag, info.name, metavar=_metavar(info), help=help_text)


def _facts(info: SettingInfo) -> str:
    facts = [info.bounds] if info.bounds and info.type != "choice" else []
    if info.planned:
        facts.append("default: as the plan says")
    elif info.default not in (None, "", ()) and info.name not in SECRETS:
        facts.append(
            f"default: {str(info.default).lower() if info.default in (True, False) else info.default}"
        )
    facts.append(f"or ${info.env}")
    return f"[{'; '.join(facts)}]"


def _metavar(info: SettingInfo) -> str:
    if info.unit:
        return info.unit.upper()
    if info.name.endswith("_dir"):
        return "DIR"
    return {"whole number": "INTEGER", "number": "NUMBER"}.get(info.type, "TEXT")
