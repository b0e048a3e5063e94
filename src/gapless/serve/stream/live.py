"""One stream at work: does its session's jobs, one at a time, in the engine's threads.

In: a session and a hearing. Out: their end. Invariants: however it comes to its end (stop, cancellation, a bug), the
hearing is closed, after the thread that uses it has returned; a stream lives on while its connection does not.
Thread: the event loop's; jobs run in ``services.executor``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

import structlog

from gapless.errors import GaplessError
from gapless.listen.recogniser.contract import Recognition
from gapless.serve.stream.close import RESTART
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.session import StreamSession

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


def now_ms() -> int:
    """The time that sessions run on."""
    return time.monotonic_ns() // 1_000_000


class LiveStream:
    """Runs one session.

    Args:
        session: decides.
        hearing: computes.
        executor: where it does.
        bulk_turn: held while a job of a bulk stream runs: they take turns.
    """

    def __init__(
        self,
        session: StreamSession,
        hearing: Hearing,
        executor: Executor,
        bulk_turn: asyncio.Lock,
    ) -> None:
        self.session = session
        self._hearing = hearing
        self._executor = executor
        self._bulk_turn = bulk_turn
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        """There may be something to do."""
        self.outbox = asyncio.Event()
        """There may be something to send."""
        self.room = asyncio.Event()
        """There may be room to read on."""
        self._cut = asyncio.Event()
        """The connection that has the stream now must let go of it."""
        self._awaited: Future[Recognition] | None = None
        """The place whose coming sets ``_work``."""

    def attach(self) -> asyncio.Event:
        """Take the stream from the connection that has it.

        Returns:
            An event that is set when this one must let go: another took it, or its client does not read.
        """
        self._cut.set()
        self._cut = asyncio.Event()
        return self._cut

    def touch(self) -> None:
        """Call after anything was told to the session."""
        self._work.set()
        self._tell_connection()

    def _tell_connection(self) -> None:
        self.outbox.set()
        self.room.set()
        if self.session.congested:
            self._cut.set()

    async def run(self) -> None:
        """Do jobs until the session is finished."""
        began = time.monotonic()
        session = self.session
        try:
            while not session.finished:
                await self._turn_once()
                self._tell_connection()
        except Exception:
            # The supervisor of one stream: it ends with an error, the others go on.
            log.exception("stream broke", session=session.name)
            session.broke()
        finally:
            if not session.finished:
                session.abandon(RESTART)
            await self._in_thread(self._hearing.close)
            self._tell_connection()
            log.info(
                "stream",
                session=session.name,
                audio_ms=session.audio_ms,
                finals=session.finals,
                close_code=session.close_code,
                seconds=round(time.monotonic() - began, 1),
            )

    async def _turn_once(self) -> None:
        """Do the next thing, or wait until there is one."""
        session = self.session
        job = session.next_job()
        place = self._hearing.waiting
        if job is not None:
            try:
                async with self._turn():
                    result = await self._in_thread(lambda: self._hearing.do(job))
            except GaplessError as error:
                session.failed(error)
            else:
                session.done(result, now_ms())
        elif place is not None and place.done():
            async with self._turn():
                heard = await self._in_thread(self._hearing.step)
            session.done(heard, now_ms())
        else:
            await self._wait(place)

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._bulk_turn if self.session.bulk else nullcontext()

    async def _wait(self, place: Future[Recognition] | None) -> None:
        if place is not None and place is not self._awaited:
            self._awaited = place
            place.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._work.set))
        deadline_ms = self.session.deadline_ms
        try:
            async with asyncio.timeout(
                None if deadline_ms is None else max(deadline_ms - now_ms(), 0) / 1000
            ):
                await self._work.wait()
        except TimeoutError:
            self.session.tick(now_ms())
        self._work.clear()

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        """Run ``call`` in the executor; if we are cancelled meanwhile, the thread still ends first."""
        running = self._loop.run_in_executor(self._executor, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
