"""A sound server without sound: devices that can be plugged in and out, and a server that can be killed.

In: what a test does to it. Out: what ``audio.device.server`` asks for, and a record of what was opened. Invariants:
keeps to the contract: what is gone says so by ``alive`` or a DeviceError, and comes back only as something new. Thread:
one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gapless.audio.device.server import Device, Direction, SoundServer, StreamCounts, StreamOptions
from gapless.errors import DeviceError
from gapless.realtime.native import NativeBlock
from gapless.realtime.spread import Spread

NO_TIMES = Spread(count=0, p50_ms=0.0, p95_ms=0.0, p99_ms=0.0, max_ms=0.0)


def make_device(
    name: str, direction: Direction = "input", *, default: bool = False, description: str = ""
) -> Device:
    """A device with usual facts."""
    return Device(
        name=name,
        description=description or name.replace("_", " ").title(),
        direction=direction,
        channels=1 if direction == "input" else 2,
        rate_hz=48_000,
        latency_ms=None,
        default=default,
    )


class FakeStream:
    """A stream that counts what a test says it counted."""

    def __init__(self, options: StreamOptions, block: NativeBlock, uses: list[Device]) -> None:
        self.options = options
        self.native_block = block
        self.input = options.input or ""
        self.output = options.output or ""
        self.rate_hz = options.rate_hz
        self.block_frames = options.block_frames or 1024
        self.blocks = 0
        self.xruns = 0
        self.closed = False
        self.dead = False
        self._devices = uses

    def alive(self) -> bool:
        """Whether it is still there."""
        return not (self.dead or self.closed)

    def use_input(self, name: str | None) -> None:
        """Another input, if it is plugged in."""
        if not self.alive():
            raise DeviceError("the server is gone; start it again")
        if name not in [device.name for device in self._devices if device.direction == "input"]:
            raise DeviceError(f"there is no input {name!r}; see them with: gapless devices")
        self.input = str(name)

    def counts(self) -> StreamCounts:
        """What a test says."""
        return StreamCounts(blocks=self.blocks, xruns=self.xruns, took=NO_TIMES, late=NO_TIMES)

    def close(self) -> None:
        """Kept in mind."""
        self.closed = True


class FakeVirtualDevice:
    """A virtual device that is there until it is closed or its server dies."""

    def __init__(self, kind: Literal["microphone", "speaker"], name: str) -> None:
        self.kind = kind
        self.name = name
        self.ours = f"gapless.{kind}"
        self.closed = False
        self.dead = False

    def alive(self) -> bool:
        """Whether it is still there."""
        return not (self.dead or self.closed)

    def close(self) -> None:
        """Kept in mind."""
        self.closed = True


class FakeSound:
    """The sound system of a machine: its devices, and whether its server runs.

    Args:
        devices: those that are plugged in.
        streams_die: a stream whose device is unplugged is dead, as with PulseAudio; else it goes on without, as with
            PipeWire.
    """

    def __init__(self, *devices: Device, streams_die: bool = False) -> None:
        self.devices = list(devices)
        self.streams_die = streams_die
        self.running = True
        self.listing_fails = False
        self.unusable: set[str] = set()
        """Devices that cannot be opened."""
        self.asked_for: list[str | None] = []
        """What ``find`` was asked for."""
        self.streams: list[FakeStream] = []
        self.virtuals: list[FakeVirtualDevice] = []
        self.life = 0

    @property
    def stream(self) -> FakeStream:
        """The newest."""
        return self.streams[-1]

    def find(self, wanted: str | None = None) -> SoundServer:
        """What ``find_server`` would find here."""
        self.asked_for.append(wanted)
        if not self.running:
            raise DeviceError(
                "no sound server runs here; start one with: systemctl --user start pipewire"
            )
        return FakeSoundServer(self)

    def plug(self, device: Device) -> None:
        """Plug a device in."""
        self.devices.append(device)

    def unplug(self, name: str) -> None:
        """Pull a device out."""
        self.devices[:] = [device for device in self.devices if device.name != name]
        for stream in self.streams:
            if name in (stream.input, stream.output):
                stream.dead = stream.dead or self.streams_die
                stream.input = "" if stream.input == name else stream.input
                stream.output = "" if stream.output == name else stream.output

    def set_default(self, name: str | None) -> None:
        """Choose another default among the devices of its direction; None: a device that is not listed."""
        directions = {each.direction for each in self.devices if name in (None, each.name)}
        self.devices[:] = [
            msgspec.structs.replace(each, default=each.name == name)
            if each.direction in directions
            else each
            for each in self.devices
        ]

    def kill(self) -> None:
        """End the server."""
        self.running = False
        self.life += 1
        for stream in self.streams:
            stream.dead = True
        for virtual in self.virtuals:
            virtual.dead = True

    def restart(self) -> None:
        """Start the server again."""
        self.running = True


class FakeSoundServer:
    """One life of the server of a ``FakeSound``."""

    name = "PipeWire"

    def __init__(self, sound: FakeSound) -> None:
        self._sound = sound
        self._life = sound.life

    def devices(self) -> list[Device]:
        """Those that are plugged in."""
        self._check()
        if self._sound.listing_fails:
            raise DeviceError("PipeWire does not say which devices there are; start it again")
        return list(self._sound.devices)

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> FakeStream:
        """A stream between two devices that are there."""
        self._check()
        ours = {virtual.ours for virtual in self._sound.virtuals if virtual.alive()}
        there = {device.name for device in self._sound.devices} | ours
        for name in (options.input, options.output):
            if name not in there or name in self._sound.unusable:
                raise DeviceError(f"{name} cannot be opened; is another program using it?")
        self._sound.streams.append(FakeStream(options, block, self._sound.devices))
        return self._sound.stream

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> FakeVirtualDevice:
        """A virtual device, whatever its name."""
        self._check()
        self._sound.virtuals.append(FakeVirtualDevice(kind, name))
        return self._sound.virtuals[-1]

    def _check(self) -> None:
        if not self._sound.running or self._life != self._sound.life:
            raise DeviceError("PipeWire does not answer; start it again")
