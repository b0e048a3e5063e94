"""What PipeWire holds, as its program ``pw-dump`` tells it.

In: its JSON. Out: devices, and the numbers of their ports. Invariants: devices of ours are marked, and none of them
is a default: who heard the virtual microphone would hear himself. Thread: any.

Source: PipeWire's documentation of ``pw-dump``, of its keys, and of the parameter Latency.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gapless.audio.device.server import Device, Direction
from gapless.errors import DeviceError

OURS: Final = "gapless.device"
"""A node's property: it was made by us, and is not offered as a device."""
STREAM: Final = "gapless.stream"
"""A node's property: which stream of ours it is."""

DIRECTIONS: Final[dict[str, tuple[Direction, ...]]] = {
    "Audio/Source": ("input",),
    "Audio/Source/Virtual": ("input",),
    "Audio/Sink": ("output",),
    "Audio/Duplex": ("input", "output"),
}
"""Of a node's media class."""

OUR_DIRECTIONS: Final[dict[str, tuple[Direction, ...]]] = {
    **DIRECTIONS,
    "Stream/Output/Audio": ("input",),
    "Stream/Input/Audio": ("output",),
}
"""The same for nodes of ours: our side of a virtual device is a stream."""

PORT_DIRECTIONS: Final[dict[Direction, str]] = {"input": "output", "output": "input"}
"""What a device hears comes out of its ports."""

DEFAULTS: Final[dict[Direction, str]] = {
    "input": "default.audio.source",
    "output": "default.audio.sink",
}
"""Keys of the session manager."""

RATE_HZ: Final = 48_000
FRAMES: Final = 1024
"""PipeWire's own rate and block, if it does not tell others."""


class Node(NamedTuple):
    """A device of the graph."""

    device: Device
    ours: bool
    ports: tuple[int, ...]
    """Numbers of its channels' ports, in order; a sink's monitors are left out."""


class Graph(NamedTuple):
    """What we look for."""

    nodes: tuple[Node, ...]
    streams: dict[str, dict[str, int]]
    """Numbers of the ports of our streams, by the stream's mark and the port's name."""


class _Info(msgspec.Struct):
    props: dict[str, Any] = {}
    params: dict[str, Any] = {}


class _Entry(msgspec.Struct):
    key: str
    value: Any = None


class _Object(msgspec.Struct):
    id: int
    type: str = ""
    info: _Info | None = None
    props: dict[str, Any] | None = None
    metadata: list[_Entry] = []


class _Thing(NamedTuple):
    """A node or a port."""

    id: int
    props: dict[str, Any]
    params: dict[str, Any]


class _Clock(NamedTuple):
    rate_hz: int
    frames: int


def read_graph(dump: bytes) -> Graph:
    """Find the devices, and our streams.

    Args:
        dump: what ``pw-dump`` printed.

    Raises:
        DeviceError: it is not what is expected.
    """
    try:
        objects = _objects(dump.decode())
    except (ValueError, msgspec.ValidationError) as error:
        raise DeviceError(f"pw-dump says what cannot be read ({error}); update PipeWire") from error
    settings = _metadata(objects, "settings")
    clock = _Clock(
        int(settings.get("clock.force-rate") or settings.get("clock.rate") or RATE_HZ),
        int(settings.get("clock.force-quantum") or settings.get("clock.quantum") or FRAMES),
    )
    ports: dict[Any, list[_Thing]] = {}
    for port in _things(objects, "Port"):
        ports.setdefault(port.props.get("node.id"), []).append(port)
    for own in ports.values():
        own.sort(key=lambda port: int(port.props.get("port.id", 0)))
    all_nodes = _things(objects, "Node")
    nodes = [
        _node(node, direction, ports.get(node.id, []), clock)
        for node in all_nodes
        for direction in (OUR_DIRECTIONS if OURS in node.props else DIRECTIONS).get(
            node.props.get("media.class", ""), ()
        )
    ]
    defaults = _metadata(objects, "default")
    chosen = {direction: _default(all_nodes, direction, defaults) for direction in DEFAULTS}
    return Graph(
        tuple(
            node._replace(
                device=msgspec.structs.replace(
                    node.device, default=node.device.name == chosen[node.device.direction]
                )
            )
            for node in nodes
        ),
        {
            node.props[STREAM]: {
                str(port.props.get("port.name")): port.id for port in ports.get(node.id, [])
            }
            for node in all_nodes
            if STREAM in node.props
        },
    )


def _objects(dump: str) -> list[_Object]:
    """What is there in the end: each change while it looked makes ``pw-dump`` print one more list."""
    decoder = json.JSONDecoder()
    objects: dict[int, _Object] = {}
    rest = dump.strip()
    while rest:
        part, end = decoder.raw_decode(rest)
        for item in msgspec.convert(part, list[_Object]):
            if item.type:
                objects[item.id] = item
            else:
                objects.pop(item.id, None)  # it has left
        rest = rest[end:].lstrip()
    return list(objects.values())


def _node(node: _Thing, direction: Direction, ports: list[_Thing], clock: _Clock) -> Node:
    side = PORT_DIRECTIONS[direction].removesuffix("put")
    channels = [
        port
        for port in ports
        if port.props.get("port.direction") == side and not port.props.get("port.monitor")
    ]
    name = str(node.props.get("node.name", node.id))
    device = Device(
        name=name,
        description=str(node.props.get("node.description") or node.props.get("node.nick") or name),
        direction=direction,
        channels=int(node.props.get("audio.channels") or len(channels)),
        rate_hz=int(node.props.get("audio.rate") or clock.rate_hz),
        latency_ms=_latency_ms(channels, direction, clock),
        default=False,
    )
    return Node(device, OURS in node.props, tuple(port.id for port in channels))


def _default(nodes: Sequence[_Thing], direction: Direction, defaults: dict[str, Any]) -> str | None:
    """Name of the session manager's choice, or of what it would choose; None: it is one of ours."""
    own = {node.props.get("node.name") for node in nodes if OURS in node.props}
    candidates = {
        str(node.props.get("node.name")): int(node.props.get("priority.session") or 0)
        for node in nodes
        if direction in DIRECTIONS.get(node.props.get("media.class", ""), ())
        and OURS not in node.props
    }
    named = (defaults.get(DEFAULTS[direction]) or {}).get("name")
    if named in own:
        return None
    return (
        named if named in candidates else max(candidates, key=candidates.__getitem__, default=None)
    )


def _latency_ms(ports: Sequence[_Thing], direction: Direction, clock: _Clock) -> float | None:
    """What the device's first port says lies between it and the air."""
    told = ports[0].params.get("Latency", []) if ports else []
    of_device = PORT_DIRECTIONS[direction].capitalize()
    for latency in told:
        if latency.get("direction") == of_device:
            frames = latency.get("maxQuantum", 0) * clock.frames + latency.get("maxRate", 0)
            return float(1e3 * frames / clock.rate_hz + latency.get("maxNs", 0) / 1e6)
    return None


def _things(objects: Sequence[_Object], kind: str) -> list[_Thing]:
    return [
        _Thing(item.id, item.info.props, item.info.params)
        for item in objects
        if item.type == f"PipeWire:Interface:{kind}" and item.info is not None
    ]


def _metadata(objects: Sequence[_Object], name: str) -> dict[str, Any]:
    """What the object of that name says of everything."""
    return {
        entry.key: entry.value
        for item in objects
        if (item.props or {}).get("metadata.name") == name
        for entry in item.metadata
    }
