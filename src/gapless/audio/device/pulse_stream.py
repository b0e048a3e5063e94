"""A stream on PulseAudio: a microphone, the block function, and what plays; or without a microphone.

In: names of devices. Out: calls of the block function, when the microphone has heard something or, without one, when
the output has room. Invariants: the output has its device for life; the input may vanish and be another one later, and
what plays meanwhile is silence. Thread: one at a time; the callbacks run on libpulse's own.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import numpy as np

from gapless.audio.device.foreign import address_of, offset
from gapless.audio.device.metered import FRAMES, meter_counts
from gapless.audio.device.pulse_callbacks import STREAM, on_sound, on_wanted
from gapless.audio.device.pulse_connection import Connection, PulseSide
from gapless.audio.device.pulse_library import UNSET, BufferSizes, load_pulse
from gapless.audio.device.pulse_player import FRAME_BYTES, LOST, PLAYER, on_room, on_underflow
from gapless.audio.device.server import StreamCounts
from gapless.errors import DeviceError
from gapless.realtime.elastic import ElasticOptions, elastic_counts, prepare_elastic
from gapless.realtime.native import MAX_FRAMES, NativeBlock

_Role = Literal["ear", "main", "monitor"]

BACKLOG_S: Final = 0.2
"""Sound that the server keeps for us when we are late; more is lost."""
LEAST_REQUESTS: Final = 6
"""What a sink holds of our sound, in quarters of a block, as long as that is enough."""
MOST_REQUESTS: Final = 32
FORGET_S: Final = 0.1
"""How long a server needs to forget the last of our sound, and so does all that records a monitor.

