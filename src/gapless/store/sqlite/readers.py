"""A few connections that read, shared by all who ask.

In: a path. Out: a connection that sees one unchanging view of the database for as long as it is lent.
Invariants: never more than ``capacity`` connections, never a write through them; who came first is served first; a read
that takes too long is cut off.
Thread: any; a lent connection belongs to the thread that got it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, final

from gapless.errors import OverloadError
from gapless.store.sqlite.connection import connect_reader, transaction
from gapless.store.sqlite.failure import translated
from gapless.store.sqlite.writer import closed_error
from gapless.store.times import Times

CAPACITY: Final = 4
"""Reads at a time."""

ROOM_TIMEOUT_S: Final = 5.0
"""How long a caller waits for a connection."""

READ_TIMEOUT_S: Final = 10.0
"""How long a read may take."""

STEPS_BETWEEN_LOOKS: Final = 20_000
"""Instructions of SQLite's machine between two looks at the clock: about a millisecond."""


class ReadersStats(NamedTuple):
    """Connections now."""

    connections: int
    lent: int
    most: int


@final
class Readers:
    """Lends connections, made when they are first needed."""

    def __init__(
        self,
        path: Path,
        *,
        capacity: int = CAPACITY,
        room_timeout_s: float = ROOM_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        trace: Callable[[str], None] | None = None,
        times: Times | None = None,
    ) -> None:
        """Lend connections to the database at ``path``.

        Args:
            path: the database; it exists.
            capacity: connections at most.
            room_timeout_s: how long a caller waits for one of them.
            read_timeout_s: how long one may be used before its statements are cut off.
            trace: is told each statement that runs.
            times: is told what callers wait for a connection.
        """
        self._path = path
        self._room_timeout_s = room_timeout_s
        self._read_timeout_s = read_timeout_s
        self._trace = trace
        self._times = times or Times()
        self._capacity = capacity
        self._lock = threading.Lock()
        # Guarded by `_lock`. The connection used last is lent first, its cache is warm. A semaphore would not do for
        # the room: whoever asks at the right moment overtakes those that wait, and one of them may wait for seconds.
        self._room = capacity
        self._waiting: deque[threading.Event] = deque()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection inside a transaction that reads.

        Raises:
            OverloadError: all connections stayed busy, or the read took too long.
            StoreError: the database cannot be read, or the store is closed.
        """
        began_s = time.monotonic()
        try:
            self._enter()
        finally:
            self._times.waits.add(time.monotonic() - began_s)
        try:
            with translated(self._path):
                connection = self._take()
                try:
                    self._limit_time(connection)
                    with transaction(connection, "DEFERRED"):
                        yield connection
                finally:
                    self._give_back(connection)
        finally:
            self._leave()

    def stats(self) -> ReadersStats:
        """Connections now."""
        with self._lock:
            lent = self._capacity - self._room
            return ReadersStats(lent + len(self._idle), lent, self._capacity)

    def close(self) -> None:
        """Close what is idle now, and the rest when it comes back. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _enter(self) -> None:
        turn = threading.Event()
        with self._lock:
            if self._room:
                self._room -= 1
                return
            self._waiting.append(turn)
        if turn.wait(self._room_timeout_s):
            return
        with self._lock:
            if turn.is_set():  # in the last moment
                return
            self._waiting.remove(turn)
        raise OverloadError(
            "too many searches at a time; try again in a moment", retry_after_ms=1000
        )

    def _leave(self) -> None:
        """Hand the place to whoever waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._room += 1

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise closed_error()
            if self._idle:
                return self._idle.pop()
        connection = connect_reader(self._path)
        connection.set_trace_callback(self._trace)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(None, 0)
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _limit_time(self, connection: sqlite3.Connection) -> None:
        deadline_s = time.monotonic() + self._read_timeout_s
        connection.set_progress_handler(lambda: time.monotonic() > deadline_s, STEPS_BETWEEN_LOOKS)
