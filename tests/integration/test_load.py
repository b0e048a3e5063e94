"""`gapless load`, against servers that answer well, badly, late and not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner

from gapless.bench.live_server import live_server
from gapless.bench.load.arrivals import Arrivals
from gapless.bench.load.desk import Desk
from gapless.bench.load.http import http_connect
from gapless.bench.load.result import Result, result_of
from gapless.bench.load.run import run_load
from gapless.bench.load.task import HttpQuestion, Tale, Task
from gapless.bench.small_model import NAME, write_small_model
from gapless.cli.main import main
from gapless.errors import ConfigError, ConnectionLostError

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Answer: TypeAlias = Callable[[int, bytes, bytes, Writer], Awaitable[None]]
"""The number of the request, its head, its body."""

WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Site:
    """A server of a few lines, in a thread of its own."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self.bodies: list[bytes] = []
        self._writers: set[Writer] = set()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0)
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                self.bodies.append(body)
                await self._answer(len(self.bodies) - 1, head, body, writer)
        writer.close()

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.fixture
def site() -> Iterator[Callable[[Answer], Site]]:
    sites: list[Site] = []

    def make(answer: Answer) -> Site:
        sites.append(Site(answer))
        return sites[-1]

    yield make
    for one in sites:
        one.close()


async def well(_: int, __: bytes, ___: bytes, writer: Writer) -> None:
    writer.write(WELL)


def task_for(url: str, **changes: Any) -> Task:
    known: dict[str, Any] = {
        "question": HttpQuestion(url=url),
        "arrivals": Arrivals(rate_per_s=100, pattern="constant"),
        "connections": 4,
        "warm_up_s": 0.0,
        "seconds": 0.3,
        "timeout_s": 5.0,
    }
    return Task(**known | changes)


def ask(url: str, **changes: Any) -> Result:
    """As a process of the load does it, in this one: a process takes longer to start than this."""
    task = task_for(url, **changes)
    assert isinstance(task.question, HttpQuestion)
    connect = http_connect(task, task.question)

    async def now() -> float:
        return time.monotonic()

    async def run() -> Tale:
        return await Desk(task, connect).run(now)

    return result_of(task, [asyncio.run(run())])


@pytest.mark.long
def test_every_request_that_is_due_is_answered_and_counted_once(
    site: Callable[[Answer], Site],
) -> None:
    here = site(well)
    question = HttpQuestion(url=f"{here.url}{{number}}", method="POST", body="{number}/{run}")

    task = task_for(here.url, question=question, run=5, warm_up_s=0.2, seconds=0.5)
    result = run_load(task, processes=2)

    assert (result.due, result.answered, result.errors) == (50, 50, {})
    assert result.uncounted == 20
    assert result.processes == 2
    # In all, no two are alike.
    assert sorted(here.bodies) == [b"%09d/000000005" % number for number in range(70)]
    assert result.from_due is not None
    assert result.late is not None
    assert result.from_due.count == result.late.count == 50


@pytest.mark.long
def test_the_wait_behind_a_slow_answer_counts(site: Callable[[Answer], Site]) -> None:
    """A load tool that asks again only when it was answered would have one slow request here."""
    stall_s = 1.0

    async def stalls_once(number: int, _: bytes, __: bytes, writer: Writer) -> None:
        if number == 2:
            await asyncio.sleep(stall_s)
        writer.write(WELL)

    here = site(stalls_once)

    result = ask(here.url, connections=1, seconds=1.0, arrivals=Arrivals(rate_per_s=50))

    due = result.from_due
    assert due is not None
    assert due.max_us >= stall_s * 1e6
    # All who came within the second had to wait, on average for half of it.
    assert due.p50_us > 100_000
    assert result.from_sent is not None
    assert result.from_sent.p50_us < due.p50_us
    assert result.most_waiting > 10


@pytest.mark.long
def test_a_closed_loop_asks_as_soon_as_it_is_answered(site: Callable[[Answer], Site]) -> None:
    here = site(well)

    result = ask(here.url, arrivals=None, connections=3)

    assert result.offered_per_s is None
    assert result.answered > 10
    assert result.answered + result.uncounted == len(here.bodies)
    assert result.late is None


@pytest.mark.long
def test_bad_answers_are_counted_by_their_status(site: Callable[[Answer], Site]) -> None:
    async def answer(number: int, _: bytes, __: bytes, writer: Writer) -> None:
        line = {1: b"503 Busy", 2: b"404 Not Found"}.get(number, b"204 No Content")
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % line)

    result = ask(site(answer).url)

    assert result.errors == {"status 503": 1, "status 404": 1}
    assert result.answered == 28


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", ""),
        (b"HTTP/1.0 200 OK\r\n\r\nas long as it lasts", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WELL, ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ""),
        (
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nok",
            "connection lost before the answer",
        ),
        (b"", "connection lost before the answer"),
        (b"hello\r\n\r\n", "an answer that is no HTTP"),
    ],
)
def test_an_answer_counts_if_it_is_there_to_its_end(
    site: Callable[[Answer], Site], answer: bytes, error: str
) -> None:
    async def say(_: int, __: bytes, ___: bytes, writer: Writer) -> None:
        writer.write(answer)
        if b"chunked" not in answer and WELL not in answer:
            await writer.drain()
            writer.close()

    result = ask(site(say).url)

    assert result.due == 30
    assert result.errors == ({error: 30} if error else {})


