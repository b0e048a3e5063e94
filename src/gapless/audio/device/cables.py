"""Virtual cables: other people's drivers that repeat what is played to them as a microphone.

In: the devices of a machine. Out: the cable to use, or what to install. Invariants: no cable is found in a name that
only mentions one, such as that of an aggregate device. Thread: any.

macOS and Windows let no ordinary program make a device, so a virtual microphone there is one end of such a cable.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from gapless.audio.device.server import Device
from gapless.errors import DeviceError


class Cable(NamedTuple):
    """A cable of this machine."""

    product: str
    output: str
    """Name of the device that is played to."""
    input: str
    """Name of the device that repeats it: the one to pick in an application."""


class Product(NamedTuple):
    """A driver, by the names of its devices."""

    name: str
    output: re.Pattern[str]
    """``which``: what tells several of the kind apart."""
    input: str
    """The pattern of the other end, with the ``which`` that was found in it."""


def _product(name: str, output: str, other: str) -> Product:
    return Product(name, re.compile(output, re.IGNORECASE), other)


PRODUCTS: Final = (
    _product("BlackHole", r"(?P<which>BlackHole \d+ch)", "{which}"),
    _product("VB-CABLE", r"CABLE(?P<which>(-[A-D])?) Input\b.*", r"CABLE{which} Output\b.*"),
    _product("VB-CABLE", r"(?P<which>VB-Cable( [A-D])?)", "{which}"),
    _product("VB-CABLE", r"(?P<which>Hi-Fi Cable) Input\b.*", r"{which} Output\b.*"),
    _product("Loopback", r"(?P<which>Loopback Audio( \d+)?)", "{which}"),
    # A mixer: what its strip sends to bus B1 is its first output.
    _product("VoiceMeeter", r"VoiceMeeter Input\b.*", r"VoiceMeeter Out(put| B1)\b.*"),
    _product("VoiceMeeter", r"VoiceMeeter Aux Input\b.*", r"VoiceMeeter (Aux Output|Out B2)\b.*"),
)
"""In the order in which they are taken: plain cables before mixers, which must be set up."""

TO_INSTALL: Final = {
    "darwin": "BlackHole (existential.audio/blackhole)",
    "win32": "VB-CABLE (vb-audio.com/Cable)",
}
"""By platform: what is free and enough."""


def find_cables(devices: Sequence[Device]) -> list[Cable]:
    """All cables of a machine, the best first: those of which both ends are there."""
    inputs = [device.name for device in devices if device.direction == "input"]
    outputs = [device.name for device in devices if device.direction == "output"]
    found: list[Cable] = []
    for product in PRODUCTS:
        for output in outputs:
            if played := product.output.fullmatch(output):
                which = re.escape(played.groupdict().get("which", ""))
                other = re.compile(product.input.replace("{which}", which), re.IGNORECASE)
                ends = (name for name in inputs if other.fullmatch(name))
                found.extend(Cable(product.name, output, end) for end in list(ends)[:1])
    return found


def choose_cable(
    devices: Sequence[Device],
    kind: Literal["microphone", "speaker"] = "microphone",
    platform: str = sys.platform,
) -> Cable:
    """The cable to use.

    Args:
        devices: all of the machine.
        kind: what it is for.
        platform: Python's name of the system.

    Raises:
        DeviceError: there is none; says what to install and what to do then.
    """
    cables = find_cables(devices)
    if cables:
        return cables[0]
    name = TO_INSTALL.get(platform)
    if name is None:
        raise DeviceError(
            f"a virtual {kind} takes a sound server that can make one; start PipeWire or PulseAudio"
        )
    system = "macOS" if platform == "darwin" else "Windows"
    raise DeviceError(
        f"{system} lets no program make a {kind} of its own, and there is no virtual cable here: install {name}, "
        f"run this again, and pick the cable as {kind} in your application"
    )
