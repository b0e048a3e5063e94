"""PortAudio: devices of macOS, Windows, and whatever has no sound server that we know.

In: names of devices. Out: streams, and the ends of virtual cables. Invariants: of the ways in which a system offers
the same device one is listed; the end of a cable is heard only by name. Thread: one at a time.

Not tried on macOS and Windows: the tests run it on JACK's devices.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final, Literal

from gapless.audio.device.between import elastic_options, require_fit
from gapless.audio.device.cables import Cable, choose_cable, find_cables
from gapless.audio.device.choice import choose_device
from gapless.audio.device.portaudio_library import (
    OPEN,
    Place,
    Route,
    look_again,
    portaudio,
    told,
)
from gapless.audio.device.server import Device, Direction, Stream, StreamOptions, VirtualDevice
from gapless.errors import DeviceError, MissingDependencyError
from gapless.realtime.native import NativeBlock

PREFERRED_FRAMES: Final = 256
JACK: Final = "JACK Audio Connection Kit"
HOST_APIS: Final = ("Windows WASAPI", "Core Audio", JACK, "ALSA")
"""The ways to the devices that we take, the best first; one that is not here is taken last."""
ONE_CLOCK: Final = (JACK, "ASIO")
"""Where all devices run by the same clock."""


class PortAudio:
    """See ``server.SoundServer``."""

    name: Final = "PortAudio"

    @classmethod
    def running(cls) -> bool:
        """Whether it is installed and has a device."""
        try:
            return bool(cls().devices())
        except (DeviceError, MissingDependencyError):
            return False

    def devices(self) -> list[Device]:
        """All devices there are; inputs first.

        Raises:
            MissingDependencyError: PortAudio or its Python package is not installed.
            DeviceError: PortAudio cannot tell.
        """
        found = _listed()
        return [*_side("input", found), *_side("output", found)]

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> Stream:
        """Begin to call ``block``.

        Raises:
            MissingDependencyError: PortAudio or its Python package is not installed.
            DeviceError: no such device, a rate that it cannot have, two channels and an input, or a monitor and no
                input.
        """
        require_fit(options)
        found = _listed()
        output = self._place("output", options.output, found)
        monitor = self._place("output", None, found) if options.monitor else None

        def find_route(wanted: str | None) -> Route:
            heard = None if wanted == "" else self._place("input", wanted, found)
            return Route(heard, output, monitor)

        # Only now: it brings many kernels with it, and a list of devices needs none.
        from gapless.audio.device.portaudio_stream import PortAudioStream

        return PortAudioStream(
            block,
            find_route(options.input),
            elastic=elastic_options(options),
            block_frames=options.block_frames or PREFERRED_FRAMES,
            output_channels=options.output_channels,
            find_route=find_route,
        )

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> VirtualDevice:
        """Take a virtual cable of this machine.

        Args:
            kind: which end of it is for other programs.
            name: of no use: a cable has its own.

        Raises:
            MissingDependencyError: PortAudio or its Python package is not installed.
            DeviceError: there is no cable; the message says what to install.
        """
        del name
        return CableEnds(kind, choose_cable(self.devices(), kind))

    def _place(
        self, direction: Direction, wanted: str | None, found: list[dict[str, Any]]
    ) -> Place:
        devices = _side(direction, found)
        if wanted is None:
            cables = find_cables([*_side("input", found), *_side("output", found)])
            ends = {end for cable in cables for end in (cable.input, cable.output)}
            devices = [device for device in devices if device.name not in ends]
        name = choose_device(devices, direction, wanted).name
        info = next(info for info in _with(direction, found) if info["name"] == name)
        clock = info["clock"] if info["clock"] in ONE_CLOCK else str(info["index"])
        return Place(info["index"], name, info[f"max_{direction}_channels"], clock)


class CableEnds:
    """See ``server.VirtualDevice``. Made by ``PortAudio.open_virtual``."""

    def __init__(self, kind: Literal["microphone", "speaker"], cable: Cable) -> None:
        self._cable = cable
        ends = (cable.input, cable.output)
        self.name, self.ours = ends if kind == "microphone" else ends[::-1]

    def alive(self) -> bool:
        """Whether it is still there."""
        try:
            return self._cable in find_cables(PortAudio().devices())
        except DeviceError:
            return False

    def close(self) -> None:
        """The cable stays: it is not ours."""


def _listed() -> list[dict[str, Any]]:
    """What PortAudio says of each device of the best host API."""
    library = portaudio()
    with told("PortAudio"):
        if not OPEN and JACK not in (api["name"] for api in library.query_hostapis()):
            look_again()
        apis = [api for api in library.query_hostapis() if api["devices"]]
        infos = [dict(info, index=n) for n, info in enumerate(library.query_devices())]
    if not apis:
        return []
    names = [api["name"] for api in apis]
    best = next((name for name in HOST_APIS if name in names), names[0])
    api = apis[names.index(best)]
    seen: Counter[str] = Counter()
    found = []
    for number in api["devices"]:
        info = infos[number]
        said = info["name"]
        seen[said] += 1
        if seen[said] > 1:
            info["name"] = f"{said} ({seen[said]})"
        info["clock"] = best
        info["default_input"] = number == api["default_input_device"]
        info["default_output"] = number == api["default_output_device"]
        found.append(info)
    return found


def _with(direction: Direction, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [info for info in found if info[f"max_{direction}_channels"] > 0]


def _side(direction: Direction, found: list[dict[str, Any]]) -> list[Device]:
    return [_device(info, direction) for info in _with(direction, found)]


def _device(info: dict[str, Any], direction: Direction) -> Device:
    latency_s = info[f"default_low_{direction}_latency"]
    return Device(
        name=info["name"],
        description=info["name"],
        direction=direction,
        channels=info[f"max_{direction}_channels"],
        rate_hz=round(info["default_samplerate"]),
        latency_ms=1000 * latency_s if math.isfinite(latency_s) and latency_s > 0 else None,
        default=info[f"default_{direction}"],
    )
