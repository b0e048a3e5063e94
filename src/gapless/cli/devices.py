"""``gapless devices``: what can be heard and played to here, and through which sound server.

In: a running sound server. Out: a line a device, or JSON. Thread: main.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gapless.cli.options import examples

if TYPE_CHECKING:
    from gapless.audio.device.server import Device


@click.command(epilog=examples("gapless devices", "gapless devices --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def devices(*, as_json: bool) -> None:
    """List microphones and outputs.

    Says which sound server was asked. The default of each kind has a star; the first word of a line is what --input
    and --output of the other commands take. The latency is what the server says of the device.
    """
    import msgspec

    from gapless.audio.device.find import find_server
    from gapless.errors import DeviceError

    server = find_server()
    found = server.devices()
    if as_json:
        click.echo(msgspec.json.encode({"server": server.name, "devices": found}))
        return
    if not found:
        raise DeviceError(f"{server.name} runs, but has no device; plug one in, then try again")
    click.echo(f"{server.name}\n")
    for direction in ("input", "output"):
        click.secho(f"{direction}s", bold=True)
        of_kind = [device for device in found if device.direction == direction]
        for device in of_kind:
            click.echo(_line(device))
        if not of_kind:
            click.echo("  none")


def _line(device: Device) -> str:
    mark = "*" if device.default else " "
    said = "" if device.description == device.name else f"  {device.description}"
    channels = "1 channel" if device.channels == 1 else f"{device.channels} channels"
    facts = [channels, f"{device.rate_hz} Hz"]
    if device.latency_ms is not None:
        facts.append(f"{device.latency_ms:.1f} ms")
    # Names come from whatever was plugged in: nothing of them may steer the terminal.
    text = "".join(letter for letter in f"{device.name}{said}" if letter.isprintable())
    return f"{mark} {text}  ({', '.join(facts)})"
