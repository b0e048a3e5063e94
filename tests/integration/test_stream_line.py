"""The canonical line of a stream: one, at its end, with what was measured and nothing of what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from gapless.audio.types import Samples
from gapless.settings import Settings
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices
from gapless.testing.sound_programs import wait_until

PATIENCE_S = 20.0
SECRET = "a word that nobody else says"
FIELDS = [
    "session",
    "dialect",
    "client",
    "model",
    "rate_hz",
    "audio_ms",
    "finals",
    "partials",
    "first_partial_ms",
    "lag_p50_ms",
    "lag_p95_ms",
    "warnings",
    "error",
    "close_code",
    "seconds",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "transcripts.db"
    with (
        closing(SqliteStore(path)) as store,
        ScriptedServices(Settings(port=0), ScriptedRecogniser(SECRET), store) as services,
        running_server(services) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> bytes:
    return (load_speech("utterances.flac") * 32_767).astype("<i2").tobytes()


def line_of(server: RunningServer, path: str, frames: list[str | bytes]) -> dict[str, Any]:
    """What the log has of a stream, besides its event and level."""

    async def talk() -> None:
        async with asyncio.timeout(PATIENCE_S), connect(f"{server.ws_url}{path}") as socket:
            for frame in frames:
                await socket.send(frame)
            with suppress(ConnectionClosedError):  # it is refused
                async for _ in socket:
                    pass

    with structlog.testing.capture_logs() as lines:
        asyncio.run(talk())
        wait_until(lambda: not server.streams.connected, "the end of the stream")
    (found,) = [line for line in lines if line["event"] == "stream"]
    line = dict(found)
    assert (line.pop("event"), line.pop("log_level")) == ("stream", "info")
    return line


@pytest.mark.long
def test_it_says_what_became_of_the_stream(server: RunningServer, speech: bytes) -> None:
    chunks = [speech[start : start + 6400] for start in range(0, len(speech), 6400)]
    line = line_of(server, "/v1/stream?sample_rate=16000", [*chunks, '{"type":"stop"}'])
    assert line["finals"] > 0
    assert list(line) == FIELDS
    assert line["session"].startswith("s")
    assert (line["dialect"], line["client"]) == ("native", "127.0.0.1")
    assert (line["model"], line["rate_hz"]) == ("scripted", 16_000)
    assert line["audio_ms"] == len(speech) // 32
    assert 0 < line["lag_p50_ms"] <= line["lag_p95_ms"] < line["seconds"] * 1000 + 100, (
        "no lag is longer than the stream"
    )
    assert line["partials"] > 0
    assert line["first_partial_ms"] >= 0
    assert (line["warnings"], line["error"], line["close_code"]) == (0, None, 1000)
    assert SECRET not in str(line)


def test_it_counts_warnings_and_names_the_last_error(server: RunningServer) -> None:
    frames: list[str | bytes] = [bytes(6401), "nonsense", '{"type":"stop"}']
    line = line_of(server, "/v1/stream?sample_rate=16000", frames)
    assert (line["warnings"], line["error"]) == (1, "invalid_request")
    assert (line["finals"], line["partials"], line["first_partial_ms"]) == (0, 0, None)


def test_a_stream_that_heard_nothing_has_no_lag(server: RunningServer) -> None:
    line = line_of(server, "/v1/stream?sample_rate=16000", ['{"type":"stop"}'])
    assert (line["audio_ms"], line["lag_p50_ms"], line["lag_p95_ms"]) == (0, None, None)


def test_a_stream_that_was_refused_says_why(server: RunningServer) -> None:
    line = line_of(server, "/v1/stream?model=nobodys", [])
    assert (line["model"], line["error"], line["close_code"]) == (None, "model_not_found", 1008)


@pytest.mark.long
def test_it_says_which_dialect_was_spoken(server: RunningServer, speech: bytes) -> None:
    path = "/v1/listen?encoding=linear16&sample_rate=8000"
    line = line_of(server, path, [speech[:64_000], '{"type":"CloseStream"}'])
    assert (line["dialect"], line["rate_hz"], line["audio_ms"]) == ("deepgram", 8000, 4000)
