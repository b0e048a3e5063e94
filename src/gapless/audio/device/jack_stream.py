"""A stream that is a JACK client: one port in, one port out or two, native code between them.

In: a client, a block function, and what knows how devices are joined to ports. Out: ``Stream``. Invariants: the
client stays when devices come and go; without an input it hears silence. Thread: one at a time; the block function
runs on the library's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Final, NamedTuple, Protocol, Self, TypeVar, final

import numpy as np

from gapless.audio.device.foreign import offset
from gapless.audio.device.jack_callback import (
    STATE,
    count_xrun,
    note_rate,
    process,
)
from gapless.audio.device.jack_client import JackClient
from gapless.audio.device.jack_library import IS_INPUT, IS_OUTPUT
from gapless.audio.device.metered import BLOCKS, FRAMES, SEEN_NS, meter_counts
from gapless.audio.device.server import Device, Direction, StreamCounts, StreamOptions
from gapless.errors import DeviceError
from gapless.realtime.clock import NS_PER_S
from gapless.realtime.native import NativeBlock

T = TypeVar("T")

INPUT: Final = "input"
OUTPUTS: Final = {1: ("output",), 2: ("left", "right")}
"""Names of our ports by how many there are."""
MOST_CHANNELS: Final = 2
"""Of an output device are played to."""
FLAGS: Final[dict[Direction, int]] = {"input": IS_INPUT, "output": IS_OUTPUT}

START_S: Final = 5.0
"""The first block comes, and a connection is there, within this time."""
SILENT_S: Final = 2.0
"""A client that was not called for this long is dead, whatever the server says."""
POLL_S: Final = 0.005


class Cables(Protocol):
    """How a server's devices are joined to a client's ports."""

    def find(self, direction: Direction, wanted: str | None) -> Device:
        """The device that is meant.

        Raises:
            DeviceError: there is no such device, or the server is gone.
        """
        ...

    def join(self, device: Device, ports: Sequence[str]) -> None:
        """Join the client's ports with the device, beside what they are joined with.

        Args:
            device: an input's first channel is joined; for an output see ``pairs``.
            ports: names of all the client's ports of that direction.

        Raises:
            DeviceError: the server does not.
        """
        ...


class _Joint(NamedTuple):
    """What our ports of one direction were joined with."""

    device: str
    ports: frozenset[str]
    """The device's, as JACK calls them."""


