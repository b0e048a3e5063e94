"""PipeWire: devices by ``pw-dump``, streams through its JACK library, virtual devices by ``pw-loopback``.

In: names of devices. Out: ``SoundServer``. Invariants: the server is the one that PipeWire's own programs find;
devices of ours are not listed. Thread: one at a time.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, final

from gapless.audio.device.choice import choose_device
from gapless.audio.device.jack_client import JackClient
from gapless.audio.device.jack_library import load_jack
from gapless.audio.device.jack_stream import JackStream, pairs
from gapless.audio.device.loopback import Loopback, slug
from gapless.audio.device.pipewire_graph import STREAM, Graph, Node, read_graph
from gapless.audio.device.server import Device, Direction, StreamOptions
from gapless.errors import DeviceError, MissingDependencyError
from gapless.realtime.native import NativeBlock

PROGRAMS: Final = ("pw-dump", "pw-link", "pw-loopback")
ANSWER_S: Final = 5.0
POLL_S: Final = 0.02


@final
class PipeWire:
    """The PipeWire of this user's session.

    Raises:
        MissingDependencyError: its programs or its JACK library are not installed.
    """

    name: Final = "PipeWire"

    def __init__(self) -> None:
        _require_programs()
        self._library = load_jack("pipewire")

    @classmethod
    def running(cls) -> bool:
        """Whether somebody listens on its socket."""
        remote = os.environ.get("PIPEWIRE_REMOTE") or "pipewire-0"
        folders = [os.environ.get(name) for name in ("PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR")]
        folder = next((folder for folder in folders if folder), "/run/pipewire")
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(Path(folder) / remote))
        except (OSError, AttributeError):
            return False
        return True

    def devices(self) -> list[Device]:
        """All sources and sinks, without ours.

        Raises:
            DeviceError: the server is gone.
        """
        return [node.device for node in look().nodes if not node.ours]

    def open_stream(self, options: StreamOptions, block: NativeBlock) -> JackStream:
        """Begin to call ``block``.

        Raises:
            DeviceError: no such device, another rate, or the server is gone.
        """
        # With a letter that no number has: pw-dump tells text that looks like a number as one.
        mark = f"stream-{secrets.token_hex(8)}"
        properties: dict[str, object] = {
            STREAM: mark,
            "node.rate": f"1/{options.rate_hz}",
            "node.description": options.client,
        }
        if options.block_frames is not None:
            properties["node.latency"] = f"{options.block_frames}/{options.rate_hz}"
        client = JackClient(
            self._library, options.client, {"PIPEWIRE_PROPS": json.dumps(properties)}
        )
        try:
            stream = JackStream(client, PipeWireCables(mark), block, options)
        except BaseException:
            client.close()
            raise
        return stream.start()

    def open_virtual(self, kind: Literal["microphone", "speaker"], name: str) -> Loopback:
        """Make a device that other programs see as one of the system's.

        Raises:
            DeviceError: the server does not make it.
        """
        if slug(name) in {node.device.name for node in look().nodes}:
            raise DeviceError(
                f"there is a device {slug(name)!r} already; stop the other gapless mic, "
                "or choose another --name"
            )
        device = Loopback(kind, name)
        try:
            _wait_for_ports(device)
        except BaseException:
            device.close()
            raise
        return device


@final
class PipeWireCables:
    """Joins the ports of one stream with devices, by their numbers: their names need not be unique.

    Args:
        mark: of the stream's node.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def find(self, direction: Direction, wanted: str | None) -> Device:
        """The device that is meant; those of ours only by their full names."""
        return choose_device(
            [node.device for node in look().nodes if not node.ours or node.device.name == wanted],
            direction,
            wanted,
        )

    def join(self, device: Device, ports: Sequence[str]) -> None:
        """Join the first channel of an input, or up to two of an output."""
        own, node = self._ends(device, ports)
        heard = device.direction == "input"
        for source, target in (
            zip(node.ports, own, strict=False) if heard else pairs(own, node.ports)
        ):
            _link(source, target)

    def _ends(self, device: Device, ports: Sequence[str]) -> tuple[list[int], Node]:
        """Numbers of our ports, and the device's node, as soon as the server tells of all."""
        give_up_s = time.monotonic() + ANSWER_S
        while True:
            graph = look()
            there = graph.streams.get(self._mark, {})
            own = [there[port] for port in ports if port in there]
            for node in graph.nodes:
                found = node.device
                if (
                    len(own) == len(ports)
                    and node.ports
                    and (found.name, found.direction) == (device.name, device.direction)
                ):
                    return own, node
            if time.monotonic() > give_up_s:
                if len(own) < len(ports):
                    raise DeviceError(
                        "PipeWire does not show the ports of this program; restart it"
                    )
                raise DeviceError(
                    f"PipeWire has no ports of {device.description!r}; unplug it and plug it in again"
                )
            time.sleep(POLL_S)


def look() -> Graph:
    """What PipeWire holds now.

    Raises:
        DeviceError: the server is gone.
    """
    return read_graph(_ask("pw-dump"))


def _wait_for_ports(device: Loopback) -> None:
    wanted = {device.name, device.ours}
    give_up_s = time.monotonic() + ANSWER_S
    while not wanted <= {node.device.name for node in look().nodes if node.ports}:
        if not device.alive() or time.monotonic() > give_up_s:
            raise DeviceError(
                f"PipeWire does not make the device {device.name!r}; see that its session manager "
                "(wireplumber) runs, then try again"
            )
        time.sleep(POLL_S)


def _link(source: int, target: int) -> None:
    _ask("pw-link", str(source), str(target))


def _ask(*command: str) -> bytes:
    """What one of PipeWire's programs prints."""
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=ANSWER_S).stdout  # noqa: S603  its programs and numbers
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise DeviceError(f"PipeWire refuses ({command[0]}: {said}); see that it runs") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError("PipeWire does not answer; restart it") from error


def _require_programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise MissingDependencyError(
            f"PipeWire's programs {', '.join(missing)} are not installed; "
            "on Debian and Ubuntu: apt install pipewire-bin"
        )
