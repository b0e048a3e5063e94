"""Options that the commands of playing share: what to play, for how long, at which rate, and on which device.

In: options of a command. Out: click options, each defined once; ``SoundOptions``, and the stage that they ask for.
Thread: main.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import click
import msgspec

from gapless.errors import DeviceError

if TYPE_CHECKING:
    from gapless.play.live.stage import Stage

P = ParamSpec("P")

LIVE_RATE_HZ: Final = 48_000
FILE_RATE_HZ: Final = 44_100


class SoundOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where sound goes, and how it is made."""

    output: str | None
    server: str | None
    rate: int
    block: int
    lead: float
    samples: tuple[Path, ...]

    def open_stage(self, client: str) -> Stage:
        """What plays on the device; close it.

        Args:
            client: what the sound server shows to its users.

        Raises:
            DeviceError: there is no such device, or none at all.
            ConfigError: there is no such sound server, or the lead is out of bounds.
        """
        from gapless.audio.device.find import find_server
        from gapless.audio.device.server import StreamOptions
        from gapless.play.live.stage import Stage

        options = StreamOptions(
            client=client,
            input="",
            output=self.output,
            output_channels=2,
            rate_hz=self.rate,
            block_frames=self.block,
        )
        try:
            return Stage(find_server(self.server), options, self.samples, self.lead)
        except DeviceError as error:
            raise DeviceError(
                f"{error.message}. Without a sound device: gapless render makes a recording, and gapless serve "
                "plays in a browser, at /play"
            ) from error


def with_sound(
    command: Callable[Concatenate[SoundOptions, P], None],
) -> Callable[..., None]:
    """Give a command that plays on a device its options; it gets ``SoundOptions`` as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **values: P.kwargs) -> None:
        taken: dict[str, Any] = {name: values.pop(name) for name in SoundOptions.__struct_fields__}
        command(SoundOptions(**taken), *args, **values)

    decorated: Callable[..., None] = run
    for option in reversed(_SOUND_OPTIONS):
        decorated = option(decorated)
    return decorated


def rate_option(default_hz: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--rate``."""
    return click.option(
        "--rate",
        type=click.IntRange(8000, 96_000),
        default=default_hz,
        show_default=True,
        metavar="HZ",
        help="Samples a second.",
    )


def length_options(
    most_s: float | None, default: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--cycles`` and ``--duration``.

    Args:
        most_s: the longest duration; None: any.
        default: of the cycles, as the help tells it; empty: none.
    """
    said = f"  [default: {default}]" if default else ""
    cycles = click.option("--cycles", metavar="N", help=f"Length in cycles.{said}")
    duration = click.option(
        "--duration",
        type=click.FloatRange(0, most_s, min_open=True),
        metavar="S",
        help="Length in s.",
    )
    return lambda command: cycles(duration(command))


code_option: Final = click.option(
    "--code", metavar="TEXT", help="The program itself, instead of a file."
)

samples_option: Final = click.option(
    "--samples",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder of sounds, one folder for each name; may be given several times.",
)

lines_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Lines of JSON: events, and figures each second."
)

_SOUND_OPTIONS: Final = (
    click.option(
        "--output", metavar="DEV", help="A device's name, or a part of it.  [default: the system's]"
    ),
    click.option(
        "--server",
        metavar="NAME",
        help="pipewire, pulseaudio, jack or portaudio.  [default: the first that runs]",
    ),
    rate_option(LIVE_RATE_HZ),
    click.option(
        "--block",
        type=click.IntRange(16, 8192),
        default=256,
        show_default=True,
        metavar="FRAMES",
        help="Frames that the device asks for at a time.",
    ),
    click.option(
        "--lead",
        type=click.FloatRange(5, 1000),
        default=25.0,
        show_default=True,
        metavar="MS",
        help="How far ahead the patterns are asked; more, where the machine is busy.",
    ),
    samples_option,
)
