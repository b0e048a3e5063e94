"""A database for callers who block: its event loop, on a thread of its own.

In: work on a connection, from any thread. Out: its result, once it is there. Invariants: those of ``Link``; a caller
waits no longer than ``ANSWER_S`` beyond what it was patient for, also when the server hangs.
Thread: any but the loop's.

    database.read(lambda connection: answer(connection))    # each statement for itself; tried twice
    database.write(lambda connection: change(connection))   # one transaction; tried while the server is gone

where ``async def answer(connection: Connection)`` awaits ``connection.execute(...)``, whose rows are dictionaries.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, final

import psycopg
from psycopg.rows import dict_row

from gapless.errors import StoreError
from gapless.observe.histogram import HistogramSnapshot
from gapless.store.options import StoreOptions
from gapless.store.postgres.address import Address
from gapless.store.postgres.failure import store_error
from gapless.store.postgres.link import Connection, Link, LinkOptions, LinkStats, Result, Work
from gapless.store.trouble import Trouble

LOWER: Final = 2
"""Connections that are there from the start."""

PATIENCE_S: Final = 30.0
"""How long work that writes waits for a server that is gone."""

ANSWER_S: Final = 10.0
"""How long an answer may take beyond all other bounds; a server that takes longer hangs."""

CLOSE_S: Final = 5.0


@final
class Database:
    """See the module's head."""

    def __init__(self, address: Address, options: StoreOptions) -> None:
        """Connect.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        self.address: Final = address
        self.trouble: Final = Trouble()
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="gapless-postgres", daemon=True)
        self._thread.start()
        self._closed = False
        self._counting = threading.Lock()
        self._writes = 0
        self._read_s = (options.pool_timeout_ms + options.statement_timeout_ms) / 1000 + ANSWER_S
        try:
            self._link = self.run(
                self.connect(
                    LinkOptions(
                        lower=min(LOWER, options.pool),
                        upper=options.pool,
                        timeout_s=options.pool_timeout_ms / 1000,
                        statement_timeout_ms=options.statement_timeout_ms,
                        prepared=options.prepared,
                    )
                ),
                self._read_s,
            )
        except BaseException:
            self._end()
            raise

    def limit(self, connections: int) -> None:
        """Lend at most so many connections from now on."""
        self.run(self._link.limit(connections), self._read_s)

    def read(self, work: Work[Result]) -> Result:
        """Run work that changes nothing; each of its statements is a transaction of its own.

        Raises:
            OverloadError: no connection was free in time, or a statement took too long.
            StoreError: the server is gone, refuses or hangs, or the database is closed.
        """
        return self.run(self._link.read(work), self._read_s)

    def write(self, work: Work[Result], *, patience_s: float = PATIENCE_S) -> Result:
        """Run work in one transaction, which is on the server's disk when this returns.

        It is tried again while the server is gone or another transaction is in the way, so it must do no harm when it
        runs after it was committed already.

        Raises:
            OverloadError: no connection was free in time, or a statement took too long.
            StoreError: the server was gone for ``patience_s``, refuses or hangs, or the database is closed.
        """
        written = self.run(self._link.write(work, patience_s=patience_s), patience_s + self._read_s)
        with self._counting:
            self._writes += 1
        return written

    @property
    def writes(self) -> int:
        """Transactions of ``write`` since the start."""
        return self._writes

    def alone(self, work: Work[Result]) -> Result:
        """Run work that may take minutes on a connection of its own, outside of transactions.

        Raises:
            StoreError: the server is gone or refuses, or the database is closed.
        """

        async def run() -> Result:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **self.address.parameters, autocommit=True, row_factory=dict_row
                ) as connection:
                    return await work(connection)
            except psycopg.Error as error:
                raise store_error(error, self.address.label) from error

        return self.run(run(), None)

    async def connect(
        self, options: LinkOptions, set_up: Callable[[Connection], Awaitable[None]] | None = None
    ) -> Link:
        """Another link to the same database, for who works on the loop; its maker closes it."""
        link = Link(self.address, options, set_up, self.trouble)
        await link.open()
        return link

    def start(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run something on the loop without waiting for it.

        Raises:
            StoreError: the database is closed.
        """
        if self._closed:
            work.close()
            raise StoreError("the store is closed; start the server or command again")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Result], timeout_s: float | None) -> Result:
        """Run something on the loop and wait for it.

        Raises:
            StoreError: it took longer than ``timeout_s``, or the database is closed.
        """
        future = self.start(work)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            if future.done():
                raise
            future.cancel()
            raise StoreError(
                f"{self.address.label} has not answered for {timeout_s:.0f} s; check the server and the network"
            ) from error

    def tell(self, callback: Callable[[], object]) -> None:
        """Run something short on the loop, soon."""
        self._loop.call_soon_threadsafe(callback)

    @property
    def waits(self) -> HistogramSnapshot:
        """What callers waited for connections, in seconds."""
        return self._link.waits.snapshot()

    def stats(self) -> LinkStats:
        """Counts since the start."""
        return self._link.stats()

    def close(self) -> None:
        """Let go of all connections. Idempotent."""
        if self._closed:
            return
        try:
            self.run(self._link.close(), CLOSE_S)
        finally:
            self._end()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _end(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
