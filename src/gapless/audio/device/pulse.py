"""PulseAudio, and PipeWire where it speaks PulseAudio's protocol.

In: names of devices. Out: streams and virtual devices. Invariants: monitors of sinks are no microphones, and what is
ours is not offered, for whoever heard it would hear himself. Thread: any.

A virtual microphone is a sink that nobody hears and a source that repeats its monitor: browsers hide monitors
themselves.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final, Literal

from gapless.audio.device.between import elastic_options, require_fit
from gapless.audio.device.choice import choose_device
from gapless.audio.device.pulse_connection import Connection
from gapless.audio.device.pulse_control import (
    OWNER,
    Entry,
    default_name,
    list_entries,
    load_module,
    unload_leftovers,
    unload_module,
)
from gapless.audio.device.server import Device, Direction, Stream, StreamOptions, VirtualDevice
from gapless.errors import DeviceError, MissingDependencyError
from gapless.realtime.native import NativeBlock

PREFERRED_FRAMES: Final = 256
RATE_HZ: Final = 48_000
MONO: Final = {"rate": str(RATE_HZ), "channels": "1", "channel_map": "mono"}
SINK_OPTIONS: Final = {"format": "float32le", "norewinds": "1"}
"""Without rewinds the sink never renders more than 50 ms ahead; with them it may be two seconds."""


class PulseAudio:
    """See ``server.SoundServer``."""

    name: Final = "PulseAudio"

    @classmethod
    def running(cls) -> bool:
        """Whether a server answers."""
        try:
            Connection("Gapless").close()
        except (DeviceError, MissingDependencyError):
            return False
        return True

    def devices(self) -> list[Device]:
        """All devices there are, virtual ones of ours and monitors left out; inputs first.

        Raises:
            MissingDependencyError: ``pactl`` is not installed.
            DeviceError: the server is gone.
        """
        inputs = [entry for entry in list_entries("sources") if not entry.monitor_source]
        return [*_devices(inputs, "input"), *_devices(list_entries("sinks"), "output")]

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> Stream:
        """Begin to call ``block``.

        Raises:
            MissingDependencyError: libpulse or ``pactl`` is not installed.
            DeviceError: no such device, two channels and an input, a monitor and no input, or the server is gone.
        """
        require_fit(options)
        # Only now: it brings many kernels with it, and a list of devices needs none.
        from gapless.audio.device.pulse_stream import PulseStream

        return PulseStream(
            block,
            client=options.client,
            input="" if options.input == "" else self._find("input", options.input),
            output=self._find("output", options.output),
            output_channels=options.output_channels,
            monitor=self._find("output", None) if options.monitor else None,
            elastic=elastic_options(options),
            block_frames=options.block_frames or PREFERRED_FRAMES,
            find_input=self._find_input,
        )

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> VirtualDevice:
        """Make a device for other programs; what a crashed process of ours left behind is removed before.

        Args:
            kind: a microphone plays to them what we put out; a speaker lets us hear what they play.
            name: for people.

        Raises:
            MissingDependencyError: ``pactl`` is not installed.
            DeviceError: the server is gone, or it has a device of this name.
        """
        unload_leftovers()
        device = "gapless_" + re.sub(r"\W+", "_", name).strip("_").lower()
        taken = {entry.name for entry in (*list_entries("sources"), *list_entries("sinks"))}
        if device in taken:
            raise DeviceError(
                f"there is a device {device} already; choose another name, or end the other program"
            )
        return PulseVirtual(kind, device, name)

    def _find_input(self, wanted: str | None) -> str:
        return self._find("input", wanted)

    def _find(self, direction: Direction, wanted: str | None) -> str:
        """Name of the device that is meant; the first one where the default is a monitor or ours."""
        if wanted is not None:
            # Monitors and what is ours are taken by their whole name alone.
            entries = list_entries("sources" if direction == "input" else "sinks")
            if any(entry.name == wanted for entry in entries):
                return wanted
        return choose_device(self.devices(), direction, wanted).name


class PulseVirtual:
    """See ``server.VirtualDevice``. Made by ``PulseAudio.open_virtual``."""

    def __init__(self, kind: Literal["microphone", "speaker"], device: str, said: str) -> None:
        self.name: Final = device
        self.ours: Final = f"{device}_feed" if kind == "microphone" else f"{device}.monitor"
        self._kind = kind
        self._modules: list[int] = []
        sink = self.ours if kind == "microphone" else device
        try:
            self._load("module-null-sink", {"sink_name": sink} | MONO | SINK_OPTIONS, said)
            if kind == "microphone":
                remap = {"source_name": device, "master": f"{sink}.monitor", "remix": "no"}
                self._load(
                    "module-remap-source", remap | MONO | {"master_channel_map": "mono"}, said
                )
        except BaseException:
            self.close()
            raise

    def alive(self) -> bool:
        """Whether it is still there."""
        try:
            entries = list_entries("sources" if self._kind == "microphone" else "sinks")
        except DeviceError:
            return False
        return any(entry.name == self.name for entry in entries)

    def close(self) -> None:
        """Remove it. Idempotent."""
        while self._modules:
            # With its server it is gone, too.
            with contextlib.suppress(DeviceError):
                unload_module(self._modules.pop())

    def _load(self, module: str, arguments: dict[str, str], said: str) -> None:
        self._modules.append(load_module(module, arguments, said))


def _devices(entries: list[Entry], direction: Direction) -> list[Device]:
    default = default_name("source" if direction == "input" else "sink")
    return [
        _device(entry, direction, default=entry.name == default)
        for entry in entries
        if OWNER not in entry.properties
    ]


def _device(entry: Entry, direction: Direction, *, default: bool) -> Device:
    _format, channels, rate = entry.sample_specification.split()
    # PipeWire says 0 of what it does not know.
    latency_us = entry.latency.get("configured") or None
    return Device(
        name=entry.name,
        description=entry.description,
        direction=direction,
        channels=int(channels.removesuffix("ch")),
        rate_hz=int(rate.removesuffix("Hz")),
        latency_ms=latency_us / 1000 if latency_us is not None else None,
        default=default,
    )
