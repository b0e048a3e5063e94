"""A sound library whose microphone says what it is told to: stands in for ``sounddevice``.

In: blocks to be heard. Out: the callbacks that PortAudio would make. Invariants: nothing happens but
when a test calls ``hear`` or ``unplug``. Thread: the caller's.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


class FakePortAudioError(Exception):
    """What PortAudio raises when a device cannot be opened."""


class FakeInputStream(msgspec.Struct):
    """An open device; ``options`` are the arguments that it was opened with."""

    options: dict[str, Any]
    started: bool = False
    closed: bool = False
    fails_with: str | None = None

    def start(self) -> None:
        """Begin, or fail if told to."""
        if self.fails_with is not None:
            raise FakePortAudioError(self.fails_with)
        self.started = True

    def close(self) -> None:
        """Stop; PortAudio says so through the callback, too."""
        self.closed = True
        self.options["finished_callback"]()

    def hear(self, frames: npt.NDArray[np.float32]) -> None:
        """Call back with float32 [n, channels], in memory that is reused as PortAudio's is."""
        buffer = frames.copy()
        self.options["callback"](buffer, len(buffer), None, None)
        buffer.fill(np.nan)

    def unplug(self) -> None:
        """The device is gone."""
        self.options["finished_callback"]()


class FakeSoundLibrary:
    """Has the devices it is given: dictionaries as ``sounddevice.query_devices`` returns them.

    Args:
        devices: the first one with inputs is the default.
        fails_with: message with which starting a stream fails.
    """

    PortAudioError: type[Exception] = FakePortAudioError

    def __init__(self, devices: list[dict[str, Any]], *, fails_with: str | None = None) -> None:
        self.devices = devices
        self.fails_with = fails_with
        self.streams: list[FakeInputStream] = []

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        """All devices, or the one that is asked for."""
        if device is None and kind is None:
            return self.devices
        inputs = [info for info in self.devices if info["max_input_channels"] > 0]
        if isinstance(device, int):
            inputs = self.devices[device : device + 1]
        elif device is not None:
            inputs = [info for info in inputs if device in info["name"]]
        if not inputs:
            raise ValueError(f"No {kind} device matching {device!r}")
        return inputs[0]

    def InputStream(self, **options: Any) -> FakeInputStream:  # noqa: N802  sounddevice's name
        """Open a device."""
        self.streams.append(FakeInputStream(options, fails_with=self.fails_with))
        return self.streams[-1]