@pytest.mark.long
def test_who_is_not_answered_in_time_has_failed(site: Callable[[Answer], Site]) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(30)

    result = ask(site(never).url, timeout_s=0.3, connections=2, seconds=0.2)

    assert result.due == 20
    assert result.answered == 0
    assert result.p95_us is None
    assert set(result.errors) <= {"no answer in time", "no free connection in time"}
    assert result.errors["no answer in time"] >= 2


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]

    with pytest.raises(ConnectionLostError, match="cannot be reached"):
        ask(f"http://127.0.0.1:{port}/")


@pytest.mark.long
def test_what_a_process_finds_wrong_is_told_as_what_it_is() -> None:
    question = HttpQuestion(url="http://127.0.0.1/", body_file="no/such/file")

    with pytest.raises(ConfigError, match="no/such/file"):
        run_load(task_for("", question=question))


@pytest.mark.long
def test_a_lost_server_is_found_again(site: Callable[[Answer], Site]) -> None:
    async def hangs_up_at_first(number: int, _: bytes, __: bytes, writer: Writer) -> None:
        if number < 4:
            writer.close()
        else:
            writer.write(WELL)

    result = ask(site(hangs_up_at_first).url)

    assert result.errors == {"connection lost before the answer": 4}
    assert result.answered == 26
    assert result.connects == 8


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.long
def test_the_command_tells_people_and_programs_the_same(site: Callable[[Answer], Site]) -> None:
    url = site(well).url
    arguments = ["load", url, "--rate", "100", "--duration", "0.3", "--warm-up", "0"]

    shown = CliRunner().invoke(main, arguments)
    told = CliRunner().invoke(main, [*arguments, "--json", "-H", "X-A: b", "--data", "{}"])

    assert (shown.exit_code, told.exit_code) == (0, 0)
    assert "from the moment it was due" in shown.stdout
    result = json.loads(told.stdout)
    assert result["due"] == result["answered"]
    assert result["offered_per_s"] == 100


@pytest.mark.long
def test_the_exit_code_says_what_was_worse_than_allowed(site: Callable[[Answer], Site]) -> None:
    async def busy(_: int, __: bytes, ___: bytes, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")

    url = site(busy).url
    arguments = ["load", url, "--rate", "50", "--duration", "0.2", "--warm-up", "0"]

    failed = CliRunner().invoke(main, arguments)
    allowed = CliRunner().invoke(main, [*arguments, "--max-errors", "100"])

    assert (failed.exit_code, allowed.exit_code) == (1, 0)
    assert "100 % failed" in failed.stderr


def test_servers_of_others_are_not_loaded() -> None:
    refused = CliRunner().invoke(main, ["load", "http://203.0.113.7/"])

    assert refused.exit_code == 1
    assert "--i-own-this-server" in refused.stderr


@pytest.mark.long
def test_ctrl_c_prints_what_there_is(site: Callable[[Answer], Site]) -> None:
    here = site(well)
    command = ["-m", "gapless", "load", here.url, "--rate", "100", "--duration", "60", "--json"]
    with subprocess.Popen(
        [sys.executable, *command, "--warm-up", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        while len(here.bodies) < 20:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)

    result = json.loads(output)
    assert process.returncode == 130
    assert result["interrupted"]
    assert 0 < result["answered"] <= len(here.bodies)
    assert result["errors"] == {}


@pytest.mark.long
def test_questions_over_http_and_grpc_and_live_streams_of_a_real_server(tmp_path: Path) -> None:
    write_small_model(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as place:
        grpc_port = place.getsockname()[1]
    key = "a-key-of-a-test"
    settings = {
        "models_dir": tmp_path,
        "tensor_model": NAME,
        "grpc_port": grpc_port,
        "api_key": key,
    }
    short = ["--duration", "1", "--json", "--timeout", "30", "--warm-up", "0", "--api-key", key]
    with live_server(settings) as server:
        http = server.url.replace("ws://", "http://")

        def run(*arguments: str) -> dict[str, Any]:
            done = CliRunner().invoke(main, ["load", *arguments, *short])
            assert done.exit_code == 0, done.output
            result: dict[str, Any] = json.loads(done.stdout)
            return result

        for result in (
            run("infer", http, "--rate", "20"),
            run("infer", http, "--model", NAME, "--bodies", "2", "--closed", "2"),
            run("grpc", f"127.0.0.1:{grpc_port}", "--model", NAME, "--rate", "20"),
        ):
            assert result["answered"] == result["due"] > 0
        talk = ["stream", http, "--streams", "2", "--processes", "2", "--model", "commands-en"]
        spoken = CliRunner().invoke(
            main, ["load", *talk, "--duration", "6", "--json", "--api-key", key]
        )
        refused = CliRunner().invoke(
            main, ["load", *talk, "--duration", "1", "--json", "--api-key", "wrong"]
        )

    result = json.loads(spoken.stdout)
    assert (result["failed"], result["streams"], result["processes"]) == (0, 2, 2)
    assert result["finals"] > 0
    assert result["lag"]["count"] > 0
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["failed"] == 2
