"""Several worker processes on one port: real processes, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gapless.audio.types import Samples

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PATIENCE_S = 120.0
KEY = "open sesame"
HEADERS = {"authorization": f"Bearer {KEY}"}

LoadSpeech = Callable[[str], Samples]


class House:
    """A server of several processes, from the outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self.grpc = ""

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1)

    def listen(self) -> None:
        """Read its log, in a thread of its own."""
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def said(self, event: str) -> int:
        return sum(f'"event": "{event}' in line for line in self.lines)

    def children(self) -> set[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in path.read_text().split()}

    def reload(self) -> None:
        """Replace the workers; returns when new ones have taken over."""
        before = self.said("reloaded")
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said("reloaded") > before)


@contextmanager
def serving(folder: Path, *options: str, **settings: object) -> Iterator[House]:
    command = [sys.executable, "-m", "gapless", "serve", "--port", "0", *options]
    environment = os.environ | {
        "GAPLESS_CONFIG": str(folder / "gapless.toml"),
        "GAPLESS_DATA_DIR": str(folder / "data"),
        "GAPLESS_LOG_FORMAT": "json",
        **{f"GAPLESS_{name.upper()}": str(value) for name, value in settings.items()},
    }
    (folder / "gapless.toml").touch()
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        house = House(process)
        reader = threading.Thread(target=house.listen)
        reader.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"over gRPC at (\S+)", line):
                    house.grpc = found[1]
                if found := re.search(r"Console\s+(http://\S+)", line):
                    house.url = found[1]
                if "reads settings anew" in line:
                    break
            assert house.url, house.lines
            yield house
        finally:
            workers = house.children() if process.poll() is None else set()
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                for pid in workers:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                reader.join(PATIENCE_S)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workers with a place for one stream each."""
    folder = tmp_path_factory.mktemp("house")
    settings = {"api_key": KEY, "max_sessions": 2, "max_players": 2}
    with serving(folder, "--workers", "2", "--grpc-port", "0", **settings) as made:
        yield made


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    samples = load_speech("utterances.flac")
    return (samples * 32_767).astype("<i2").tobytes()


def wait_until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    ends = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < ends, "it does not happen"
        time.sleep(0.02)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE_S):
            await main()

    asyncio.run(bounded())


async def read(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["type"] == kind:
            return message


async def rest(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await socket.recv()))
    return messages


def worker_of(message: dict[str, Any]) -> str:
    """The worker that has a session."""
    return str(message["session"]).rpartition("-")[2]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages if message["type"] == "final"]


async def post(house: House, path: str, body: object) -> httpx.Response:
    """A request over a connection of its own."""
    async with httpx.AsyncClient(headers=HEADERS) as client:
        return await client.post(f"{house.url}{path}", json=body)


@asynccontextmanager
async def stream(url: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A connection; those before it may be about to free their places."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                socket = await connect(url, **options)
                break
            except InvalidStatus as refusal:
                if refusal.response.status_code != 503:
                    raise
                await asyncio.sleep(0.05)
    try:
        yield socket
    finally:
        await socket.close()


@asynccontextmanager
async def stream_elsewhere(url: str, worker: str) -> AsyncIterator[ClientConnection]:
    """A connection that another worker accepted than the one named."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with stream(url, additional_headers=HEADERS) as socket:
                if worker_of(await read(socket, "ready")) != worker:
                    yield socket
                    return


def test_a_full_worker_passes_streams_on_to_one_that_has_a_place(
    house: House, speech: bytes
) -> None:
    async def main() -> None:
        url = f"{house.ws}/v1/stream"
        async with (
            stream(url, additional_headers=HEADERS) as first,
            stream(url, additional_headers=HEADERS) as second,
        ):
            workers = {worker_of(await read(socket, "ready")) for socket in (first, second)}
            assert workers == {"g1w0", "g1w1"}
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=HEADERS)
            assert refused.value.response.status_code == 503
            # Both hear the same, whichever was passed on.
            heard = []
            for socket in (first, second):
                for start in range(0, len(speech), 32_000):
                    await socket.send(speech[start : start + 32_000])
                await socket.send('{"type": "stop"}')
                heard.append(texts(await rest(socket)))
                assert socket.close_code == 1000
            assert heard[0]
            assert heard[0] == heard[1]

    run(main)