It lies in memory that both share, and PulseAudio 16 may abort when a client takes that away before
(``memblock_replace_import``).
"""
CALM_S: Final = 10
"""A sink that has not run empty for so long holds a quarter of a block less."""


class PulseStream:
    """See ``server.Stream``. Made by ``PulseAudio.open_stream``.

    Args:
        block: called for every block.
        client: what the server shows to its users.
        input: a source; empty: none, ever.
        output: a sink.
        output_channels: what the block function writes; two only without an input.
        monitor: another sink that plays the same; only with an input.
        elastic: how the buffers between the input and sinks behave.
        block_frames: asked for.
        find_input: the source that a name means.
    """

    def __init__(
        self,
        block: NativeBlock,
        *,
        client: str,
        input: str,  # noqa: A002
        output: str,
        output_channels: int,
        monitor: str | None,
        elastic: ElasticOptions,
        block_frames: int,
        find_input: Callable[[str | None], str],
    ) -> None:
        self.rate_hz: Final = elastic.rate_hz
        self._elastic = elastic
        self._block = block
        self._find_input = find_input
        self._asked_frames = min(block_frames, MAX_FRAMES)
        self._state = np.zeros(1, STREAM)
        self._hears = input != ""
        self._channels = output_channels
        self._fill_in(monitored=monitor is not None)
        self._connection = Connection(client)
        self._sides: dict[_Role, PulseSide] = {}
        # Whatever becomes of this object: the library must not call into memory that is gone.
        self._end: Final = weakref.finalize(
            self, _end, self._connection, self._sides, (self._state, block)
        )
        try:
            self._open_player("main", output)
            if monitor is not None:
                self._open_player("monitor", monitor)
            if self._hears:
                self._open_ear(input)
        except BaseException:
            self.close()
            raise

    @property
    def block_frames(self) -> int:
        """Frames of the last call."""
        return int(self._state[0]["meter"]["words"][FRAMES]) or self._asked_frames

    @property
    def input(self) -> str:
        """Name of the source that is heard; empty: none at the moment."""
        return self._device("ear")

    @property
    def output(self) -> str:
        """Name of the sink that plays; empty: it is gone."""
        return self._device("main")

    def alive(self) -> bool:
        """Whether the server and the output are there. An input may be missing: see ``input``."""
        return self._device("main") != ""

    def use_input(self, name: str | None) -> None:
        """Go on with another input, None: the default. Until it is there, none is heard.

        Raises:
            DeviceError: there is no such input; the one before is heard on. Or the stream has none.
        """
        if not self._hears:
            raise DeviceError("this stream was opened without an input; open another one with it")
        found = self._find_input(name)
        if "ear" in self._sides:
            self._sides.pop("ear").close()
        self._open_ear(found)

    def counts(self) -> StreamCounts:
        """What became of it so far."""
        state = self._state[0]
        counts = meter_counts(state["meter"])
        empty = sum(int(state[role]["words"][LOST]) for role in ("main", "monitor"))
        ring = elastic_counts(self._state["main"]["elastic"])
        return msgspec.structs.replace(
            counts,
            xruns=counts.xruns + empty,
            underrun_samples=ring.missing,
            overrun_samples=ring.dropped + ring.overrun,
        )

    def close(self) -> None:
        """Stop calling the function. Idempotent."""
        self._end()

    def _device(self, role: _Role) -> str:
        side = self._sides.get(role)
        return side.device if side is not None and side.alive else ""

    def _fill_in(self, *, monitored: bool) -> None:
        pulse = load_pulse()
        state = self._state[0]
        state["peek"] = address_of(pulse.pa_stream_peek)
        state["drop"] = address_of(pulse.pa_stream_drop)
        state["block"], state["block_state"] = self._block.address, self._block.state
        state["rate_hz"] = self.rate_hz
        state["monitored"], state["channels"] = monitored, self._channels
        for name in ("fragment", "bytes", "silence", "target", "frames"):
            state[f"{name}_at"] = self._address(name)
        for name in ("main", "monitor"):
            if self._hears:
                prepare_elastic(self._state[name]["elastic"], self._elastic)
            player = state[name]
            player["write"] = address_of(pulse.pa_stream_write)
            player["resize"] = address_of(pulse.pa_stream_set_buffer_attr)
            player["release"] = address_of(pulse.pa_operation_unref)
            for field in ("sizes", "samples"):
                player[f"{field}_at"] = self._address(name) + offset(PLAYER, field)
            player["calm_frames"] = CALM_S * self.rate_hz

    def _address(self, field: str) -> int:
        return int(self._state.ctypes.data) + offset(STREAM, field)

    def _open_ear(self, device: str) -> None:
        sizes = BufferSizes(
            maxlength=int(BACKLOG_S * self.rate_hz) * FRAME_BYTES,
            fragsize=self._asked_frames * FRAME_BYTES,
            tlength=UNSET,
            prebuf=UNSET,
            minreq=UNSET,
        )
        data = (on_sound.address, self._state.ctypes.data)
        self._sides["ear"] = self._connection.open("record", device, self.rate_hz, sizes, data)

    def _open_player(self, role: Literal["main", "monitor"], device: str) -> None:
        player = self._state[0][role]
        request = max(self._asked_frames // 4, 1) * FRAME_BYTES * self._channels
        # The sink wakes up for half of what lies above two requests. We write what the server asks for and no more, so
        # that its longest buffer does not matter.
        player["least"], player["most"] = LEAST_REQUESTS * request, MOST_REQUESTS * request
        player["sizes"] = (UNSET, player["least"], request, request, UNSET)
        sizes = BufferSizes(*player["sizes"].tolist())
        at = self._address(role)
        filled = on_room.address, at
        if not self._hears:
            filled = on_wanted.address, self._state.ctypes.data
        self._sides[role] = self._connection.open(
            "playback",
            device,
            self.rate_hz,
            sizes,
            filled,
            (on_underflow.address, at),
            channels=self._channels,
        )


def _end(connection: Connection, sides: dict[_Role, PulseSide], _memory: object) -> None:
    """Let go of everything; ``_memory`` lives until then."""
    for side in sides.values():
        side.close()
    if sides and connection.alive:
        time.sleep(FORGET_S)
    connection.close()
