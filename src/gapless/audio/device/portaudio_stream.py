"""A stream through PortAudio: a device that hears and plays, two with an elastic buffer between, or one that plays.

In: devices by their numbers. Out: calls of the block function. Invariants: a device that calls no more is gone, and
the stream with it, for PortAudio sees new devices only when no stream is open. Thread: one at a time; the callbacks
run on PortAudio's own.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import numpy as np

from gapless.audio.device.foreign import offset
from gapless.audio.device.metered import FRAMES, meter_counts
from gapless.audio.device.metered import SEEN_NS as HEARD_NS
from gapless.audio.device.portaudio_callbacks import (
    LOST,
    SEEN_NS,
    STREAM,
    on_room,
    on_sound,
)
from gapless.audio.device.portaudio_library import (
    OPEN,
    Place,
    Route,
    opening_error,
    portaudio,
    told,
)
from gapless.audio.device.server import StreamCounts
from gapless.errors import DeviceError
from gapless.realtime.elastic import ElasticOptions, elastic_counts, prepare_elastic
from gapless.realtime.native import NativeBlock

SILENT_S: Final = 2.0
"""A device that does not call for this long is gone."""
MAX_CHANNELS: Final = 8
"""A device that takes neither one channel nor two is opened with all it has, up to here."""


class PortAudioStream:
    """See ``server.Stream``. Made by ``PortAudio.open_stream``."""

    def __init__(
        self,
        block: NativeBlock,
        route: Route,
        *,
        elastic: ElasticOptions,
        block_frames: int,
        output_channels: int,
        find_route: Callable[[str | None], Route],
    ) -> None:
        self.rate_hz: Final = elastic.rate_hz
        self._elastic = elastic
        self._block = block
        self._asked_frames = block_frames
        self._find_route = find_route
        self._state = np.zeros(1, STREAM)
        self._sides: list[Any] = []
        # Whatever becomes of this object: PortAudio must not call into memory that is gone.
        self._end: Final = weakref.finalize(self, _close, self._sides, (self._state, block))
        state = self._state[0]
        state["block"], state["block_state"] = block.address, block.state
        state["rate_hz"] = self.rate_hz
        state["made_channels"] = self._channels = output_channels
        for name in ("source", "target"):
            state[f"{name}_at"] = self._address(name)
        self._open(route)
        OPEN.add(self)

    @property
    def block_frames(self) -> int:
        """Frames of the last call."""
        return int(self._state[0]["meter"]["words"][FRAMES]) or self._asked_frames

    @property
    def input(self) -> str:
        """Name of the device that is heard; empty: it is gone, or there is none."""
        heard = self._route.input
        return heard.name if heard is not None and self.alive() else ""

    @property
    def output(self) -> str:
        """Name of the device that plays; empty: it is gone."""
        return self._route.output.name if self.alive() else ""

    def alive(self) -> bool:
        """Whether all devices of the stream still call."""
        if not self._sides or not all(side.active for side in self._sides):
            return False
        seen_ns = (int(words[index]) or self._opened_ns for words, index in self._called)
        return time.monotonic_ns() - min(seen_ns) < SILENT_S * 1e9

    def use_input(self, name: str | None) -> None:
        """Go on with another input, None: the default. PortAudio cannot replace one: all is opened anew.

        Raises:
            DeviceError: there is no such input, and the one before is heard on; or it cannot be opened, and the stream
                is not alive; or the stream has none.
        """
        if self._route.input is None:
            raise DeviceError("this stream was opened without an input; open another one with it")
        route = self._find_route(name)
        _close(self._sides, None)
        self._open(route)

    def counts(self) -> StreamCounts:
        """What became of it so far."""
        state = self._state[0]
        counts = meter_counts(state["meter"])
        late = sum(int(state[player]["words"][LOST]) for player in ("main", "monitor"))
        ring = elastic_counts(self._state["main"]["elastic"])
        return msgspec.structs.replace(
            counts,
            xruns=counts.xruns + late,
            underrun_samples=ring.missing,
            overrun_samples=ring.dropped + ring.overrun,
        )

    def close(self) -> None:
        """Stop calling the function. Idempotent."""
        OPEN.discard(self)
        self._end()

    def _open(self, route: Route) -> None:
        """Open and start all sides; nothing calls when it begins."""
        self._route = route
        self._opened_ns = time.monotonic_ns()
        state = self._state[0]
        self._called = [(state["meter"]["words"], HEARD_NS)]
        state["meter"]["words"][HEARD_NS] = 0
        state["monitored"] = route.monitor is not None
        try:
            if route.monitor is not None:
                self._open_player("monitor", route.monitor)
            if route.input is None:
                self._open_voice(route.output)
            else:
                duplex = route.input.clock == route.output.clock
                if not duplex:
                    self._open_player("main", route.output)
                self._open_ear(route.input, route.output if duplex else None)
            for side in self._sides:
                with told((route.input or route.output).name):
                    side.start()
        except BaseException:
            _close(self._sides, None)
            raise

    def _open_ear(self, ear: Place, output: Place | None) -> None:
        at = on_sound.address, self._state.ctypes.data
        if output is not None:
            side = self._side("duplex", (ear, output), at)
            channels, self._state[0]["output_channels"] = side.channels
        else:
            side = self._side("input", (ear,), at)
            channels = side.channels
        self._state[0]["input_channels"] = channels

    def _open_voice(self, output: Place) -> None:
        """A device that is all: it calls the block function by itself."""
        side = self._side("output", (output,), (on_sound.address, self._state.ctypes.data))
        self._state[0]["output_channels"] = side.channels

    def _open_player(self, role: Literal["main", "monitor"], place: Place) -> None:
        player = self._state[role]
        player["elastic"] = 0
        prepare_elastic(player["elastic"], self._elastic)
        player["words"][0, SEEN_NS] = 0
        self._called.append((player["words"][0], SEEN_NS))
        side = self._side("output", (place,), (on_room.address, self._address(role)))
        player["channels"] = side.channels

    def _side(
        self,
        kind: Literal["input", "output", "duplex"],
        places: tuple[Place, ...],
        at: tuple[int, int],
    ) -> Any:
        """Open a device with as many channels as are made if it lets us, else with two, else with all it has."""
        library = portaudio()
        numbers = [place.number for place in places]
        most = min(MAX_CHANNELS, *(place.channels for place in places))
        for channels in sorted({min(self._channels, most), min(2, most), most}):
            try:
                side = library._StreamBase(  # noqa: SLF001  made for libraries on top of it
                    kind=kind,
                    samplerate=self.rate_hz,
                    blocksize=self._asked_frames,
                    device=numbers if kind == "duplex" else numbers[0],
                    channels=channels,
                    dtype="float32",
                    latency="low",
                    callback=library._ffi.cast("PaStreamCallback*", at[0]),  # noqa: SLF001
                    userdata=library._ffi.cast("void*", at[1]),  # noqa: SLF001
                )
            except library.PortAudioError as error:
                refused = error
            else:
                self._sides.append(side)
                return side
        names = dict.fromkeys(place.name for place in places)
        raise opening_error(" and ".join(names), refused)

    def _address(self, field: str) -> int:
        return int(self._state.ctypes.data) + offset(STREAM, field)


def _close(sides: list[Any], _memory: object) -> None:
    """Close all devices; ``_memory`` lives until then."""
    while sides:
        sides.pop().close()
