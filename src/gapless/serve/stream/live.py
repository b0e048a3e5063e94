"""One stream at work: does its session's jobs, one at a time.

In: a session and a hearing. Out: their end. Invariants: however it comes to its end (stop, cancellation, a bug), the
hearing is closed, after the thread that uses it has returned; a stream lives on while its connection does not.
Thread: the event loop's. Quick jobs are done there, for a thread costs more than they do; the others in
``services.executor``, and what waits for the store in threads that wait for nothing else, so that a store that hangs
keeps no stream from being heard: a final is waited for as long as a store that is well takes, and then held while the
stream goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Final, TypeVar

import structlog

from gapless.errors import GaplessError
from gapless.listen.recogniser.contract import Wake
from gapless.serve.stream.account import Account
from gapless.serve.stream.close import RESTART
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.held import Held
from gapless.serve.stream.messages import ServerMessage
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import ConfigureJob, FinishJob, Heard, Job, Result

STORE_S: Final = 0.5
"""What a store that is well may take to keep a final; until then a stream is told everything in its order."""

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


def now_ms() -> int:
    """The time that sessions run on."""
    return time.monotonic_ns() // 1_000_000


class LiveStream:
    """Runs one session.

    Args:
        session: decides.
        make_hearing: makes what computes; it is given what to call when it has something new.
        executor: where it does, unless that is quick.
        keeping: where it waits for the store.
        bulk_turn: held while a job of a bulk stream runs: they take turns.
        account: measures it.
    """

    def __init__(
        self,
        session: StreamSession,
        make_hearing: Callable[[Wake], Hearing],
        executor: Executor,
        keeping: Executor,
        bulk_turn: asyncio.Lock,
        *,
        account: Account | None = None,
    ) -> None:
        self.session = session
        self._account = account or Account(session)
        self._hearing = make_hearing(self._wake)
        self._executor = executor
        self._keeping = keeping
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
        self._woken = False
        """The hearing has something to step for. Set by any thread, cleared by the loop's."""
        self._rested = False
        """Others had their turn since the last quick job."""
        self._held = Held()
        self._kept: asyncio.Future[Heard] | None = None
        """What is being kept at the moment."""
        self._alarm: asyncio.TimerHandle | None = None
        """Wakes the stream for its session's deadline, or before: deadlines move on with every frame."""

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
        self._account.touched()
        self._work.set()
        self._tell_connection()

    def sent(self, message: ServerMessage) -> None:
        """Call after a message of the session was sent."""
        self._account.sent(message, holds=self._held.holds)

    def _tell_connection(self) -> None:
        # A task that is woken for nothing costs as much as one that has something to do.
        if self.session.speaking:
            self.outbox.set()
        if self.session.reading:
            self.room.set()
        if self.session.congested:
            self._cut.set()

    async def run(self) -> None:
        """Do jobs until the session is finished."""
        session = self.session
        try:
            while not session.finished:
                if self._held.holds and self._kept is not None and self._kept.done():
                    self._tell_kept(self._kept.result())
                    continue
                if self._held.full:
                    await self._wait()
                    continue
                job = session.next_job()
                if job is None and not self._woken:
                    await self._wait()
                else:
                    await self._work_on(job)
        except Exception:
            # The supervisor of one stream: it ends with an error, the others go on.
            log.exception("stream broke", session=session.name)
            session.broke()
        finally:
            if not session.finished:
                session.abandon(RESTART)
            if self._kept is not None:
                await asyncio.wait([self._kept])
            await self._in(self._executor, self._hearing.close)
            if self._alarm is not None:
                self._alarm.cancel()
            self._tell_connection()
            log.info("stream", **self._account.close())

    async def _work_on(self, job: Job | None) -> None:
        """Do a job, or a step if there is none, and pass on what comes of it."""
        session = self.session
        self._woken = False
        self._account.takes(job)
        try:
            async with self._turn():
                result = await self._do(job)
        except GaplessError as error:
            session.failed(error)
        else:
            self._tell(result)
        self._tell_connection()

    def _tell(self, result: Result) -> None:
        self.session.done(result, now_ms())
        self._account.told(result, holds=self._held.holds)

    async def _do(self, job: Job | None) -> Result:
        hearing = self._hearing

        def hear() -> Result:
            self._account.begins()
            return hearing.step() if job is None else hearing.do(job)

        if isinstance(job, FinishJob):
            return await self._in(self._keeping, hear)
        if hearing.quick(job):
            if not self._rested:
                await asyncio.sleep(0)  # others have quick jobs too
            self._rested = False
            result = hear()
        else:
            result = await self._in(self._executor, hear)
        self._account.did(job, result)
        if not isinstance(result, Heard):
            return result
        is_fatal = not isinstance(job, ConfigureJob)
        if self._held.holds:
            return self._held.hold(result, is_fatal=is_fatal)
        if not hearing.keeps(result):
            return result
        kept = self._keep(result)
        await asyncio.wait([kept], timeout=STORE_S)
        if kept.done():
            return kept.result()
        kept.add_done_callback(self._ring)
        return self._held.hold(result, is_fatal=is_fatal)

    def _keep(self, heard: Heard) -> asyncio.Future[Heard]:
        """Begin to keep the finals of what was heard."""
        keep = self._account.keeping(heard, lambda: self._hearing.keep(heard))
        self._kept = self._loop.run_in_executor(self._keeping, keep)
        return self._kept

    def _tell_kept(self, heard: Heard) -> None:
        """Pass on what waited for the store, and keep what has come since."""
        told, rest = self._held.kept(heard)
        if rest is not None:
            self._keep(rest).add_done_callback(self._ring)
        self._tell(told)
        self._tell_connection()

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._bulk_turn if self.session.bulk else nullcontext()

    def _wake(self) -> None:
        """The hearing has something to step for; called by any thread."""
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is gone, and this stream with it
                self._loop.call_soon_threadsafe(self._work.set)

    async def _wait(self) -> None:
        """Until something was told to the session, or its deadline has come."""
        deadline_ms = self.session.deadline_ms
        if deadline_ms is not None:
            left_ms = deadline_ms - now_ms()
            if left_ms <= 0:
                self.session.tick(now_ms())
                self._tell_connection()
                await asyncio.sleep(0)
                return
            self._set_alarm(self._loop.time() + left_ms / 1000)
        await self._work.wait()
        self._work.clear()
        self._rested = True

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return  # early enough
            self._alarm.cancel()
        self._alarm = self._loop.call_at(at, self._wake_up)

    def _wake_up(self) -> None:
        self._alarm = None
        self._work.set()

    def _ring(self, _: object) -> None:
        """Something was kept."""
        self._work.set()

    async def _in(self, executor: Executor, call: Callable[[], Answer]) -> Answer:
        """Run ``call`` in a thread; if we are cancelled meanwhile, the thread still ends first."""
        running = self._loop.run_in_executor(executor, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