def test_a_stream_is_resumed_whichever_worker_takes_the_connection(
    house: House, speech: bytes
) -> None:
    async def main() -> None:
        url = f"{house.ws}/v1/stream"
        async with stream(url, additional_headers=HEADERS) as whole:
            await whole.send(speech)
            await whole.send('{"type": "stop"}')
            expected = texts(await rest(whole))
        assert expected

        half = len(speech) // 4 * 2
        async with stream(url, additional_headers=HEADERS) as lost:
            ready = await read(lost, "ready")
            await lost.send(speech[:half])
            said = await read(lost, "speech_start")
            lost.transport.abort()  # without a word
        wish = {
            "type": "resume",
            "session": ready["session"],
            "token": ready["resume_token"],
            "next_sample": half // 2,
            "last_seq": said["seq"],
        }
        async with stream_elsewhere(url, worker_of(ready)) as socket:
            await socket.send(json.dumps(wish))
            again = await read(socket, "ready")
            while again["session"] != ready["session"]:
                again = await read(socket, "ready")
            await socket.send(speech[half:])
            await socket.send('{"type": "stop"}')
            assert texts(await rest(socket)) == expected
            assert socket.close_code == 1000

    run(main)


def test_a_wrong_token_resumes_nothing_at_another_worker(house: House) -> None:
    async def main() -> None:
        url = f"{house.ws}/v1/stream"
        for session in ("s1-g1w0", "s1-g1w1", "s1-g9w9", "s1", "s1-../../etc"):
            async with stream(url, additional_headers=HEADERS) as socket:
                wish = {"type": "resume", "session": session, "token": "x", "next_sample": 0}
                await socket.send(json.dumps(wish))
                refusal = await read(socket, "error")
                assert refusal["code"] == "not_found"

    run(main)


def test_a_ticket_is_good_once_whichever_worker_is_asked(house: House) -> None:
    async def main() -> None:
        issuers: set[str] = set()
        used = 0
        async with asyncio.timeout(PATIENCE_S):
            while len(issuers) < 2:
                # One connection each, so that both workers are met.
                answer = await post(house, "/v1/tickets", None)
                ticket = answer.json()["token"]
                issuers.add(ticket.partition(".")[0])
                url = f"{house.ws}/v1/stream?token={ticket}"
                with suppress(InvalidStatus):  # no place yet; it is used all the same
                    async with connect(url) as socket:
                        await read(socket, "ready")
                        used += 1
                for _ in range(4):
                    with pytest.raises(InvalidStatus) as refused:
                        await connect(url)
                    assert refused.value.response.status_code == 401
        assert used
        for never in ("g1w0.x", "g1w1.x", "g1w1./", "g1w1", "g7w7.x"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{house.ws}/v1/stream?token={never}")
            assert refused.value.response.status_code == 401

    run(main)


def test_a_client_secret_opens_realtime_sessions_at_every_worker(house: House) -> None:
    async def main() -> None:
        session = {
            "type": "transcription",
            "audio": {"input": {"transcription": {"language": "en"}}},
        }
        answer = await post(house, "/v1/realtime/client_secrets", {"session": session})
        secret = answer.json()["value"]
        protocols = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{secret}")]
        # Twice at a time: each worker has one place.
        for _ in range(3):
            async with (
                stream(f"{house.ws}/v1/realtime", subprotocols=protocols) as first,
                stream(f"{house.ws}/v1/realtime", subprotocols=protocols) as second,
            ):
                for socket in (first, second):
                    created = json.loads(await socket.recv())
                    given = created["session"]["audio"]["input"]["transcription"]
                    assert given["language"] == "en"

    run(main)


def test_what_workers_ask_each_other_is_answered_to_nobody_else(house: House) -> None:
    for path in ("/inside/tickets/g1w0.x", "/inside/tickets/x"):
        assert httpx.post(f"{house.url}{path}", headers=HEADERS).status_code == 404
        assert httpx.post(f"{house.url}{path}").status_code == 401

    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{house.ws}/inside/streams", additional_headers=HEADERS)
        assert refused.value.response.status_code == 404

    run(main)


def test_a_model_that_is_taken_out_is_taken_out_of_every_worker(house: House) -> None:
    model = "commands-en.ctc"

    def said() -> set[int]:
        """What many connections are answered."""
        ready = f"{house.url}/v2/models/{model}/ready"
        return {httpx.get(ready, headers=HEADERS).status_code for _ in range(20)}

    repository = f"{house.url}/v2/repository/models/{model}"
    for _ in range(3):
        assert httpx.post(f"{repository}/unload", headers=HEADERS).status_code == 200
        assert 200 not in said()
        assert httpx.post(f"{repository}/load", headers=HEADERS, timeout=60).status_code == 200
        assert said() == {200}


def test_both_workers_answer_over_grpc_on_one_port(house: House) -> None:
    for _ in range(8):
        with tritonclient.grpc.InferenceServerClient(house.grpc) as client:
            headers = {"authorization": f"Bearer {KEY}"}
            assert client.is_server_ready()
            metadata = client.get_model_metadata("silero_vad", headers=headers)
            assert metadata.name == "silero_vad"


def test_a_killed_worker_comes_back_and_all_end_when_their_supervisor_is_killed(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "--workers", "2", "--no-save") as house:
        before = house.children()
        assert len(before) == 2
        assert httpx.get(f"{house.url}/health/ready").json() == {
            "ready": True,
            "reasons": [],
            "degraded": [],
        }
        victim = max(before)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: house.said("worker died") == 1)
        while house.said("model loaded") < 3:
            health = httpx.get(f"{house.url}/health/ready")
            assert health.status_code == 200
        wait_until(lambda: httpx.get(f"{house.url}/health/ready").json()["degraded"] == [])
        after = house.children()
        assert len(after) == 2
        assert victim not in after
        assert before & after
        assert [line for line in house.lines if "ended by SIGKILL" in line]

        house.process.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in after))


