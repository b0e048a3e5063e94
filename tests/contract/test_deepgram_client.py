"""Deepgram's own client, unmodified, against a real server; only the words are made up."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gapless.audio.types import Samples
from gapless.infer.inference import Inference
from gapless.serve.deepgram import routes
from gapless.serve.stream.policy import Policy
from gapless.settings import Settings
from gapless.store.contract import TranscriptQuery
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

with warnings.catch_warnings():
    # The client still imports what its libraries will drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import DeepgramClient
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.errors.bad_request_error import BadRequestError
    from deepgram.listen.v1.client import V1Client
    from deepgram.listen.v1.socket_client import V1SocketClient, V1SocketClientResponse
    from deepgram.listen.v1.types import (
        ListenV1Configure,
        ListenV1ConfigureSuccess,
        ListenV1Error,
        ListenV1Metadata,
        ListenV1Results,
        ListenV1SpeechStarted,
        ListenV1UtteranceEnd,
    )

LoadSpeech = Callable[[str], Samples]

KEY = "sesame"
PIECE_BYTES = 3200
RAW = "encoding=linear16&sample_rate=16000"


@pytest.fixture(scope="module")
def server(inference: Inference) -> Iterator[RunningServer]:
    settings = Settings(port=0, api_key=KEY, save=False)
    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
    ):
        yield running


def client_of(server: RunningServer, http: httpx.Client, key: str = KEY) -> V1Client:
    places = DeepgramClientEnvironment(
        base=server.url, production=server.ws_url, agent=server.ws_url, agent_rest=server.url
    )
    client = DeepgramClient(api_key=key, environment=places, max_retries=0, httpx_client=http)
    found: V1Client = client.listen.v1
    return found


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture(scope="module")
def client(server: RunningServer, http: httpx.Client) -> V1Client:
    return client_of(server, http)


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    """Several utterances, ten seconds and a half."""
    samples = np.clip(load_speech("utterances.flac"), -1, 1)
    return (samples * 32_767).astype("<i2").tobytes()


def send(socket: V1SocketClient, speech: bytes) -> None:
    for start in range(0, len(speech), PIECE_BYTES):
        socket.send_media(speech[start : start + PIECE_BYTES])


def results(heard: list[V1SocketClientResponse]) -> list[ListenV1Results]:
    return [each for each in heard if isinstance(each, ListenV1Results)]


def text_of(result: ListenV1Results) -> str:
    return result.channel.alternatives[0].transcript


@pytest.mark.long
def test_a_live_stream_is_results_then_metadata(client: V1Client, speech: bytes) -> None:
    with client.connect(
        model="nova-3",
        language="en-US",
        encoding="linear16",
        sample_rate=16_000,
        interim_results=True,
        endpointing=300,
        utterance_end_ms=1000,
        vad_events=True,
        punctuate=True,
        diarize=True,
    ) as socket:
        send(socket, speech)
        send(socket, bytes(64_000))
        socket.send_keep_alive()
        socket.send_close_stream()
        heard = [*socket]

    *before, metadata = heard
    found = results(before)
    finals = [result for result in found if result.is_final]
    assert len(finals) > 2
    assert len(found) > len(finals)
    assert all(result.speech_final for result in finals)
    for result in finals:
        (alternative,) = result.channel.alternatives
        assert alternative.transcript == " ".join(word.word for word in alternative.words)
        assert all(word.punctuated_word for word in alternative.words)
        assert result.start <= alternative.words[0].start < alternative.words[-1].end
        assert alternative.words[-1].end <= result.start + result.duration
        assert result.metadata.model_info.name == "scripted"
    assert any(isinstance(each, ListenV1SpeechStarted) for each in before)
    ended = [each for each in before if isinstance(each, ListenV1UtteranceEnd)]
    assert ended
    assert {each.last_word_end for each in ended} <= {
        result.channel.alternatives[0].words[-1].end for result in finals
    }
    assert isinstance(metadata, ListenV1Metadata)
    assert metadata.request_id == finals[0].metadata.request_id
    assert metadata.duration == (len(speech) + 64_000) // 32 / 1000
    assert [each["parameter"] for each in metadata.model_dump()["warnings"]] == ["diarize"]


@pytest.mark.long
def test_finalize_is_answered_and_the_stream_goes_on(client: V1Client, speech: bytes) -> None:
    with client.connect(model="scripted", encoding="linear16", sample_rate=16_000) as socket:
        send(socket, speech[:96_000])  # ends within speech
        socket.send_finalize()
        first: list[ListenV1Results] = []
        while not (first and first[-1].from_finalize):
            first += results([socket.recv()])
        send(socket, speech[96_000:])
        socket.send_close_stream()
        rest = [*socket]

    assert "".join(map(text_of, first))
    assert [result.from_finalize for result in first].count(True) == 1
    assert results(rest)
    assert not any(result.from_finalize for result in results(rest))
    assert isinstance(rest[-1], ListenV1Metadata)


def test_other_terms_are_confirmed_and_nonsense_is_an_error(client: V1Client) -> None:
    with client.connect(
        model="nova-3", encoding="linear16", sample_rate=16_000, keyterm=["one", "two"]
    ) as socket:
        socket.send_configure(ListenV1Configure(type="Configure", keyterms=["three"]))
        confirmed = socket.recv()
        socket._send("nonsense")
        error = socket.recv()
        socket.send_close_stream()
        rest = [*socket]

    assert isinstance(confirmed, ListenV1ConfigureSuccess)
    assert confirmed.keyterms == ["three"]
    assert isinstance(error, ListenV1Error)
    assert (error.variant, error.message) == ("SchemaError", "nonsense")
    assert isinstance(rest[-1], ListenV1Metadata)


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [("wrong", {}, 401), (KEY, {"redact": "pci"}, 400), (KEY, {"encoding": "g729"}, 400)],
)
def test_what_cannot_be_had_is_refused_before_the_upgrade(
    key: str, query: dict[str, Any], status: int, server: RunningServer, http: httpx.Client
) -> None:
    # The client means to make an ApiError of it, but knows only what older WebSocket libraries raise.
    with (
        pytest.raises(InvalidStatus) as refusal,
        client_of(server, http, key).connect(model="nova-3", **query),
    ):
        pass
    assert refusal.value.response.status_code == status


@pytest.mark.long
def test_a_recording_is_one_answer(client: V1Client, speech: bytes) -> None:
    answer = client.media.transcribe_file(
        request=speech, model="nova-3", encoding="linear16", utterances=True, smart_format=True,
        request_options={"additional_query_parameters": {"sample_rate": 16_000}},
    )  # fmt: skip
    (channel,) = answer.results.channels
    assert channel.alternatives
    (alternative,) = channel.alternatives
    assert alternative.words
    assert alternative.transcript == " ".join(word.word or "" for word in alternative.words)
    assert answer.results.utterances
    assert " ".join(each.transcript or "" for each in answer.results.utterances) == (
        alternative.transcript
    )
    assert answer.metadata.duration == len(speech) // 32 / 1000
    (model,) = answer.metadata.models
    assert answer.metadata.model_info[model]["name"] == "scripted"


@pytest.mark.long
def test_where_transcripts_are_kept_so_is_what_is_said_here(
    inference: Inference, http: httpx.Client, speech: bytes, tmp_path: Path
) -> None:
    with (
        closing(SqliteStore(tmp_path / "transcripts.db")) as store,
        ScriptedServices(Settings(port=0), store=store, inference=inference) as services,
        running_server(services) as server,
    ):
        client = client_of(server, http)
        client.media.transcribe_file(
            request=speech[:96_000], encoding="linear16",
            request_options={"additional_query_parameters": {"sample_rate": 16_000}},
        )  # fmt: skip
        with client.connect(model="nova-3", encoding="linear16", sample_rate=16_000) as socket:
            send(socket, speech[:96_000])
            socket.send_close_stream()
            assert results([*socket])
        kept = store.list(TranscriptQuery()).items
    assert sorted(item.session.source for item in kept) == ["file", "stream"]
    assert all(item.session.model == "scripted" for item in kept)


def test_an_address_instead_of_a_recording_is_refused(client: V1Client) -> None:
    with pytest.raises(BadRequestError) as refusal:
        client.media.transcribe_url(url="https://example.com/a.wav")
    body = refusal.value.body
    assert body["err_code"] == "Bad Request"
    assert "send the recording itself" in body["err_msg"]
    assert body["request_id"]


# --- clients of their own making ------------------------------------------------------------------


def open_raw(server: RunningServer, query: str = RAW, key: str = KEY) -> ClientConnection:
    return connect(
        f"{server.ws_url}/v1/listen?{query}", additional_headers={"Authorization": f"Token {key}"}
    )


def test_a_stream_that_is_closed_is_closed_as_normal(server: RunningServer) -> None:
    with open_raw(server) as socket:
        socket.send('{"type": "CloseStream"}')
        kinds = [json.loads(message)["type"] for message in socket]
        assert (kinds, socket.close_code) == (["Metadata"], 1000)


def test_bytes_that_are_no_audio_are_data_0000(server: RunningServer) -> None:
    with open_raw(server, "") as socket:
        socket.send(b"this is no recording of any kind " * 3000)
        socket.send('{"type": "CloseStream"}')
        with pytest.raises(ConnectionClosed):
            [*iter(socket.recv, None)]
        assert (socket.close_code, socket.close_reason) == (1008, "DATA-0000")


def test_who_is_refused_a_websocket_finds_the_reason_in_a_header(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as refusal, open_raw(server, "redact=true"):
        pass
    response = refusal.value.response
    assert response.status_code == 400
    assert "nothing is redacted here" in response.headers["dg-error"]
    assert response.headers["dg-request-id"]


def test_a_page_may_show_its_key_as_a_subprotocol(server: RunningServer) -> None:
    offered = [Subprotocol("token"), Subprotocol(KEY)]
    with connect(f"{server.ws_url}/v1/listen?{RAW}", subprotocols=offered) as socket:
        assert socket.subprotocol == "token"
        socket.send('{"type": "CloseStream"}')
        assert [json.loads(message)["type"] for message in socket] == ["Metadata"]


@pytest.mark.long
def test_over_capacity_the_upgrade_is_refused_and_says_when_to_come_back(
    inference: Inference,
) -> None:
    with (
        ScriptedServices(Settings(port=0, save=False, max_sessions=1), inference=inference) as one,
        running_server(one) as server,
        open_raw(server),
        pytest.raises(InvalidStatus) as refusal,
        open_raw(server),
    ):
        pass
    assert refusal.value.response.status_code == 503
    assert int(refusal.value.response.headers["retry-after"]) >= 1


@pytest.mark.long
def test_a_client_that_says_nothing_is_net_0001(
    inference: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "POLICY", Policy(idle_timeout_ms=100))
    with (
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as server,
        open_raw(server) as socket,
    ):
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
        assert (socket.close_code, socket.close_reason) == (1011, "NET-0001")
