"""The ASR v2 dialect with a plain WebSocket client, against a real server; only the words are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gapless.audio.format import AudioFormat
from gapless.audio.types import Samples
from gapless.infer.inference import Inference
from gapless.serve.recordings import wave_header
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

LoadSpeech = Callable[[str], Samples]

END = b"\x00"
KEEPALIVE = b"\x01"


@pytest.fixture(scope="module")
def server(inference: Inference) -> Iterator[RunningServer]:
    settings = Settings(port=0, save=False, max_frame_bytes=100_000)
    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    """Several utterances, ten seconds and a half."""
    samples = np.clip(load_speech("utterances.flac"), -1, 1)
    return (samples * 32_767).astype("<i2").tobytes()


def open_stream(server: RunningServer, tail: str = "default") -> ClientConnection:
    return connect(f"{server.ws_url}/v2/decode/stream/{tail}")


def send(socket: ClientConnection, speech: bytes) -> None:
    for start in range(0, len(speech), 6400):
        socket.send(speech[start : start + 6400])


def read_all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) for message in socket]


def batch(server: RunningServer, **request: Any) -> httpx.Response:
    model = request.pop("model", "default")
    return httpx.post(f"{server.url}/v2/decode/batch/{model}", timeout=20, **request)


@pytest.mark.long
def test_the_text_grows_and_the_end_is_one_complete(server: RunningServer, speech: bytes) -> None:
    with open_stream(server, "scripted?opaque=mine") as socket:
        send(socket, speech)
        socket.send(END)
        *active, complete = read_all(socket)

    assert socket.close_code == 1000
    assert {each["status"] for each in active} == {"ACTIVE"}
    texts = [each["transcription"] for each in active]
    assert len(set(texts)) == len(texts) > 10
    assert complete["status"] == "COMPLETE"
    assert complete["transcription"] == texts[-1]
    assert complete["metadata"] == {"audio_length_seconds": len(speech) // 32 / 1000}
    assert {each["opaque"] for each in [*active, complete]} == {"mine"}


def test_a_stream_without_audio_is_complete_and_empty(server: RunningServer) -> None:
    with open_stream(server) as socket:
        socket.send(KEEPALIVE)
        socket.send(END)
        paused, complete = read_all(socket)
    assert paused == {"transcription": "", "status": "PAUSED"}
    assert (complete["transcription"], complete["status"]) == ("", "COMPLETE")


def test_the_other_control_bytes_are_there_for_those_who_ask(server: RunningServer) -> None:
    with open_stream(server, "default?control=v2b") as socket:
        socket.send(b"\x00")
        socket.send(b"\xff")
        paused, complete = read_all(socket)
    assert (paused["status"], complete["status"]) == ("PAUSED", "COMPLETE")


def test_what_makes_no_sense_is_an_error_and_the_stream_goes_on(
    server: RunningServer, speech: bytes
) -> None:
    with open_stream(server) as socket:
        for frame in (b"abc", b"\x55", "text"):
            socket.send(frame)
            assert json.loads(socket.recv())["status"] == "ERROR"
        send(socket, speech[:96_000])
        socket.send(END)
        *_, complete = read_all(socket)
    assert complete["status"] == "COMPLETE"
    assert complete["transcription"].startswith("one two")


@pytest.mark.parametrize(
    ("tail", "frame", "code"),
    [("latin", b"\0\0", 1008), ("default", bytes(100_002), 1009)],
    ids=["model", "frame"],
)
def test_what_cannot_go_on_is_an_error_and_a_close_code(
    tail: str, frame: bytes, code: int, server: RunningServer
) -> None:
    with open_stream(server, tail) as socket:
        with suppress(ConnectionClosed):  # the server may be quicker
            socket.send(frame)
        error = json.loads(socket.recv())
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert error["status"] == "ERROR"
    assert error["message"]
    assert socket.close_code == code


@pytest.mark.parametrize("query", ["control=v3", f"opaque={'x' * 1001}"])
def test_a_query_that_cannot_be_used_is_refused_before_the_upgrade(
    query: str, server: RunningServer
) -> None:
    with pytest.raises(InvalidStatus) as refusal, open_stream(server, f"default?{query}"):
        pass
    assert refusal.value.response.status_code == 400
    assert json.loads(refusal.value.response.body)["status"] == "ERROR"


@pytest.mark.long
def test_over_capacity_the_upgrade_is_refused(inference: Inference) -> None:
    with (
        ScriptedServices(Settings(port=0, save=False, max_sessions=1), inference=inference) as one,
        running_server(one) as server,
        open_stream(server),
        pytest.raises(InvalidStatus) as refusal,
        open_stream(server),
    ):
        pass
    response = refusal.value.response
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert json.loads(response.body)["status"] == "ERROR"


# --- recordings -----------------------------------------------------------------------------------


@pytest.mark.long
def test_a_recording_says_the_same_in_every_form(server: RunningServer, speech: bytes) -> None:
    speech = speech[:160_000]
    answers = [
        batch(server, json={"audio_buffer": list(speech)}),
        batch(server, content=speech, headers={"content-type": "application/octet-stream"}),
        batch(server, content=speech, headers={"content-type": "audio/l16"}),
        batch(
            server,
            content=wave_header(AudioFormat(), len(speech)) + speech,
            headers={"content-type": "audio/wav"},
            model="scripted",
        ),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    bodies = [answer.json() for answer in answers]
    assert bodies[0]["status"] == "COMPLETE"
    assert len(bodies[0]["transcription"].split()) > 5
    assert bodies == bodies[:1] * 4


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        ({"json": {"audio_buffer": [0, 256]}}, 400),
        ({"json": {}}, 400),
        ({"content": b""}, 400),
        ({"content": b"abc"}, 400),
        ({"content": b"no audio", "headers": {"content-type": "audio/wav"}}, 400),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 400),
        ({"content": b"\0\0", "model": "latin"}, 404),
    ],
    ids=["values", "list", "empty", "odd", "file", "type", "model"],
)
def test_a_recording_that_cannot_be_used_is_refused_in_the_dialect_s_own_words(
    request_parts: dict[str, Any], status: int, server: RunningServer
) -> None:
    answer = batch(server, **request_parts)
    assert answer.status_code == status
    body = answer.json()
    assert (body["transcription"], body["status"]) == ("", "ERROR")
    assert ";" in body["message"]


@pytest.mark.long
def test_other_methods_and_addresses_are_refused_in_the_dialect_s_own_words(
    server: RunningServer,
) -> None:
    for answer, status in (
        (httpx.get(f"{server.url}/v2/decode/batch/default"), 405),
        (httpx.get(f"{server.url}/v2/decode/nothing"), 404),
    ):
        assert answer.status_code == status
        assert answer.json()["status"] == "ERROR"
    assert set(httpx.get(f"{server.url}/v2/models/nothing").json()) == {"error"}
