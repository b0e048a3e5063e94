"""The parts of a sound server that a virtual microphone holds: the server, the virtual device and the stream.

In: steps of the supervisor. Out: what became of them. Invariants: a stream never outlives its virtual device, nor that
its server; once a server was found, no other one is looked for, because applications chose a device of that one.
Thread: one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

from gapless.audio.device.server import SoundServer, Stream, StreamOptions, VirtualDevice
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import StreamReport
from gapless.clean.mic.supervise import (
    Close,
    Find,
    Found,
    Leave,
    Look,
    Looked,
    Make,
    Open,
    Step,
    StreamSeen,
    Use,
)
from gapless.errors import DeviceError
from gapless.realtime.native import NativeBlock

RATE_HZ: Final = 48_000

DESCRIBED_BY: Final = ("PipeWire", "PulseAudio")
"""Servers that show people our own name; the others show that of the device, or of somebody's driver."""

FindServer = Callable[[str | None], SoundServer]
"""Finds a sound server by its name in small letters, or the best one."""

Part = TypeVar("Part")


class Connection:
    """Holds nothing at first.

    Args:
        plan: what is to run.
        find_server: finds a sound server.
    """

    def __init__(self, plan: MicPlan, find_server: FindServer) -> None:
        self._plan = plan
        self._find_server = find_server
        self._server_name = plan.server
        self._server: SoundServer | None = None
        self._virtual: VirtualDevice | None = None
        self._stream: Stream | None = None

    def do(self, step: Step, block: NativeBlock, frames: int) -> Found | Looked | None:
        """Do a step.

        Args:
            step: which.
            block: what a new stream calls.
            frames: how many a call, for a new stream.

        Raises:
            OSError: it failed; most often a DeviceError.
        """
        match step:
            case Find():
                self._server = self._find_server(self._server_name)
                self._server_name = self._server.name.lower()
                return Found(self._server.name)
            case Make():
                server = _held(self._server)
                self._virtual = server.open_virtual(self._plan.kind, self._plan.name)
                described = server.name in DESCRIBED_BY
                label = self._plan.name if described else self._virtual.name
                return Found(self._virtual.name, label)
            case Look():
                if not _held(self._virtual).alive():
                    return Looked(virtual_alive=False)
                return Looked(virtual_alive=True, devices=tuple(_held(self._server).devices()))
            case Open(device):
                self._open(device, block, frames)
            case Use(device):
                _held(self._stream).use_input(device)
            case Close():
                self.close_stream()
            case Leave():
                self.leave()
        return None

    def seen(self) -> StreamSeen | None:
        """What the stream looks like; None: there is none."""
        if (stream := self._stream) is None:
            return None
        hears = self._plan.kind == "microphone"
        return StreamSeen(stream.alive(), stream.input if hears else stream.output)

    def count(self) -> StreamReport:
        """What the stream has counted."""
        if (stream := self._stream) is None:
            return StreamReport()
        counts = stream.counts()
        return StreamReport(
            rate_hz=stream.rate_hz,
            block_frames=stream.block_frames,
            blocks=counts.blocks,
            xruns=counts.xruns,
            underrun_samples=counts.underrun_samples,
            overrun_samples=counts.overrun_samples,
            took=counts.took,
            late=counts.late,
        )

    def close_stream(self) -> None:
        """When this returns, no stream calls any block."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
        self._stream = None

    def leave(self) -> None:
        """Let go of everything. Idempotent."""
        self.close_stream()
        if self._virtual is not None:
            with contextlib.suppress(OSError):
                self._virtual.close()
        self._virtual = self._server = None

    def _open(self, device: str, block: NativeBlock, frames: int) -> None:
        ours = _held(self._virtual).ours
        hears = self._plan.kind == "microphone"
        engine = self._plan.engine
        options = StreamOptions(
            client=self._plan.name,
            input=device if hears else ours,
            output=ours if hears else device,
            rate_hz=RATE_HZ,
            block_frames=frames,
            monitor=self._plan.monitor,
            cap_samples=engine.cap_samples,
            crossfade_samples=engine.crossfade_samples,
            min_fill_ms=engine.min_fill_ms,
            max_fill_ms=engine.max_fill_ms,
        )
        self._stream = _held(self._server).open_stream(options, block)


def _held(part: Part | None) -> Part:
    if part is None:
        raise DeviceError("the sound server went away; it is looked for again")
    return part
