"""OpenAI's dialect over real HTTP: every way to ask wrongly, and what happens when there is too much or somebody leaves."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import ModelError
from gapless.listen.recogniser.contract import (
    RecogniseOptions,
    Recogniser,
    RecogniserInfo,
    Recognition,
    Wake,
)
from gapless.settings import Settings
from gapless.store.contract import TranscriptQuery
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.recogniser import Failure, ScriptedRecogniser
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

URL = "/v1/audio/transcriptions"
MODEL = {"model": "scripted"}


class FailsEverySecondTime:
    """A recogniser that can only do one utterance, then fails once."""

    def __init__(self) -> None:
        self._inner = ScriptedRecogniser("one two")
        self._asked = 0

    @property
    def info(self) -> RecogniserInfo:
        return self._inner.info

    def open(self, options: RecogniseOptions, wake: Wake) -> Future[Recognition]:
        self._asked += 1
        if self._asked % 2 == 0:
            raise ModelError("the model broke; look at the log")
        return self._inner.open(options, wake)

    def close(self) -> None:
        self._inner.close()


class Station:
    """A server over a scripted recogniser, a client for it, and what it keeps."""

    def __init__(self, client: httpx.Client, store: SqliteStore) -> None:
        self.client = client
        self.store = store

    def post(self, file: bytes, fields: dict[str, Any] | None = None) -> httpx.Response:
        return self.client.post(
            URL, files={"file": ("talk.flac", file)}, data=MODEL if fields is None else fields
        )


@pytest.fixture(scope="module")
def speech(speech_dir: Path) -> bytes:
    return (speech_dir / "sentence.flac").read_bytes()


@pytest.fixture(scope="module")
def pauses(speech_dir: Path) -> bytes:
    """Four utterances."""
    return (speech_dir / "utterances.flac").read_bytes()


@pytest.fixture(scope="module")
def open_station(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Station]]:
    """Starts servers with the settings given, and stops them at the end of the module."""
    with ExitStack() as stack:

        def start(recogniser: Recogniser | None = None, **values: Any) -> Station:
            store = SqliteStore(tmp_path_factory.mktemp("store") / "transcripts.db")
            stack.callback(store.close)
            services = stack.enter_context(
                ScriptedServices(Settings(port=0, **values), recogniser, store)
            )
            server = stack.enter_context(running_server(services))
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
            return Station(client, store)

        yield start


@pytest.fixture(scope="module")
def station(open_station: Callable[..., Station]) -> Station:
    return open_station()


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for what other threads are about to do, at most 20 seconds."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail(f"did not happen: {what}")


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


# --- what comes back ------------------------------------------------------------------------


def test_a_recording_becomes_text_and_is_kept(station: Station, pauses: bytes) -> None:
    response = station.post(pauses)
    assert response.status_code == 200
    assert response.json()["text"]
    assert response.json()["usage"] == {"type": "duration", "seconds": pytest.approx(10.6, abs=0.1)}

    kept = station.store.get(response.headers["x-gapless-transcript-id"])
    assert " ".join(u.text for u in kept.utterances) == response.json()["text"]
    assert (kept.session.source, kept.session.name) == ("file", "talk.flac")
    assert kept.session.model == "scripted"
    assert kept.session.ended_at_ms is not None
    assert kept.session.audio_ms == pytest.approx(10_600, abs=100)


def test_a_recording_is_not_kept_if_so_asked(station: Station, speech: bytes) -> None:
    before = station.store.list(TranscriptQuery()).items
    response = station.post(speech, {**MODEL, "save": "false"})
    assert response.json()["text"]
    assert "x-gapless-transcript-id" not in response.headers
    assert station.store.list(TranscriptQuery()).items == before


@pytest.mark.parametrize(
    ("response_format", "media_type", "beginning"),
    [
        ("json", "application/json", '{"text":"'),
        ("verbose_json", "application/json", '{"task":"transcribe"'),
        ("text", "text/plain; charset=utf-8", "one"),
        ("srt", "text/plain; charset=utf-8", "1\n00:00:00,"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00."),
    ],
)
def test_every_format_has_its_media_type(
    station: Station, speech: bytes, response_format: str, media_type: str, beginning: str
) -> None:
    response = station.post(speech, {**MODEL, "response_format": response_format})
    assert response.headers["content-type"] == media_type
    assert response.text.startswith(beginning)


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
def test_openais_client_takes_text_formats_for_strings(
    station: Station, speech: bytes, response_format: Literal["text", "srt", "vtt"]
) -> None:
    raw = station.post(speech, {**MODEL, "response_format": response_format}).text
    url = f"{station.client.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        answer = client.audio.transcriptions.create(
            file=speech, model="scripted", response_format=response_format
        )
    assert answer == raw


def test_silence_has_no_text_and_the_same_shape(station: Station, speech_dir: Path) -> None:
    silence = (speech_dir / "silence.flac").read_bytes()
    answer = station.post(silence, {**MODEL, "response_format": "verbose_json"}).json()
    assert answer["text"] == ""
    assert answer["segments"] == []
    assert answer["duration"] == 3.0


def test_openais_own_model_name_means_the_default(station: Station, speech: bytes) -> None:
    response = station.post(speech, {"model": "whisper-1"})
    assert response.json()["text"]
    session = station.store.get(response.headers["x-gapless-transcript-id"]).session
    assert session.model == "scripted"


@pytest.mark.long
def test_the_deltas_of_a_stream_are_its_text(station: Station, pauses: bytes) -> None:
    whole = station.post(pauses).json()
    response = station.post(pauses, {**MODEL, "stream": "true"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in response.headers
    *deltas, done = events_of(response)
    assert len(deltas) == 4
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert "".join(event["delta"] for event in deltas) == done["text"] == whole["text"]
    assert done == {"type": "transcript.text.done", **whole}


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    lines = response.text.split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    return [httpx.Response(200, text=line.removeprefix("data: ")).json() for line in lines]


def test_fields_that_nobody_knows_are_named_in_a_header(station: Station, speech: bytes) -> None:
    response = station.post(speech, {**MODEL, "seed": "1", "user name": "x"})
    assert response.status_code == 200
    assert response.headers["x-gapless-ignored-fields"] == "seed, user?name"


@pytest.mark.long
def test_hints_reach_the_recogniser(open_station: Callable[..., Station], speech: bytes) -> None:
    recogniser = ScriptedRecogniser()
    station = open_station(recogniser)
    station.post(speech, {**MODEL, "prompt": "p", "language": "EN", "hotwords": "a,b"})
    assert recogniser.opened[-1] == RecogniseOptions(
        language="en", prompt="p", hotwords=("a", "b"), partials=False
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\talks\\näive.wav", "näive.wav"),
        ("a\x07b", "ab"),
        ("", None),
    ],
)
def test_a_file_name_is_only_a_name(
    station: Station, speech: bytes, sent: str, kept: str | None
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nscripted\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
    ) % (sent.replace("\\", "\\\\").encode(), speech)
    response = station.client.post(
        URL, content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    session = station.store.get(response.headers["x-gapless-transcript-id"]).session
    assert session.name == kept


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"", {"invalid_audio"}),
        (b"PK\x03\x04" + b"zip" * 1000, {"invalid_audio", "unsupported_audio"}),
        (b"just some text, not audio\n" * 100, {"invalid_audio", "unsupported_audio"}),
        (b"RIFF\xff\xff\xff\x7fWAVEfmt ", {"invalid_audio", "unsupported_audio"}),
        (b"fLaC", {"invalid_audio", "unsupported_audio"}),
        (b"\x00" * 10_000, {"invalid_audio", "unsupported_audio"}),
    ],
)
def test_what_is_no_audio_is_refused_and_leaves_no_trace(
    station: Station, content: bytes, codes: set[str]
) -> None:
    before = station.store.list(TranscriptQuery()).items
    for fields in (MODEL, {**MODEL, "stream": "true"}):
        response = station.post(content, fields)
        assert response.status_code == 400
        assert error_of(response)["type"] == "invalid_request_error"
        assert error_of(response)["code"] in codes
    assert station.store.list(TranscriptQuery()).items == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, "model", "invalid_request")),
        ({"model": "no-such"}, (404, "model", "model_not_found")),
        ({"model": "../scripted"}, (404, "model", "model_not_found")),
        ({**MODEL, "temperature": "2"}, (400, "temperature", "invalid_request")),
        ({**MODEL, "language": "de"}, (400, "language", "invalid_request")),
        ({**MODEL, "response_format": "xml"}, (400, "response_format", "invalid_request")),
        ({**MODEL, "prompt": "x" * 70_000}, (413, "prompt", "too_large")),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    station: Station, speech: bytes, fields: dict[str, str], expected: tuple[int, str, str]
) -> None:
    response = station.post(speech, fields)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == expected


def test_a_form_without_a_recording_is_refused(station: Station) -> None:
    response = station.client.post(URL, files={"other": b"x"}, data=MODEL)
    assert response.status_code == 400
    assert error_of(response)["param"] == "file"


def test_two_recordings_are_refused(station: Station, speech: bytes) -> None:
    files = [("file", ("a", speech)), ("file", ("b", speech))]
    response = station.client.post(URL, files=files, data=MODEL)
    assert response.status_code == 400
    assert error_of(response)["param"] == "file"


@pytest.mark.parametrize("content_type", ["application/json", "audio/wav", "multipart/form-data"])
def test_another_content_type_is_refused(station: Station, content_type: str) -> None:
    response = station.client.post(URL, content=b"{}", headers={"content-type": content_type})
    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"


def test_another_method_is_refused_in_the_dialects_shape(station: Station) -> None:
    response = station.client.get(URL)
    assert response.status_code == 405
    assert error_of(response)["code"] == "method_not_allowed"


def test_a_recording_over_the_limit_is_refused(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(max_file_ms=1000)
    for fields in (MODEL, {**MODEL, "stream": "true"}):
        response = station.post(speech, fields)
        assert response.status_code == 413
        assert error_of(response)["code"] == "audio_too_long"
    assert station.store.list(TranscriptQuery()).items == ()


@pytest.mark.long
def test_a_model_that_fails_is_an_error_with_its_status(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    recogniser = ScriptedRecogniser()
    recogniser.failure = Failure("finish", ModelError("the model broke; look at the log"))
    station = open_station(recogniser)
    for fields in (MODEL, {**MODEL, "stream": "true"}):
        response = station.post(speech, fields)
        assert response.status_code == 500
        assert error_of(response)["code"] == "model_error"


@pytest.mark.long
def test_a_stream_that_fails_halfway_says_so_in_the_stream(
    open_station: Callable[..., Station], pauses: bytes
) -> None:
    station = open_station(FailsEverySecondTime())
    response = station.post(pauses, {**MODEL, "stream": "true"})
    first, last = events_of(response)
    assert first["type"] == "transcript.text.delta"
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] == "model_error"
    kept = station.store.get(response.headers["x-gapless-transcript-id"])
    assert [u.text for u in kept.utterances] == [first["delta"]]
    assert kept.session.ended_at_ms is not None

    url = f"{station.client.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        stream = client.audio.transcriptions.create(file=pauses, model="scripted", stream=True)
        assert next(stream).type == "transcript.text.delta"
        with pytest.raises(openai.APIError, match="the model broke"):
            next(stream)


@pytest.mark.long
@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "model",
                    "language",
                    "temperature",
                    "response_format",
                    "timestamp_granularities[]",
                    "chunking_strategy",
                    "chunking_strategy[type]",
                    "chunking_strategy[threshold]",
                    "stream",
                    "hotwords",
                    "denoise",
                    "save",
                    "file[]",
                    "[",
                    "x",
                ]
            ),
            st.one_of(
                st.sampled_from(["scripted", "json", "auto", "server_vad", "{}", "true", "0.5"]),
                st.text(max_size=20),
            ),
        ),
        max_size=6,
    )
)
def test_no_field_whatsoever_breaks_the_server(
    station: Station, fields: list[tuple[str, str]]
) -> None:
    files: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields]
    response = station.client.post(URL, files=[*files, ("file", ("x.wav", b"RIFF"))])
    assert 400 <= response.status_code < 500
    assert error_of(response)["message"]


# --- too much, and leaving -------------------------------------------------------------------


def raw_request(station: Station, file: bytes) -> bytes:
    """A whole request as bytes, for those who hang up at a moment of their own choice."""
    request = station.client.build_request("POST", URL, files={"file": file}, data=MODEL)
    request.read()
    head = f"POST {URL} HTTP/1.1\r\nHost: {request.url.netloc.decode()}\r\n" + "".join(
        f"{name}: {request.headers[name]}\r\n" for name in ("content-type", "content-length")
    )
    return head.encode() + b"\r\n" + request.content


def connect(station: Station) -> socket.socket:
    url = station.client.base_url
    return socket.create_connection((url.host, url.port or 80))


@pytest.mark.long
def test_one_too_many_is_refused_and_a_client_that_leaves_makes_room(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    recogniser = ScriptedRecogniser(places=1)
    station = open_station(recogniser, max_uploads=1, max_waiting_uploads=0)
    place = recogniser.open(RecogniseOptions(), lambda: None).result()
    body = raw_request(station, speech)
    with connect(station) as connection:
        connection.sendall(body)
        eventually(lambda: recogniser.stats().waiting == 1, "the recording waits for a place")

        refused = station.post(speech)
        assert refused.status_code == 503
        assert error_of(refused)["code"] == "overloaded"
        assert int(refused.headers["retry-after-ms"]) > 0
        assert int(refused.headers["retry-after"]) > 0

    place.cancel()
    eventually(lambda: station.post(speech).status_code == 200, "there is room again")
    assert recogniser.stats().busy == 0
    assert all(
        item.session.ended_at_ms is not None for item in station.store.list(TranscriptQuery()).items
    )


@pytest.mark.long
def test_a_client_that_leaves_during_its_upload_makes_room(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(max_uploads=1, max_waiting_uploads=0)
    with connect(station) as connection:
        connection.sendall(raw_request(station, speech)[:-1000])
        eventually(lambda: station.post(speech).status_code == 503, "the upload is under way")
    eventually(lambda: station.post(speech).status_code == 200, "there is room again")


@pytest.mark.long
def test_what_may_wait_waits_and_is_answered(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(ScriptedRecogniser(places=1), max_uploads=1, max_waiting_uploads=2)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(station.post(speech).status_code))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [200, 200, 200]


# --- models -----------------------------------------------------------------------------------


def test_models_are_listed_with_what_they_can_do(station: Station) -> None:
    listed = station.client.get("/v1/models").json()
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert isinstance(model.pop("created"), int)
    assert model == {
        "id": "scripted",
        "object": "model",
        "owned_by": "gapless",
        "kind": "streaming",
        "languages": ["en"],
        "word_times": True,
        "licence": "MIT",
        "description": "Says what it was told to say; for tests.",
        "default": True,
        "reason": "it is the only one",
    }


def test_one_model_is_found_by_its_name(station: Station) -> None:
    assert station.client.get("/v1/models/scripted").json()["id"] == "scripted"
    assert station.client.get("/v1/models/whisper-1").json()["id"] == "scripted"


@pytest.mark.parametrize("name", ["nobody/knows", "nobody%2Fknows", "%00", "..%2f..%2fetc"])
def test_a_model_that_is_not_here_is_not_found(station: Station, name: str) -> None:
    response = station.client.get(f"/v1/models/{name}")
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"