@final
class JackStream:
    """Sound from a device through native code to a device.

    Args:
        client: the stream closes it.
        cables: of that client.
        block: called for every block.
        options: an input or output that is empty text is left for others to join.

    Raises:
        DeviceError: the server gives no ports.
    """

    def __init__(
        self, client: JackClient, cables: Cables, block: NativeBlock, options: StreamOptions
    ) -> None:
        self._client = client
        self._cables = cables
        self._block = block
        self._options = options
        self._rate_hz = options.rate_hz
        self._names: dict[Direction, tuple[str, ...]] = {
            "input": (INPUT,),
            "output": OUTPUTS[options.output_channels],
        }
        self._ports: dict[Direction, tuple[int, ...]] = {
            direction: tuple(client.register(name, flags) for name in self._names[direction])
            for direction, flags in FLAGS.items()
        }
        nowhere = _Joint("", frozenset())
        self._joints: dict[Direction, _Joint] = {"input": nowhere, "output": nowhere}
        self._state = np.zeros(1, STATE)
        state = self._state[0]
        state["get_buffer"] = client.address("jack_port_get_buffer")
        (state["input"],) = self._ports["input"]
        state["output"], state["right"] = (*self._ports["output"], 0)[:2]
        state["made_at"] = self._state.ctypes.data + offset(STATE, "made")
        state["block"], state["block_state"] = block.address, block.state
        state["rate_hz"] = self._rate_hz
        client.call("jack_set_process_callback", process, self._state)
        client.call("jack_set_xrun_callback", count_xrun, self._state)
        client.call("jack_set_sample_rate_callback", note_rate, self._state)

    def start(self) -> Self:
        """Join the devices and wait for the first block; a stream that does not start is closed.

        Raises:
            DeviceError: no such device, another rate, or no block comes.
        """
        options = self._options
        try:
            wanted: dict[Direction, str | None] = {"input": options.input, "output": options.output}
            devices = [self._cables.find(end, name) for end, name in wanted.items() if name != ""]
            self._client.start(self._block)
            for device in devices:
                self._plug(device)
            if options.monitor:
                speakers = self._cables.find("output", None)
                if speakers not in devices:
                    self._cables.join(speakers, self._names["output"])
            self._check()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def rate_hz(self) -> int:
        """Samples a second."""
        return self._rate_hz

    @property
    def block_frames(self) -> int:
        """Frames of the last call."""
        return int(self._words[FRAMES])

    @property
    def input(self) -> str:
        """Name of the device that is heard; empty: none at the moment."""
        return self._joined("input")

    @property
    def output(self) -> str:
        """Name of the device that plays; empty: none at the moment."""
        return self._joined("output")

    def alive(self) -> bool:
        """Whether blocks still come, at the right rate."""
        silent_ns = time.monotonic_ns() - int(self._words[SEEN_NS])
        server_rate_hz = int(self._state[0]["server_rate_hz"][0])
        return (
            self._client.open
            and server_rate_hz in {0, self._rate_hz}
            and silent_ns < SILENT_S * NS_PER_S
        )

    def use_input(self, name: str | None) -> None:
        """Go on with another input, None: the default; the client stays.

        Raises:
            DeviceError: there is no such input.
        """
        self._replug(self._cables.find("input", name))

    def counts(self) -> StreamCounts:
        """What became of it so far."""
        return meter_counts(self._state[0]["meter"])

    def close(self) -> None:
        """Leave the server; when this returns, the block function is not running. Idempotent."""
        # The server may hang and come to itself later; the block's owner may be gone by then.
        self._state[0]["off"][0] = 1
        self._client.close()

    @property
    def _words(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        words: np.ndarray[tuple[int], np.dtype[np.int64]] = self._state[0]["meter"]["words"]
        return words

    def _check(self) -> None:
        """See that blocks come, at the right rate."""
        if not _wait_for(lambda: self._words[BLOCKS] > 0):
            raise DeviceError("no sound comes from the sound server; restart it")
        rate_hz = self._client.rate_hz
        if rate_hz != self._rate_hz:
            raise DeviceError(
                f"the sound server runs at {rate_hz} Hz and cannot have {self._rate_hz} Hz; "
                f"start it with that rate, or take {rate_hz} Hz here"
            )

    def _replug(self, device: Device) -> None:
        for port in self._ports[device.direction]:
            self._client.part(port)
        _wait_for(lambda: not self._peers(device.direction))
        self._plug(device)

    def _plug(self, device: Device) -> None:
        """Join ports that are joined with nothing."""
        self._cables.join(device, self._names[device.direction])
        ports = self._ports[device.direction]
        if not _wait_for(lambda: all(self._client.peers(port) for port in ports)):
            raise DeviceError(
                f"the sound server does not join {device.description!r}; unplug it and plug it in again"
            )
        self._joints[device.direction] = _Joint(device.name, self._peers(device.direction))

    def _joined(self, direction: Direction) -> str:
        device, ports = self._joints[direction]
        return device if self.alive() and not ports.isdisjoint(self._peers(direction)) else ""

    def _peers(self, direction: Direction) -> frozenset[str]:
        """Ports that those of ours are joined with now."""
        return frozenset[str]().union(
            *(self._client.peers(port) for port in self._ports[direction])
        )


def pairs(own: Sequence[T], theirs: Sequence[T]) -> list[tuple[T, T]]:
    """Which of our outputs is joined with which channel of a device.

    Two go to the first two channels; where one side has a single one, it has to do with both of the other.
    """
    played = theirs[:MOST_CHANNELS]
    return list(islice(zip(cycle(own), cycle(played), strict=False), max(len(own), len(played))))


def _wait_for(holds: Callable[[], bool]) -> bool:
    """Wait until the server has done something; False: it has not."""
    give_up_s = time.monotonic() + START_S
    while not holds():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(POLL_S)
    return True
