"""How a server says it does: a real server, a real stream and real calls, asked over HTTP and with ``gapless monitor``."""

from __future__ import annotations

import asyncio
import base64
import csv
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from gapless.audio.types import Samples
from gapless.cli.monitor_words import CSV_COLUMNS
from gapless.client import Client
from gapless.observe.status import History, Status
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

KEY = "sesame"
CALLS = 20
SILENCE = base64.b64encode(bytes(2 * 1024)).decode()
"""Two windows of the voice detector."""


@pytest.fixture(autouse=True)
def private_folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A microphone of whoever runs the tests is none of theirs.
    with tempfile.TemporaryDirectory(prefix="gapless-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="module")
def server(load_speech: Callable[[str], Samples]) -> Iterator[RunningServer]:
    """One that was asked for everything that a status tells of."""
    settings = Settings(port=0, save=False, api_key=KEY, max_sessions=7)
    with ScriptedServices(settings) as services, running_server(services) as running:
        with httpx.Client(base_url=running.url, headers={"X-API-Key": KEY}) as http:
            asked = {"audio": SILENCE, "sample_rate": 16_000}
            for _ in range(CALLS):
                assert http.post("/v1/infer", json=asked).is_success
            assert http.post("/v1/infer", json={"audio": "?"}).status_code == 400
        asyncio.run(speak(running.ws_url, load_speech("utterances.flac")))
        yield running


async def speak(url: str, samples: Samples) -> None:
    async with Client(url, api_key=KEY) as client, client.stream() as stream:
        for start in range(0, len(samples), 1600):
            await stream.send(samples[start : start + 1600])
        await stream.stop()
        async for _ in stream:
            pass


def ask(server: RunningServer, path: str, **query: int) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", headers={"X-API-Key": KEY}, params=query or None)


def monitor(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gapless", "monitor", *arguments],
        env={**os.environ, "GAPLESS_CONFIG": "", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- over HTTP --------------------------------------------------------------------------------------


def test_a_status_tells_what_was_asked_of_the_server(server: RunningServer) -> None:
    status = msgspec.json.decode(ask(server, "/v1/status").content, type=Status)

    native = next(dialect for dialect in status.dialects if dialect.dialect == "native")
    # The calls, the one that was refused, and the upgrade of the stream; statuses come on top.
    assert round(native.per_s * status.window_s) >= CALLS + 2
    assert native.errors_per_s == 0
    assert native.took is not None
    assert status.streams.most == 7
    assert status.streams.live == 0
    assert status.streams.lag is not None
    assert status.streams.lag.count > 0
    assert status.streams.lag.p50_ms <= status.streams.lag.p95_ms <= status.streams.lag.p99_ms
    detector = next(model for model in status.models if model.name == "silero_vad")
    assert round(detector.rows_per_s * status.window_s) >= 2 * CALLS
    assert detector.compute is not None
    assert detector.queue is not None
    assert sum(status.rejected_per_s.values()) > 0
    assert status.workers == 1
    assert status.memory_bytes is not None
    assert status.memory_bytes > 20_000_000
    assert status.processor_share is not None
    assert status.microphone is None


def test_the_targets_are_judged_by_the_same_figures(server: RunningServer) -> None:
    status = msgspec.json.decode(ask(server, "/v1/status").content, type=Status)

    targets = {target.row: target for target in status.targets}
    assert list(targets) == ["V1", "A1", "V2", "A4", "A3"]
    assert status.streams.lag is not None
    assert targets["V1"].value == status.streams.lag.p95_ms
    assert targets["A1"].value is not None
    assert targets["V2"].value == 0
    assert status.memory_bytes is not None
    assert targets["A3"].value == status.memory_bytes / 1e6
    for target in targets.values():
        assert target.met == (target.value <= target.bound if target.value is not None else None)
    assert status.targets_met == sum(target.met is not False for target in status.targets)


def test_a_status_agrees_with_the_metrics(server: RunningServer) -> None:
    metrics = ask(server, "/metrics").text
    status = msgspec.json.decode(ask(server, "/v1/status").content, type=Status)

    line = 'gapless_stream_lag_seconds_count{dialect="native"}'
    counted = next(each for each in metrics.splitlines() if each.startswith(line))
    assert status.streams.lag is not None
    assert status.streams.lag.count == float(counted.split()[1])


@pytest.mark.long
def test_the_hour_goes_on_and_only_what_is_new_is_told(server: RunningServer) -> None:
    def history(since_ms: int = 0) -> History:
        answer = ask(server, "/v1/status/history", since_ms=since_ms)
        return msgspec.json.decode(answer.content, type=History)

    deadline_s = time.monotonic() + 30
    while not (first := history()).at_ms and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert {len(series.values) for series in first.series} == {len(first.at_ms)}
    assert all(at_ms > first.at_ms[-1] for at_ms in history(first.at_ms[-1]).at_ms)


@pytest.mark.parametrize("path", ["/v1/status", "/v1/status/history"])
def test_who_has_no_key_learns_nothing(server: RunningServer, path: str) -> None:
    assert httpx.get(f"{server.url}{path}").status_code == 401


@pytest.mark.parametrize("query", ["since_ms=soon", "until_ms=1", "since_ms=1.5"])
def test_a_history_that_cannot_be_told_is_refused(server: RunningServer, query: str) -> None:
    answer = ask(server, f"/v1/status/history?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


# --- on the command line ----------------------------------------------------------------------------


@pytest.mark.long
def test_once_as_json_is_what_the_server_says(server: RunningServer) -> None:
    answer = monitor(server.url, "--once", "--json", GAPLESS_API_KEY=KEY)

    status = msgspec.json.decode(answer.stdout, type=Status)
    assert answer.stderr == ""
    assert answer.returncode == {"all met": 0, "good": 1, "attention": 2}[status.judgement]
    assert status.streams.most == 7


@pytest.mark.long
def test_once_is_a_page_for_people(server: RunningServer) -> None:
    answer = monitor(server.url, "--once", "--api-key", KEY)

    assert answer.returncode in (0, 1)
    for words in ("live lag", "model calls", "processor", "memory", "silero_vad", "of 7", "V1"):
        assert words in answer.stdout
    assert "q quit" not in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 80


@pytest.mark.long
def test_rows_are_added_to_a_file(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    for _ in range(2):
        monitor(server.url, "--once", "--csv", str(file), GAPLESS_API_KEY=KEY)

    with file.open(newline="") as opened:
        header, *rows = csv.reader(opened)
    assert tuple(header) == CSV_COLUMNS
    assert len(rows) == 2
    row = dict(zip(header, rows[1], strict=True))
    assert row["judgement"] in ("all met", "good")
    assert float(row["lag_p95_ms"]) > 0
    assert row["refused_per_min"] == "0"


@pytest.mark.long
def test_without_a_terminal_there_is_a_line_a_look_until_it_is_interrupted(
    server: RunningServer,
) -> None:
    command = [sys.executable, "-m", "gapless", "monitor", server.url, "--every", "0.2"]
    env = {**os.environ, "GAPLESS_CONFIG": "", "GAPLESS_API_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        lines = [watching.stdout.readline() for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        code = watching.wait(30)
        complaints = watching.stderr.read()

    assert all("of 5" in line and "live lag" in line for line in lines)
    assert (code, complaints) == (0, "")


@pytest.mark.long
def test_a_wrong_key_is_told_in_a_sentence(server: RunningServer) -> None:
    answer = monitor(server.url, "--once", "--api-key", "wrong")

    assert answer.returncode == 1
    assert "wants a key, or another one; give it with GAPLESS_API_KEY" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.long
def test_a_server_that_is_away_needs_attention() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        answer = monitor(url, "--once", "--json")

    assert answer.returncode == 2
    assert f"no server answers at {url}" in answer.stderr
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
