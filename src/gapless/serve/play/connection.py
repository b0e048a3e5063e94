"""One connection of a player: frames to and from its session, and two threads in which its desk computes.

In: a channel, a session. Out: the same, closed. Invariants: the event loop computes nothing; a program is compiled in
one thread while the other renders, so that the sound goes on; a client that does not read is cut off; when it is over,
the threads have ended and the performance is closed. Thread: the event loop's, and two of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar, final

import structlog

from gapless.errors import GaplessError
from gapless.serve.play.messages import ChangedMessage, MistakeMessage
from gapless.serve.play.session import Chunk, Order, PlaySession
from gapless.serve.stream.channel import Channel, Gone
from gapless.serve.stream.close import INTERNAL, OVERLOADED, RESTART, close_code_of
from gapless.serve.stream.connection import CLOSE_TIMEOUT_S
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.live import now_ms

TICK_S: Final = 0.1
"""Between two looks at the time, and at whether the server stops."""

READ_TIMEOUT_S: Final = 10.0
"""How long a client may leave unread what it is sent."""

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Desk(Protocol):
    """What computes for a player: ``desk.PerformanceDesk``. All of it may block."""

    def take_up(self, order: Order) -> ChangedMessage | MistakeMessage:
        """Play another program, or none."""
        ...

    def render(self, n_samples: int, *, is_last: bool) -> Chunk:
        """The next chunk; may be called while a program is taken up."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@final
class PlayConnection:
    """See above.

    Args:
        channel: to the client.
        session: what is said over it.
        open_desk: makes what computes, in a thread; a ``GaplessError`` is told to the client.
        executor: waits for the threads when it is over.
        draining: tells whether the server stops.
    """

    def __init__(
        self,
        channel: Channel,
        session: PlaySession,
        *,
        open_desk: Callable[[], Desk],
        executor: Executor,
        draining: Callable[[], bool],
    ) -> None:
        self._channel = channel
        self._session = session
        self._open_desk = open_desk
        self._executor = executor
        self._draining = draining
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="gapless-play")
        self._desk: Desk | None = None
        self._work = asyncio.Event()
        """There may be something to send or to render."""
        self._orders = asyncio.Event()
        """There may be a program to take up."""

    async def run(self) -> None:
        """Serve until one side closes."""
        try:
            await self._serve()
        except Exception:
            # The supervisor of one player: whatever broke, the others go on.
            log.exception("player broke", session=self._session.name)
            await self._close(INTERNAL)
        finally:
            loop = asyncio.get_running_loop()
            await asyncio.shield(loop.run_in_executor(self._executor, self._let_go))

    async def _serve(self) -> None:
        session = self._session
        if session.close_code is None:
            try:
                await self._in_thread(self._open)
                session.opened()
            except GaplessError as error:
                session.refuse(error, close_code_of(error))
        parts: tuple[Coroutine[Any, Any, None], ...] = (
            self._read(),
            self._write(),
            self._take_up(),
            self._tick(),
        )
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, Gone):
                raise end

    async def _read(self) -> None:
        """Pass frames to the session."""
        while True:
            self._session.receive(await self._channel.receive(), now_ms())
            self._orders.set()
            self._work.set()

    async def _write(self) -> None:
        """Send what there is to say, or else the next chunk; close when the session says so."""
        session = self._session
        while True:
            frame = session.next_frame()
            if frame is not None:
                sending = [frame]
            elif session.close_code is not None:
                await self._close(session.close_code)
                return
            elif self._desk is not None and session.wanted:
                render = partial(self._render, self._desk, session.wanted, is_last=session.stopping)
                chunks = await self._in_thread(render)
                sending = [frame for chunk in chunks for frame in session.rendered(chunk)]
            else:
                self._work.clear()
                await self._work.wait()
                continue
            if not await self._send(sending):
                await self._close(OVERLOADED)
                return

    async def _send(self, frames: Sequence[Frame]) -> bool:
        """Whether the client reads them."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                for frame in frames:
                    await self._channel.send(frame)
        except TimeoutError:
            return False
        return True

    async def _take_up(self) -> None:
        """Play one program after another."""
        while True:
            order = self._session.next_order()
            if order is None or self._desk is None:
                self._orders.clear()
                await self._orders.wait()
            else:
                self._session.answer(await self._in_thread(partial(self._desk.take_up, order)))
                self._work.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._draining():
                self._session.stop(RESTART, now_ms())
            self._session.tick(now_ms())
            self._work.set()

    async def _close(self, code: int) -> None:
        with suppress(TimeoutError, Gone):  # whoever does not read is not told
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._channel.close(code, "")

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _open(self) -> None:
        # Kept by the thread, for nobody may be waiting for it any more.
        self._desk = self._open_desk()

    def _render(self, desk: Desk, n_chunks: int, *, is_last: bool) -> list[Chunk]:
        n_samples = self._session.chunk_samples
        return [desk.render(n_samples, is_last=is_last) for _ in range(n_chunks)]

    def _let_go(self) -> None:
        """Blocks until what is being computed is done."""
        self._threads.shutdown(cancel_futures=True)
        if self._desk is not None:
            self._desk.close()
