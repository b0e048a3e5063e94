"""Runs one process's part of a load on its event loop: sends what is due, notes what comes of it.

In: a task, a function that makes connections. Out: a tale. Invariants: a connection has one request at a time; a lost
connection is made again, with a pause; nobody waits longer than ``timeout_s`` after the last request was due.
Thread: the event loop's.

A request's time counts from the moment it was due, not from when it could be sent: a load tool that waits for a slow
server before it asks again leaves out those who would have asked meanwhile ("coordinated omission", Gil Tene).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from gapless.bench.load.arrivals import schedule
from gapless.bench.load.dispatch import Dispatch
from gapless.bench.load.tally import Tally
from gapless.bench.load.task import Progress, Tale, Task
from gapless.errors import ConnectionLostError

CONNECTS_AT_ONCE: Final = 64
CONNECT_TIMEOUT_S: Final = 10.0
RECONNECT_S: Final = 0.1
"""Between tries to make a lost connection again."""

MOST_WAITING: Final = 100_000
"""Requests that wait for a connection; what is due beyond that is given up."""

TICK_S: Final = 0.001
"""Timers of event loops are no finer."""

PROGRESS_S: Final = 0.5
SWEEP_S: Final = 0.1
"""Between looks for requests that wait too long."""

NO_CONNECTION: Final = "no free connection in time"
NO_ANSWER: Final = "no answer in time"


class Caller(Protocol):
    """A connection that takes one request at a time, and tells its desk what comes of it."""

    due_s: float
    sent_s: float
    is_asking: bool

    def ask(self, number: int) -> None:
        """Send a request, the ``number``-th of the run."""

    def close(self) -> None:
        """Hang up, and tell the desk nothing more."""


Connect: TypeAlias = Callable[["Desk"], Awaitable[Caller]]


class Desk:
    """See the module's head.

    Args:
        task: what is to be done.
        connect: makes a connection that reports to this desk; raises ``OSError`` where it cannot.
        tell: is told now and then how far it is.
    """

    def __init__(
        self, task: Task, connect: Connect, tell: Callable[[Progress], None] = lambda _: None
    ) -> None:
        self._task = task
        self._connect = connect
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._callers: set[Caller] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._number = task.part.number
        self._asking = 0
        self._most_waiting = 0
        self._connects = 0
        self._is_over = False
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._interrupted = False
        self._dispatch: Dispatch[Caller] | None = None
        self._tally = Tally(math.inf)
        self._end_s = math.inf
        self._has_begun = False
        self.received_bytes = 0
        """Callers add to it."""

    # --- the whole --------------------------------------------------------------------------------

    async def run(self, start: Callable[[], Awaitable[float]]) -> Tale:
        """Connect, wait for the start, do the task.

        Args:
            start: is asked when all connections are there; says when to begin, as ``time.monotonic`` has it.

        Raises:
            ConnectionLostError: the server cannot be reached.
        """
        task = self._task
        await self._connect_all()
        begin_s = await start() + task.warm_up_s
        end_s = begin_s + task.seconds
        self._end_s = end_s
        self._tally = Tally(begin_s)
        if task.arrivals is not None:
            due_s = schedule(task.arrivals, task.part, begin_s - task.warm_up_s, end_s)
            self._dispatch = Dispatch(due_s, most_waiting=MOST_WAITING, patience_s=task.timeout_s)
        self._loop.call_later(PROGRESS_S, self._progress)
        self._loop.call_later(SWEEP_S, self._sweep)
        # Read at its beginning, so that what the warm-up took is not in it.
        cpu_began = [time.process_time()]
        until_begin_s = max(begin_s - time.monotonic(), 0)
        self._loop.call_later(until_begin_s, lambda: cpu_began.append(time.process_time()))
        self._has_begun = True
        now = time.monotonic()
        for caller in list(self._callers):
            self._offer(caller, now)
        self._tick()
        await self._until_over(end_s)
        now = time.monotonic()
        cpu_s = time.process_time() - cpu_began[-1]
        tale = self._tale(begin_s, now, cpu_s)
        self._close()
        # Connections are really closed in the next turn of the loop.
        await asyncio.sleep(0)
        return tale

    def stop(self) -> None:
        """Ctrl-C: tell what there is."""
        self._interrupted = True
        self._finish()

    async def _until_over(self, end_s: float) -> None:
        left_s = end_s - time.monotonic() + self._task.timeout_s + 2 * SWEEP_S
        await asyncio.wait([self._over], timeout=max(left_s, 0))
        self._is_over = True

    def _tale(self, begin_s: float, now: float, cpu_s: float) -> Tale:
        tally = self._tally
        if self._dispatch is not None and not self._interrupted:
            for caller in self._callers:
                if caller.is_asking:
                    tally.fail(caller.due_s, NO_ANSWER)
            self._count_given_up(self._dispatch)
        last_s = now if self._interrupted else max(self._end_s, tally.last_answer_s)
        return Tale(
            due=tally.answered + tally.failed,
            answered=tally.answered,
            uncounted=tally.uncounted,
            errors=tally.errors,
            from_due=tally.from_due.dump(),
            from_sent=tally.from_sent.dump(),
            late=tally.late.dump(),
            most_waiting=self._most_waiting,
            connects=self._connects,
            received_bytes=self.received_bytes,
            elapsed_s=max(last_s - begin_s, 0.0),
            cpu_s=cpu_s,
            interrupted=self._interrupted,
        )

    # --- what callers tell ------------------------------------------------------------------------

    def answered(self, caller: Caller, error: str = "") -> None:
        """The request was answered, well or with an error; the connection is as good as before."""
        self._note(caller, error)
        if not self._is_over:
            self._offer(caller, time.monotonic())

    def lost(self, caller: Caller, error: str) -> None:
        """The connection is gone, and with it the request that was under way."""
        self._callers.discard(caller)
        if caller.is_asking:
            self._note(caller, error)
        if self._dispatch is not None:
            self._dispatch.lost(caller)
        if not self._is_over:
            self._reconnect(0.0)

    def answered_last(self, caller: Caller, error: str = "") -> None:
        """The request was answered, and the server ends the connection, as it may."""
        self._note(caller, error)
        self.lost(caller, "")

    # --- sending ----------------------------------------------------------------------------------

    def _offer(self, caller: Caller, now: float) -> None:
        """A connection is free."""
        if not self._has_begun:
            return
        if self._dispatch is not None:
            due_s = self._dispatch.free(caller, now)
        elif now < self._end_s:
            due_s = now
        else:
            due_s = None
        if due_s is not None:
            self._send(caller, due_s)
        elif self._is_done(now):
            self._finish()

    def _send(self, caller: Caller, due_s: float) -> None:
        number = self._number
        self._number += self._task.part.of
        self._asking += 1
        caller.due_s = due_s
        caller.is_asking = True
        caller.sent_s = time.monotonic()
        caller.ask(number)

    def _tick(self) -> None:
        """Send what is due, and come again when the next is."""
        dispatch = self._dispatch
        if dispatch is None or self._is_over:
            return
        now = time.monotonic()
        for due_s, caller in dispatch.due(now):
            self._tally.noticed(due_s, now)
            if caller is not None:
                self._send(caller, due_s)
        self._most_waiting = max(self._most_waiting, dispatch.waiting)
        if dispatch.next_s is not None:
            self._loop.call_later(
                math.ceil(max(dispatch.next_s - now, TICK_S) / TICK_S) * TICK_S, self._tick
            )
        elif self._is_done(now):
            self._finish()

    # --- noting -----------------------------------------------------------------------------------

    def _note(self, caller: Caller, error: str) -> None:
        now = time.monotonic()
        caller.is_asking = False
        self._asking -= 1
        if self._dispatch is None and now > self._end_s:
            self._tally.uncounted += not error
        elif error:
            self._tally.fail(caller.due_s, error)
        else:
            self._tally.answer(caller.due_s, caller.sent_s, now)

    def _count_given_up(self, dispatch: Dispatch[Caller]) -> None:
        while dispatch.given_up:
            self._tally.fail(dispatch.given_up.popleft(), NO_CONNECTION)

    def _sweep(self) -> None:
        """Give up what waits too long."""
        if self._is_over:
            return
        self._loop.call_later(SWEEP_S, self._sweep)
        now = time.monotonic()
        if self._dispatch is not None:
            self._dispatch.forget_late(now)
            self._count_given_up(self._dispatch)
        if self._is_done(now):
            self._finish()
        for caller in list(self._callers):
            if caller.is_asking and now - caller.sent_s > self._task.timeout_s:
                caller.close()
                self.lost(caller, NO_ANSWER)

    def _progress(self) -> None:
        if not self._is_over:
            self._loop.call_later(PROGRESS_S, self._progress)
            self._tell(Progress(self._tally.answered, self._tally.failed))

    def _is_done(self, now: float) -> bool:
        """Whether everything was sent, and is answered."""
        if self._asking:
            return False
        return now >= self._end_s if self._dispatch is None else self._dispatch.is_done

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # --- connections ------------------------------------------------------------------------------

    async def _connect_all(self) -> None:
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def connect() -> None:
            async with gate:
                await self._connect_once()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._task.connections):
                    group.create_task(connect())
        except* (OSError, TimeoutError) as errors:
            self._close()
            first = errors.exceptions[0]
            raise ConnectionLostError(
                f"the server cannot be reached ({str(first) or type(first).__name__}); is it running, and may it have "
                f"{self._task.connections} connections?"
            ) from first

    async def _connect_once(self) -> Caller:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            caller = await self._connect(self)
        self._connects += 1
        self._callers.add(caller)
        return caller

    def _reconnect(self, after_s: float) -> None:
        task = asyncio.create_task(self._connect_again(after_s))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            caller = await self._connect_once()
        except (OSError, TimeoutError) as error:
            if self._is_over:
                return
            if self._dispatch is None:
                # Nobody waits here whose request could be counted as failed.
                self._tally.fail(time.monotonic(), f"cannot connect: {type(error).__name__}")
            self._reconnect(RECONNECT_S)
            return
        if not self._is_over:
            self._offer(caller, time.monotonic())

    def _close(self) -> None:
        self._is_over = True
        for task in self._connecting:
            task.cancel()
        for caller in self._callers:
            caller.close()
