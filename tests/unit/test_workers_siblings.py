"""How workers find and ask one another."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from gapless.serve.workers import siblings as module
from gapless.serve.workers.siblings import Siblings, socket_path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: those of Unix sockets are bounded."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def us(folder: Path, name: str = "g2w0", of: int = 2) -> Siblings:
    return Siblings(folder, name, of, b"secret")


def saying(answer: bytes) -> Answer:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    return say


@asynccontextmanager
async def worker(folder: Path, name: str, answer: Answer) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(answer, str(socket_path(folder, name)))
    async with server:
        yield


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes"


def test_the_newest_come_first_and_strangers_are_left_out(folder: Path) -> None:
    for name in ("g1w0", "g2w0", "g2w1", "g10w0", "g2w10", "stranger", "g2w1x"):
        socket_path(folder, name).touch()

    assert us(folder).names() == ["g10w0", "g2w1", "g2w10", "g1w0"]


@pytest.mark.parametrize("name", ["g2w0", "g3w9", "../g2w1", "", "stranger", "g2w1\n", "g²w1"])
def test_only_other_workers_that_are_there_have_a_path(folder: Path, name: str) -> None:
    for there in ("g2w0", "g2w1", "stranger"):
        socket_path(folder, there).touch()

    assert us(folder).path_of(name) is None
    assert us(folder).path_of("g2w1") == str(folder / "g2w1.sock")


def test_those_of_the_same_start_are_missed(folder: Path) -> None:
    siblings = us(folder, of=3)
    for name, missing in (("g2w0", 2), ("g1w1", 2), ("g2w1", 1), ("g2w2", 0)):
        socket_path(folder, name).touch()
        assert siblings.missing == missing


def test_who_does_not_answer_in_time_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_ANSWER_BYTES", 1000)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until nobody asks any more
        writer.close()

    answers = {
        "g2w1": saying(OK),
        "g2w2": saying(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
        ),
        "g2w3": saying(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        "g2w4": saying(b"nonsense"),
        "g2w5": saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + b"x" * 9999),
        "g2w6": saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut"),
        "g2w7": silent,
    }

    async def main() -> list[bytes]:
        async with AsyncExitStack() as stack:
            for name, answer in answers.items():
                await stack.enter_async_context(worker(folder, name, answer))
            socket_path(folder, "g1w0").touch()  # of one that died
            answered = await us(folder).ask("/metrics")
            await asyncio.sleep(0)  # they learn that nobody asks any more
            return answered

    assert asyncio.run(main()) == [b"yes", b"no"]


def test_only_what_comes_through_its_own_socket_is_inside(folder: Path) -> None:
    siblings = us(folder)

    assert siblings.is_inside({"server": (str(folder / "g2w0.sock"), None)})
    for server in (("127.0.0.1", 80), (str(folder / "g2w1.sock"), None), None, ("", None)):
        assert not siblings.is_inside({"server": server})
    assert not siblings.is_inside({})
