"""The options of ``gapless mic`` that say what is to run, and the plan that they make.

In: options and settings. Out: a ``MicPlan``, or the command line that would make it again. Invariants: help, bounds and
defaults of what is a setting come from ``settings.py``. Thread: main.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import click
import msgspec

from gapless.cli.options import config_option, load
from gapless.errors import ConfigError
from gapless.settings import SettingInfo, Settings, describe_settings

if TYPE_CHECKING:
    from gapless.clean.mic.plan import MicPlan

P = ParamSpec("P")

SETTINGS: Final = ("mode", "model", "block", "amount", "gate")
"""Options that set a setting of the group mic: ``--mode`` sets ``mic_mode``."""

SERVERS: Final = ("pipewire", "pulseaudio", "jack", "portaudio")


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What was given on the command line; None and False: not given."""

    input: str | None
    output: bool
    play_to: str | None
    name: str | None
    server: str | None
    monitor: bool
    mode: str | None
    model: str | None
    block: str | None
    amount: float | None
    gate: bool | None
    config: Path | None


def run_options(
    command: Callable[Concatenate[RunOptions, P], None],
) -> Callable[..., None]:
    """Give a command the options; it gets them as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **values: P.kwargs) -> None:
        given: dict[str, Any] = {name: values.pop(name) for name in RunOptions.__struct_fields__}
        command(RunOptions(**given), *args, **values)

    decorated: Callable[..., None] = config_option(run)
    decorated = _plain_options(decorated)
    known = {info.name: info for info in describe_settings()}
    for name in reversed(SETTINGS):
        decorated = _setting_option(name, known[f"mic_{name}"])(decorated)
    for option in reversed(_DEVICE_OPTIONS):
        decorated = option(decorated)
    return decorated


name_option = click.option("--name", metavar="NAME", help="Which one, where several run: its name.")

_DEVICE_OPTIONS: Final = (
    click.option(
        "--input",
        metavar="DEV",
        help="Microphone to clean: a name or a part of one from `gapless devices`; default: the system's default. "
        "Remembered.",
    ),
    click.option(
        "--output",
        is_flag=True,
        help="Clean what you hear instead: be a speaker for other programs, and play on a real one.",
    ),
    click.option(
        "--play-to",
        metavar="DEV",
        help="With --output: the device to play on; default: the system's default. Remembered.",
    ),
    click.option(
        "--name",
        metavar="NAME",
        help='What other programs see.  [default: "Gapless Microphone" or "Gapless Speaker"]',
    ),
)


def _plain_options(command: Callable[..., None]) -> Callable[..., None]:
    monitor = click.option(
        "--monitor", is_flag=True, help="Play the cleaned microphone on the default output, too."
    )
    server = click.option(
        "--server",
        type=click.Choice(SERVERS),
        help="Sound server to use.  [default: the first of these that runs]",
    )
    return monitor(server(command))


def _setting_option(
    name: str, info: SettingInfo
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = str(info.default).lower() if isinstance(info.default, bool) else info.default
    help_text = f"{info.help}  [default: {default}; or ${info.env}]"
    if info.type == "true or false":
        return click.option(f"--{name}/--no-{name}", name, default=None, help=help_text)
    if info.type == "choice":
        kind: click.ParamType[Any] = click.Choice(info.bounds.split(" | "))
        return click.option(f"--{name}", name, type=kind, help=help_text)
    if info.type == "number":
        kind = click.FloatRange(0, 1)
        return click.option(f"--{name}", name, type=kind, metavar="NUMBER", help=help_text)
    return click.option(f"--{name}", name, metavar="NAME", help=help_text)


def make_plan(options: RunOptions) -> MicPlan:
    """What is to run.

    Raises:
        ConfigError: options that do not go together, or a setting that is not usable.
    """
    from gapless.clean.mic.places import check_name
    from gapless.clean.mic.plan import DEFAULT_NAMES, MicPlan

    if options.output and options.input is not None:
        raise ConfigError("--output cleans what is played, not a microphone; leave out --input")
    if options.output and options.monitor:
        raise ConfigError("with --output one hears the result anyway; leave out --monitor")
    if options.play_to is not None and not options.output:
        raise ConfigError("--play-to is for what one hears; add --output")
    kind: Any = "speaker" if options.output else "microphone"
    flags = {f"mic_{name}": getattr(options, name) for name in SETTINGS}
    settings = load(options.config, flags).settings
    return MicPlan(
        name=check_name(DEFAULT_NAMES[kind] if options.name is None else options.name),
        kind=kind,
        device=options.play_to if options.output else options.input,
        server=options.server,
        block=settings.mic_block,
        monitor=options.monitor,
        engine=engine_options(settings),
    )


def engine_options(settings: Settings) -> Any:
    """Settings of the group mic as what an engine is made with."""
    from gapless.clean.mic.status import MicOptions

    return MicOptions(
        mode=settings.mic_mode,
        model=settings.mic_model,
        amount=settings.mic_amount,
        gate=settings.mic_gate,
        gate_hang_over_ms=settings.mic_gate_hang_over_ms,
        cap_samples=settings.mic_cap_samples,
        crossfade_samples=settings.mic_crossfade_samples,
        breaker_late_blocks=settings.mic_late_blocks,
        breaker_pause_ms=settings.mic_suspension_ms,
        model_timeout_ms=settings.mic_model_timeout_ms,
        min_fill_ms=settings.mic_min_fill_ms,
        max_fill_ms=settings.mic_max_fill_ms,
        models_dir=str(settings.models_path),
    )


def as_arguments(options: RunOptions) -> list[str]:
    """The arguments that give these options again, from any folder."""
    words: list[str] = []
    for name in RunOptions.__struct_fields__:
        value = getattr(options, name)
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            if value or name == "gate":
                words.append(flag if value else f"--no-{name}")
        elif isinstance(value, Path):
            words += [flag, str(value.expanduser().absolute())]
        elif value is not None:
            words += [flag, str(value)]
    return words
