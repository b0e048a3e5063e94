"""The executors: threads that take batches and run them. A thin shell around the batcher.

In: rows. Out: batches that were run, rows that were given up. Invariants: at most ``permits`` batches run at a time,
whoever runs them, a thread of the worker's or a caller that waits anyway; a batch is run as soon as there is a permit;
nothing polls: threads sleep until there is a row for them, or until a time that the batcher named.
Thread: any; one lock guards the batcher, and nothing but the batcher is called under it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol, final

import structlog

from gapless.batching.batcher import Batch, Batcher, Entry, Policy
from gapless.errors import DeadlineError, ModelError
from gapless.infer.engine.rows import Row, settle, settle_with
from gapless.infer.engine.served import NS_PER_MS, Kind, Served
from gapless.infer.engine.step import NS_PER_S, Step

log = structlog.get_logger()

NEVER: Final = 1 << 62

CLOSE_TIMEOUT_S: Final = 30.0
"""How long ``close`` waits for what runs; a model that takes longer hangs."""

GRAIN_NS: Final = 20 * NS_PER_MS
"""While rows wait because all permits are taken, those past their deadline are looked for this often."""


class Waiter(Protocol):
    """A caller that waits for a row, or several."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for any more."""
        ...


@final
class Worker:
    """See the module's head.

    Args:
        name: of its threads.
        permits: batches that are run at a time.
        max_waiting_rows: rows that may wait.
        watchdog_ms: a row that has waited this long fails.
    """

    def __init__(self, name: str, *, permits: int, max_waiting_rows: int, watchdog_ms: int) -> None:
        self._name = name
        self._permits = permits
        self._watchdog_ns = watchdog_ms * NS_PER_MS
        # One lock and three doors: there is work, there is an earlier event, all is quiet.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._earlier = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        # All below is guarded by the lock.
        self._batcher: Batcher[Kind, Row] = Batcher(_policy, max_waiting=max_waiting_rows)
        self._free = permits
        self._waiting = 0
        """Entries that wait."""
        self._idle = 0
        """Threads that sleep."""
        self._waking = False
        """A thread was woken, and has not looked yet."""
        self._alarm_ns = NEVER
        """When the keeper of time wakes."""
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._keeper = self._start(self._keep_time)

    def offer(
        self,
        row: Row,
        waiter: Waiter | None = None,
        *,
        live: bool = True,
        deadline_ns: int | None = None,
    ) -> None:
        """Accept a row.

        Args:
            row: what to run.
            waiter: a caller that waits in this thread for the row: batches are run right here while a permit is free
                and it has to wait; None: a thread will run the row.
            live: whether it goes before bulk work.
            deadline_ns: when its answer is of no use any more.

        Raises:
            OverloadError: too many wait.
            ModelError: the worker is closed.
        """
        with self._lock:
            self._offer(row, live=live, deadline_ns=deadline_ns)
            if waiter is None:
                self._wake()
                return
            batch = self._begin()
        try:
            while batch is not None:
                self._run(batch)
                with self._lock:
                    batch = None if waiter.settled else self._begin()
        finally:
            with self._lock:
                self._wake()

    def withdraw(self, row: Row) -> bool:
        """Take a row out of the queue, to be settled by the caller; False if it runs already or is settled."""
        with self._lock:
            if row.entry is None or not self._batcher.cancel(row.entry):
                return False
            self._leave(row.entry)
        row.kind.served.counters.cancel()
        return True

    def forget(self, served: Served) -> None:
        """This model will get no new rows, or few; those that wait still go."""
        with self._lock:
            if not served.waiting_rows:
                for kind in served.kinds:
                    self._batcher.forget(kind)

    def close(self) -> bool:
        """Fail what waits, let what runs finish, stop the threads. Idempotent; False if something runs on and on."""
        with self._lock:
            self._closed = True
            now_ns = time.monotonic_ns()
            given_up = self._batcher.expire(now_ns)
            given_up += self._cancel_overdue(now_ns, 0)
            for entry in given_up:
                self._leave(entry)
            self._work.notify_all()
            self._earlier.notify_all()
        settle_with([entry.row for entry in given_up], closed_error())
        with self._lock:
            quiet = self._quiet.wait_for(lambda: self._free == self._permits, CLOSE_TIMEOUT_S)
        for thread in (*self._threads, self._keeper):
            if quiet and thread is not threading.current_thread():
                thread.join()
        return quiet

    def _offer(self, row: Row, *, live: bool, deadline_ns: int | None) -> None:
        if self._closed:
            raise closed_error()
        now_ns = time.monotonic_ns()
        row.entry = self._batcher.offer(
            row.kind,
            row,
            now_ns,
            size=row.size,
            live=live,
            deadline_ns=deadline_ns,
            chain=row.stream,
        )
        self._waiting += 1
        row.kind.served.waiting_rows += row.size
        event_ns = now_ns + self._watchdog_ns
        if deadline_ns is not None and deadline_ns < event_ns:
            event_ns = deadline_ns
        if row.kind.policy.max_delay_ns:
            event_ns = min(event_ns, self._batcher.next_event_ns() or event_ns)
        if event_ns < self._alarm_ns:
            self._alarm_ns = event_ns
            self._earlier.notify()

    def _leave(self, entry: Entry[Kind, Row]) -> None:
        """A row does not wait any more."""
        self._waiting -= 1
        entry.kind.served.waiting_rows -= entry.size

    def _begin(self) -> Batch[Kind, Row] | None:
        """Take a batch and a permit, if there is one of each."""
        if self._free == 0 or self._waiting == 0:
            return None
        batch = self._batcher.take(time.monotonic_ns())
        if batch is not None:
            self._free -= 1
            self._waiting -= len(batch.entries)
            batch.kind.served.waiting_rows -= batch.rows
            self._wake()
        return batch

    def _run(self, batch: Batch[Kind, Row]) -> None:
        """Run a batch, tell its callers, and give the permit back."""
        step = Step(batch)
        try:
            step.run()
        except BaseException as error:
            # An interrupt that hit a caller's thread, a model that calls exit, or a mistake of ours.
            name = batch.kind.served.info.name
            settle_with(step.rows, ModelError(f"the call of {name} was interrupted; try again"))
            if not isinstance(error, Exception):
                raise
            log.exception("batch failed", model=name)
        else:
            settle(step.rows, step.outcome)
        finally:
            with self._lock:
                self._batcher.finish(batch, time.monotonic_ns(), step.lesson_ns)
                self._free += 1
                if self._closed and self._free == self._permits:
                    self._quiet.notify_all()

    def _wake(self) -> None:
        """See to it that somebody looks, if rows wait and a permit is free. One at a time: it wakes the next."""
        if self._waiting and self._free and not self._waking:
            if self._idle:
                self._waking = True
                self._work.notify()
            elif len(self._threads) < self._permits:
                self._waking = True
                self._threads.append(self._start(self._serve))

    def _start(self, target: Callable[[], None]) -> threading.Thread:
        # A daemon: a hung model must not keep the process from ending.
        thread = threading.Thread(target=target, name=self._name, daemon=True)
        thread.start()
        return thread

    def _serve(self) -> None:
        """An executor's life."""
        while (batch := self._next()) is not None:
            with suppress(SystemExit):
                self._run(batch)

    def _next(self) -> Batch[Kind, Row] | None:
        """Sleep until there is a batch to run; None when the worker is closed."""
        with self._lock:
            self._waking = False
            while not self._closed:
                batch = self._begin()
                if batch is not None:
                    return batch
                self._idle += 1
                self._work.wait()
                self._idle -= 1
                self._waking = False
            return None

    def _keep_time(self) -> None:
        """Give up rows past their deadline, and rows that nobody runs; wake executors when rows are due."""
        while True:
            with self._lock:
                now_ns = time.monotonic_ns()
                if self._alarm_ns > now_ns and not self._closed:
                    wait_ns = self._alarm_ns - now_ns
                    self._earlier.wait(None if self._alarm_ns == NEVER else wait_ns / NS_PER_S)
                    now_ns = time.monotonic_ns()
                if self._closed:
                    return
                if self._alarm_ns > now_ns:
                    continue
                expired = self._batcher.expire(now_ns)
                overdue = self._cancel_overdue(now_ns, self._watchdog_ns)
                for entry in (*expired, *overdue):
                    self._leave(entry)
                self._alarm_ns = self._next_alarm_ns(now_ns)
                self._wake()
            _report(overdue)
            _give_up((*expired, *overdue), now_ns)

    def _cancel_overdue(self, now_ns: int, after_ns: int) -> list[Entry[Kind, Row]]:
        overdue = self._batcher.overdue(now_ns, after_ns)
        for entry in overdue:
            self._batcher.cancel(entry)
        return overdue

    def _next_alarm_ns(self, now_ns: int) -> int:
        if not self._waiting:
            return NEVER
        event_ns = self._batcher.next_event_ns() or NEVER
        if event_ns <= now_ns:
            event_ns = now_ns + GRAIN_NS
        return min(event_ns, now_ns + self._watchdog_ns // 8)


def closed_error() -> ModelError:
    """What any request to a closed engine gets."""
    return ModelError("the inference engine is closed; start the server or command again")


def _policy(kind: Kind) -> Policy:
    return kind.policy


def _give_up(entries: Iterable[Entry[Kind, Row]], now_ns: int) -> None:
    for entry in entries:
        served = entry.kind.served
        served.counters.expire()
        waited_ms = (now_ns - entry.offered_ns) // NS_PER_MS
        error = DeadlineError(
            f"the request to {served.info.name} waited {waited_ms} ms and was not run in time; try again, or "
            "allow more time",
            retry_after_ms=waited_ms,
        )
        settle_with([entry.row], error)


def _report(overdue: Iterable[Entry[Kind, Row]]) -> None:
    for name, count in Counter(entry.kind.served.info.name for entry in overdue).items():
        log.warning("requests were accepted and never run", model=name, requests=count)
