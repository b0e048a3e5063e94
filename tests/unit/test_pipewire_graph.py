"""What is read from ``pw-dump``: devices, defaults, ports, streams of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gapless.audio.device.pipewire_graph import OURS, STREAM, Graph, read_graph
from gapless.errors import DeviceError


def node(number: int, name: str, kind: str, **props: Any) -> dict[str, Any]:
    named = {"node.name": name, "media.class": kind, **props}
    return {"id": number, "type": "PipeWire:Interface:Node", "info": {"props": named}}


def port(number: int, of: int, direction: str, place: int = 0, **props: Any) -> dict[str, Any]:
    joined = {"node.id": of, "port.id": place, "port.direction": direction, **props}
    latency = [
        {"direction": "Input", "maxQuantum": 0.5, "maxRate": 48, "maxNs": 1_000_000},
        {"direction": "Output", "maxQuantum": 0.0, "maxRate": 96, "maxNs": 0},
    ]
    return {
        "id": number,
        "type": "PipeWire:Interface:Port",
        "info": {"props": joined, "params": {"Latency": latency}},
    }


def metadata(name: str, **values: Any) -> dict[str, Any]:
    return {
        "id": 1000 + len(name),
        "type": "PipeWire:Interface:Metadata",
        "props": {"metadata.name": name},
        "metadata": [
            {"subject": 0, "key": key.replace("_", "."), "value": value}
            for key, value in values.items()
        ],
    }


SETTINGS = {
    "id": 2,
    "type": "PipeWire:Interface:Metadata",
    "props": {"metadata.name": "settings"},
    "metadata": [
        {"subject": 0, "key": "clock.rate", "value": 48000},
        {"subject": 0, "key": "clock.quantum", "value": 960},
        {"subject": 0, "key": "clock.force-quantum", "value": 0},
    ],
}
CARD = [
    node(10, "mic", "Audio/Source", **{"node.description": "A mic", "audio.channels": 2}),
    port(12, 10, "out", 1),
    port(11, 10, "out", 0),
    node(20, "out", "Audio/Sink"),
    port(21, 20, "in"),
    port(22, 20, "out", 1, **{"port.monitor": True}),
    SETTINGS,
    {"id": 3, "type": "PipeWire:Interface:Profiler"},
]


def graph(*objects: dict[str, Any]) -> Graph:
    return read_graph(json.dumps(objects).encode())


def test_a_device_has_its_ports_in_order_without_monitors() -> None:
    mic, out = graph(*CARD).nodes
    assert mic.ports == (11, 12)
    assert out.ports == (21,)
    assert (mic.device.name, mic.device.description, mic.device.channels) == ("mic", "A mic", 2)
    assert (out.device.description, out.device.channels) == ("out", 1)
    assert (mic.device.rate_hz, mic.device.direction) == (48_000, "input")


def test_latency_is_of_the_devices_own_side() -> None:
    mic, out = graph(*CARD).nodes
    assert mic.device.latency_ms == pytest.approx(2.0)
    assert out.device.latency_ms == pytest.approx(10.0 + 1.0 + 1.0)


def test_the_session_managers_choice_is_the_default() -> None:
    second = node(30, "second", "Audio/Source/Virtual", **{"priority.session": 1})
    choice = metadata("default", default_audio_source={"name": "mic"})
    assert [one.device.default for one in graph(*CARD, second, choice).nodes] == [True, True, False]


def test_where_a_device_of_ours_is_the_default_none_is() -> None:
    ours = node(30, "ours", "Audio/Source", **{OURS: True, "priority.session": 2000})
    second = node(40, "second", "Audio/Source", **{"priority.session": 1})
    choice = metadata("default", default_audio_source={"name": "ours"})
    nodes = {one.device.name: one for one in graph(*CARD, ours, second, choice).nodes}
    assert nodes["ours"].ours
    assert not nodes["ours"].device.default
    assert not nodes["second"].device.default, "who hears another now stays with it"


def test_our_side_of_a_virtual_device_is_a_stream_and_others_streams_are_no_devices() -> None:
    found = graph(
        node(1, "song", "Stream/Output/Audio"),
        node(2, "side", "Stream/Input/Audio", **{OURS: True}),
    ).nodes
    assert [(one.device.name, one.device.direction) for one in found] == [("side", "output")]


def test_a_stream_of_ours_is_found_by_its_mark() -> None:
    client = node(50, "Gapless", "", **{STREAM: "abc"})
    ports = {
        name: port(number, 50, direction, place, **{"port.name": name})
        for name, number, direction, place in (
            ("input", 51, "in", 0),
            ("right", 52, "out", 1),
            ("left", 53, "out", 0),
        )
    }
    found = graph(client, *ports.values()).streams
    assert found == {"abc": {"input": 51, "left": 53, "right": 52}}


def test_a_device_for_both_directions_is_two() -> None:
    both = node(60, "pro", "Audio/Duplex")
    nodes = graph(both, port(61, 60, "in"), port(62, 60, "out")).nodes
    assert [(one.device.direction, one.ports) for one in nodes] == [
        ("input", (62,)),
        ("output", (61,)),
    ]


def test_what_left_while_it_was_printed_is_gone() -> None:
    parts = [
        [{"id": 10, "info": None}],
        CARD,
        [{"id": 20, "info": None}, node(30, "new", "Audio/Sink")],
    ]
    dump = "\n".join(json.dumps(part) for part in parts).encode()
    assert [one.device.name for one in read_graph(dump).nodes] == ["mic", "new"]


@pytest.mark.parametrize(
    "dump",
    [
        pytest.param(b"[", id="cut-off"),
        pytest.param(b"{}", id="no-list"),
        pytest.param(b"\xff", id="no-text"),
        pytest.param(b'[{"type": 1}]', id="no-object"),
    ],
)
def test_what_cannot_be_read_is_an_error(dump: bytes) -> None:
    with pytest.raises(DeviceError, match="update PipeWire"):
        read_graph(dump)


def test_an_empty_graph_has_nothing() -> None:
    assert read_graph(b"[]") == Graph((), {})
