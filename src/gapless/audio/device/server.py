"""What Gapless needs of a sound server: its devices, a stream through native code, and a virtual device.

In: names of devices, a native block function. Out: a stream that calls it for every block. Invariants: no Python runs
between the device and the function; a stream whose device or server is gone says so by ``alive`` and never raises on
its own thread. Thread: one at a time for everything here; the block function runs on the server's.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gapless.realtime.native import NativeBlock
from gapless.realtime.spread import Spread

Direction = Literal["input", "output"]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Something that hears or plays."""

    name: str
    """What the server knows it by, and what ``--input`` takes; stays the same when it is plugged in again."""
    description: str
    """For people."""
    direction: Direction
    channels: int
    rate_hz: int
    """The rate it works at by itself."""
    latency_ms: float | None
    """What the server says of it; None: it does not say."""
    default: bool


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to open."""

    client: str = "Gapless"
    """What the server shows to its users."""
    input: str | None = None
    """A device's name or a part of its name or description; None: the server's default; empty: none, which is silence
    and needs no microphone (on JACK others may join it)."""
    output: str | None = None
    """The same; empty on JACK and PipeWire only."""
    output_channels: Literal[1, 2] = 1
    """What the block function writes: float32 [frames], or [2 * frames] with all of the left before all of the right. A
    device's first two channels play one channel both, two each its own; both are heard on a device with one. On
    PulseAudio and PortAudio two take a stream without an input."""
    rate_hz: int = 48_000
    block_frames: int | None = None
    """Frames a call; None: what the server prefers."""
    monitor: bool = False
    """Play what goes out on the default output, too; on PulseAudio and PortAudio it takes an input."""
    cap_samples: int = 24_000
    """These are of the buffer between two clocks, on servers that need one: sound that waits at most."""
    crossfade_samples: int = 240
    min_fill_ms: float = 2.0
    """Lateness that is always allowed for."""
    max_fill_ms: float = 100.0
    """The most that is allowed for after late wake-ups."""


class StreamCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stream so far."""

    blocks: int
    xruns: int
    """Blocks that the server says were lost or late."""
    underrun_samples: int = 0
    """Samples that the ring between two clocks did not have when they were due; 0 where there is none."""
    overrun_samples: int = 0
    """Samples that it had no room for, or too many of."""
    took: Spread
    """Time in the block function."""
    late: Spread
    """How much longer than a block it was from one call to the next."""


class Stream(Protocol):
    """Sound from an input through native code to an output."""

    @property
    def rate_hz(self) -> int:
        """Samples a second; what was asked for."""
        ...

    @property
    def block_frames(self) -> int:
        """Frames of the last call."""
        ...

    @property
    def input(self) -> str:
        """Name of the device that is heard; empty: none at the moment."""
        ...

    @property
    def output(self) -> str:
        """Name of the device that plays; empty: none at the moment."""
        ...

    def alive(self) -> bool:
        """Whether blocks still come; False after the server or a device that it cannot go on without is gone."""
        ...

    def use_input(self, name: str | None) -> None:
        """Go on with another input, None: the default, without a new stream if the server can.

        Raises:
            DeviceError: there is no such input, or the stream has none.
        """
        ...

    def counts(self) -> StreamCounts:
        """What became of it so far."""
        ...

    def close(self) -> None:
        """Stop calling the function; when this returns, it is not running. Idempotent."""
        ...


class VirtualDevice(Protocol):
    """A device that other programs can pick, made for as long as it is open."""

    @property
    def name(self) -> str:
        """What other programs know it by."""
        ...

    @property
    def ours(self) -> str:
        """The device at our side: an output for ``StreamOptions`` if it is a microphone, an input if a speaker."""
        ...

    def alive(self) -> bool:
        """Whether it is still there."""
        ...

    def close(self) -> None:
        """Remove it. Idempotent."""
        ...


class SoundServer(Protocol):
    """A running sound server."""

    @property
    def name(self) -> str:
        """One of PipeWire, PulseAudio, JACK and PortAudio."""
        ...

    def devices(self) -> list[Device]:
        """All devices there are, virtual ones of ours left out.

        Raises:
            DeviceError: the server is gone.
        """
        ...

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> Stream:
        """Begin to call ``block``.

        Raises:
            DeviceError: no such device, a rate that it cannot have, channels that this server cannot have, or the
                server is gone.
        """
        ...

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> VirtualDevice:
        """Make a device for other programs.

        Args:
            kind: a microphone plays to them what we put out; a speaker lets us hear what they play.
            name: for people; the device's own name is made of it.

        Raises:
            DeviceError: this server cannot; the message says what to install.
        """
        ...
