"""JACK: clients joined by cables. A device is a client with audio ports, such as ``system``, the sound card.

In: names of clients. Out: ``SoundServer``. Invariants: a server is never started; clients of ours are not listed as
devices. Thread: one at a time.

JACK's programs have no list of microphones to pick from: each has ports, and the user joins them. So a virtual device
is our own client, and its port is what other programs are joined with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, final

from gapless.audio.device.choice import choose_device
from gapless.audio.device.jack_client import JackClient, client_name
from gapless.audio.device.jack_library import (
    CAPTURE_LATENCY,
    IS_INPUT,
    IS_OUTPUT,
    IS_PHYSICAL,
    PLAYBACK_LATENCY,
    load_jack,
)
from gapless.audio.device.jack_stream import INPUT, OUTPUTS, JackStream, pairs
from gapless.audio.device.server import Device, Direction, StreamOptions
from gapless.errors import DeviceError, MissingDependencyError
from gapless.realtime.native import NativeBlock

SIDES: Final[dict[Direction, tuple[int, int]]] = {
    "input": (IS_OUTPUT, CAPTURE_LATENCY),
    "output": (IS_INPUT, PLAYBACK_LATENCY),
}
"""What a device hears comes out of its ports."""


@final
class Jack:
    """The JACK server of this user.

    Raises:
        MissingDependencyError: the library is not installed.
    """

    name: Final = "JACK"

    def __init__(self) -> None:
        self._library = load_jack("jack")
        self._own: set[str] = set()
        """Names of clients of ours; a name is used again when its client has left."""

    @classmethod
    def running(cls) -> bool:
        """Whether it takes clients."""
        try:
            JackClient(load_jack("jack"), "Gapless looks").close()
        except (DeviceError, MissingDependencyError):
            return False
        return True

    def devices(self) -> list[Device]:
        """All clients that have audio ports, once for each direction; the sound card's first.

        Raises:
            DeviceError: the server is gone.
        """
        client = JackClient(self._library, "Gapless looks")
        try:
            return [device for device in _devices(client) if device.name not in self._own]
        finally:
            client.close()

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> JackStream:
        """Begin to call ``block``. The length of a block is the server's for all.

        Raises:
            DeviceError: no such device, another rate, or the server is gone.
        """
        client = JackClient(self._library, options.client)
        self._own.add(client.name)
        try:
            stream = JackStream(client, JackCables(client, self._own), block, options)
        except BaseException:
            client.close()
            raise
        return stream.start()

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> OwnPort:
        """The port that other programs are to be joined with; a stream whose client has that name has it.

        A stream of two channels has two other ports instead of a microphone's.
        """
        (output,) = OUTPUTS[1]
        return OwnPort(f"{client_name(name)}:{output if kind == 'microphone' else INPUT}")


@final
class OwnPort:
    """A port of a stream of ours: nothing lies between it and other programs.

    Args:
        name: of the port.
    """

    ours: Final = ""
    """The stream's port is joined with nothing; others join it."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self._open = True

    def alive(self) -> bool:
        """Whether it was not closed; the port itself lives as long as its stream."""
        return self._open

    def close(self) -> None:
        """Nothing is left to remove. Idempotent."""
        self._open = False


@final
class JackCables:
    """Joins the ports of one client with those of others.

    Args:
        client: whose ports are joined.
        own: names of clients that are none of the devices.
    """

    def __init__(self, client: JackClient, own: set[str]) -> None:
        self._client = client
        self._own = own

    def find(self, direction: Direction, wanted: str | None) -> Device:
        """The device that is meant."""
        devices = [device for device in _devices(self._client) if device.name not in self._own]
        return choose_device(devices, direction, wanted)

    def join(self, device: Device, ports: Sequence[str]) -> None:
        """Join the first channel of an input, or up to two of an output."""
        client = self._client
        own = [f"{client.name}:{port}" for port in ports]
        theirs = _ports(client, SIDES[device.direction][0]).get(device.name, [])
        heard = device.direction == "input"
        for source, target in zip(theirs, own, strict=False) if heard else pairs(own, theirs):
            if not client.join(source, target):
                raise DeviceError(
                    f"JACK does not join {source!r} with {target!r}; see that both are there"
                )


def _devices(client: JackClient) -> list[Device]:
    rate_hz = client.rate_hz
    found = list[Device]()
    for direction, (flags, mode) in SIDES.items():
        physical = _ports(client, flags | IS_PHYSICAL)
        for name, ports in ({**physical, **_ports(client, flags)}).items():
            latency_frames = client.latency_frames(ports[0], mode)
            found.append(
                Device(
                    name=name,
                    description=f"{name} (the sound card)" if name in physical else name,
                    direction=direction,
                    channels=len(ports),
                    rate_hz=rate_hz,
                    latency_ms=1e3 * latency_frames / rate_hz
                    if latency_frames and rate_hz
                    else None,
                    default=name == next(iter(physical), None),
                )
            )
    return found


def _ports(client: JackClient, flags: int) -> dict[str, list[str]]:
    """Audio ports by the name of their client."""
    ports: dict[str, list[str]] = {}
    for name in client.ports(flags):
        ports.setdefault(name.partition(":")[0], []).append(name)
    return ports
