"""``gapless listen``: captions of what the microphone hears.

In: a microphone. Out: captions on standard output. Invariants: Ctrl-C makes what was said before it final, then ends; a
second one ends at once. Thread: main.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

import click

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved


@click.command(
    epilog=examples(
        "gapless listen",
        "gapless listen --device usb --denoise 0.7",
        "gapless listen > notes.txt",
        "gapless listen --list-devices",
    )
)
@click.option("--device", metavar="NAME", help="Name of a microphone, or a part of it.")
@click.option("--list-devices", is_flag=True, help="List the microphones and end.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON an event, partials too.")
@with_settings("model", "language", "denoise", "endpointing_ms", "models_dir")
def listen(resolved: Resolved, *, device: str | None, list_devices: bool, as_json: bool) -> None:
    """Caption the microphone in the terminal.

    What is being said stays on the last line, its settled part bright; what was said scrolls up. Into a pipe go
    finished utterances only. Ctrl-C ends, after the last words.
    """
    if list_devices:
        _print_devices(as_json=as_json)
        return

    from rich.console import Console

    from gapless import api
    from gapless.audio.device.microphone import open_microphone
    from gapless.audio.types import samples_to_ms
    from gapless.cli.captions import json_captions, line_captions, live_captions
    from gapless.cli.engine import open_engine

    if as_json:
        captions = json_captions()
    elif sys.stdout.isatty():
        captions = live_captions(Console())
    else:
        captions = line_captions()
    with (
        open_engine(resolved) as engine,
        open_microphone(device) as microphone,
        _interrupt_calls(microphone.close),
        captions as show,
        closing(api.listen(microphone, rate_hz=microphone.rate_hz, engine=engine)) as events,
    ):
        for event in events:
            show(event)
    if microphone.lost_samples:
        lost_ms = samples_to_ms(microphone.lost_samples, microphone.rate_hz)
        click.secho(
            f"gapless: {lost_ms} ms of sound were lost because this machine could not keep up; "
            "use a smaller model",
            fg="yellow",
            err=True,
        )


@contextmanager
def _interrupt_calls(end: Callable[[], None]) -> Iterator[None]:
    """Within the context the first Ctrl-C calls ``end``; a second one interrupts as ever."""

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        end()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print_devices(*, as_json: bool) -> None:
    import msgspec

    from gapless.audio.device.microphone import list_devices
    from gapless.errors import DeviceError

    devices = list_devices()
    if as_json:
        click.echo(msgspec.json.encode(devices))
        return
    if not devices:
        raise DeviceError("there is no microphone here; plug one in, or use `gapless transcribe`")
    for device in devices:
        mark = "*" if device.default else " "
        click.echo(f"{mark} {device.name}  ({device.channels} channels, {device.rate_hz} Hz)")
