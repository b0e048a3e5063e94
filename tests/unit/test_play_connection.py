"""A player's connection over a channel in memory, with a desk that makes no sound."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
import pytest

from gapless.errors import ConfigError
from gapless.serve.play import connection
from gapless.serve.play.connection import PlayConnection
from gapless.serve.play.messages import ChangedMessage, MistakeMessage, PlayOptions, SetMessage
from gapless.serve.play.session import Chunk, Order, PlaySession
from gapless.serve.stream.channel import Gone
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.live import now_ms
from gapless.settings import Settings

Answer = TypeVar("Answer")

PATIENCE_S = 20.0


class Wire:
    """A channel in memory."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[Frame | int] = asyncio.Queue()
        self.sent: list[Frame] = []
        self.code: int | None = None
        self.deaf = False
        self.news = asyncio.Event()

    def say(self, **message: object) -> None:
        self._frames.put_nowait(msgspec.json.encode(message).decode())

    def hang_up(self) -> None:
        self._frames.put_nowait(1001)

    async def receive(self) -> Frame:
        frame = await self._frames.get()
        if isinstance(frame, int):
            raise Gone(frame)
        return frame

    async def send(self, frame: Frame) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        self.sent.append(frame)
        self.news.set()

    async def close(self, code: int, reason: str) -> None:
        self.code = code

    @property
    def kinds(self) -> list[str]:
        return [
            "sound" if isinstance(frame, bytes) else msgspec.json.decode(frame)["type"]
            for frame in self.sent
        ]

    async def until(self, kind: str, count: int = 1) -> None:
        while self.kinds.count(kind) < count:
            self.news.clear()
            await self.news.wait()


class SilentDesk:
    """Answers by what a text says."""

    def __init__(self) -> None:
        self.closed = False
        self.taken = threading.Event()
        """A program that takes long was begun."""
        self.gate = threading.Event()
        """Until it is set, that takes."""

    def take_up(self, order: Order) -> ChangedMessage | MistakeMessage:
        text = order.text if isinstance(order, SetMessage) else ""
        if text == "bug":
            raise ZeroDivisionError
        if text == "slow":
            self.taken.set()
            assert self.gate.wait(PATIENCE_S)
        return ChangedMessage(order.id, 0, 0.0, 0.5, (), ())

    def render(self, n_samples: int, *, is_last: bool) -> Chunk:
        assert not self.closed
        return Chunk(n_samples, bytes(8 * n_samples), (), (), is_last)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


class Player:
    """A connection at work."""

    def __init__(
        self, executor: ThreadPoolExecutor, open_desk: Callable[[], SilentDesk] | None = None
    ) -> None:
        self.wire = Wire()
        self.desk = SilentDesk()
        self.draining = False
        self.session = PlaySession("p1", PlayOptions(), Settings(), now_ms())
        self.task = asyncio.create_task(
            PlayConnection(
                self.wire,
                self.session,
                open_desk=open_desk or (lambda: self.desk),
                executor=executor,
                draining=lambda: self.draining,
            ).run()
        )


def run(main: Callable[[], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


def test_it_plays_and_stops(executor: ThreadPoolExecutor) -> None:
    async def play() -> Player:
        player = Player(executor)
        await player.wire.until("ready")
        player.wire.say(type="set", id="a", text="")
        await player.wire.until("sound", 10)
        player.wire.say(type="heard", sample=9600)
        player.wire.say(type="stop")
        await player.task
        return player

    player = run(play)
    assert player.wire.kinds[:2] == ["ready", "changed"]
    assert player.wire.code == 1000
    assert player.desk.closed


def test_the_sound_goes_on_while_a_program_is_taken_up(executor: ThreadPoolExecutor) -> None:
    async def play() -> Player:
        player = Player(executor)
        player.wire.say(type="heard", sample=0)
        player.wire.say(type="set", id="a", text="slow")
        await asyncio.to_thread(player.desk.taken.wait, PATIENCE_S)
        for n in range(1, 20):
            await player.wire.until("sound", 10 * n)
            player.wire.say(type="heard", sample=9600 * n)
        assert "changed" not in player.wire.kinds
        player.desk.gate.set()
        await player.wire.until("changed")
        player.wire.hang_up()
        await player.task
        return player

    assert run(play).desk.closed


def test_who_hangs_up_while_a_program_is_taken_up_leaves_nothing_behind(
    executor: ThreadPoolExecutor,
) -> None:
    async def play() -> Player:
        player = Player(executor)
        player.wire.say(type="set", id="a", text="slow")
        await asyncio.to_thread(player.desk.taken.wait, PATIENCE_S)
        player.wire.hang_up()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not player.desk.closed, "it is still at work"
        player.desk.gate.set()
        await player.task
        return player

    assert run(play).desk.closed


def test_who_does_not_read_is_cut_off(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.05)

    async def play() -> Player:
        player = Player(executor)
        await player.wire.until("ready")
        player.wire.deaf = True
        player.wire.say(type="set", id="a", text="")
        await player.task
        return player

    player = run(play)
    assert player.wire.code == 1013
    assert player.desk.closed


def test_a_bug_ends_the_player(executor: ThreadPoolExecutor) -> None:
    async def play() -> Player:
        player = Player(executor)
        player.wire.say(type="set", id="a", text="bug")
        await player.task
        return player

    player = run(play)
    assert player.wire.code == 1011
    assert player.desk.closed


def test_what_cannot_be_opened_is_told(executor: ThreadPoolExecutor) -> None:
    def refuse() -> SilentDesk:
        raise ConfigError("no room; make some")

    async def play() -> Player:
        player = Player(executor, refuse)
        await player.task
        return player

    player = run(play)
    assert msgspec.json.decode(player.wire.sent[-1])["message"] == "no room; make some"
    assert player.wire.code == 1008


def test_when_the_server_stops_the_sound_fades(executor: ThreadPoolExecutor) -> None:
    async def play() -> Player:
        player = Player(executor)
        player.wire.say(type="set", id="a", text="")
        await player.wire.until("sound", 10)
        player.draining = True
        while not player.session.stopping:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.005)
        player.wire.say(type="heard", sample=960)
        await player.task
        return player

    player = run(play)
    assert player.wire.kinds.count("sound") == 11
    assert player.wire.code == 1012


def test_one_that_is_cancelled_lets_go(executor: ThreadPoolExecutor) -> None:
    async def play() -> Player:
        player = Player(executor)
        await player.wire.until("ready")
        player.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await player.task
        return player

    player = run(play)
    executor.shutdown()
    assert player.desk.closed