def test_nothing_is_lost_over_two_reloads(tmp_path: Path, speech: bytes) -> None:
    """Requests over connections that are kept alive, new connections, and a stream that lives through both."""

    async def hammer(client: httpx.AsyncClient, url: str, counts: dict[str, int]) -> None:
        while not counts["over"]:
            answer = await client.post(f"{url}/v1/infer", json={"text": ""})
            assert answer.status_code in (200, 400), answer.text
            answer = await client.get(f"{url}/v1/config")
            assert answer.status_code == 200
            counts[f"max_sessions {answer.json()['settings']['max_sessions']['value']}"] = 1
            counts["requests"] += 2
            await asyncio.sleep(0.01)  # the processor is the workers' too
            if answer.headers.get("connection") == "close":
                counts["closed"] += 1

    async def main(house: House) -> None:
        counts = {"over": 0, "requests": 0, "closed": 0}
        third = len(speech) // 6 * 2
        url = f"{house.ws}/v1/stream"
        async with (
            connect(url) as alone,
            httpx.AsyncClient(timeout=PATIENCE_S) as client,
            asyncio.TaskGroup() as group,
        ):
            await alone.send(speech)
            await alone.send('{"type": "stop"}')
            expected = texts(await rest(alone))
            assert expected
            for _ in range(4):
                group.create_task(hammer(client, house.url, counts))

            async with connect(url) as socket:
                ready = await read(socket, "ready")
                # Read all the while: who does not read answers no pings, and is cut off.
                said = group.create_task(rest(socket))
                await socket.send(speech[:third])
                await asyncio.to_thread((tmp_path / "gapless.toml").write_text, "max_sessions = 8")
                await asyncio.to_thread(house.reload)
                await socket.send(speech[third : 2 * third])
                async with connect(url) as new:
                    assert worker_of(await read(new, "ready")).startswith("g2w")
                await asyncio.to_thread((tmp_path / "gapless.toml").write_text, "max_sessions = 6")
                await asyncio.to_thread(house.reload)
                # A mistake changes nothing.
                await asyncio.to_thread((tmp_path / "gapless.toml").write_text, "max_sessions = no")
                house.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(wait_until, lambda: house.said("reload failed") == 1)
                async with connect(url) as new:
                    assert worker_of(await read(new, "ready")).startswith("g3w")
                await socket.send(speech[2 * third :])
                await socket.send('{"type": "stop"}')
                assert worker_of(ready).startswith("g1w")
                assert texts(await said) == expected
                assert socket.close_code == 1000
            counts["over"] = 1
        assert counts["requests"] > 20
        assert counts["closed"] > 0
        assert {name for name in counts if name.startswith("max")} == {
            "max_sessions 64",
            "max_sessions 8",
            "max_sessions 6",
        }

    # Of one worker: that it runs under a supervisor is enough to replace it.
    with serving(tmp_path, "--workers", "1") as house:
        first = house.children()
        run(lambda: main(house))
        wait_until(lambda: len(house.children()) == 1)
        assert not first & house.children()
    assert not [line for line in house.lines if "Traceback" in line]


def test_a_server_that_cannot_start_says_why_once_and_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gapless", "serve", "--workers", "2", "--port", "0"]
    result = subprocess.run(
        [*command, "--model", "nobody-pulled-this"],
        capture_output=True,
        text=True,
        env=os.environ | {"GAPLESS_CONFIG": "", "GAPLESS_DATA_DIR": str(tmp_path)},
        timeout=PATIENCE_S,
        check=False,
    )

    assert result.returncode == 2
    said = [line for line in result.stderr.splitlines() if line.startswith("gapless:")]
    assert len(said) == 1
    assert "nobody-pulled-this" in said[0]
    assert "Traceback" not in result.stderr
