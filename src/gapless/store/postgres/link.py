"""Connections to one database, lent one by one, and what happens while it is gone.

In: work on a connection. Out: its result. Invariants: never more connections than allowed; one that was idle is looked
at before it is lent; work that reads is tried once more on a new connection when its own broke, work that writes
for as long as its caller is patient; while the server is gone, work that reads fails at once, and one task looks for
the server until it is back. Thread: the event loop's.

    there --a connection broke, and a new one does not come about--> gone --one does--> there

Sources: https://www.psycopg.org/psycopg3/docs/advanced/pool.html, https://www.postgresql.org/docs/current/protocol.html.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final, TypeAlias, TypeVar, final

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed

from gapless.errors import StoreError
from gapless.observe.histogram import Histogram
from gapless.store.postgres.address import Address
from gapless.store.postgres.failure import is_collision, is_lost, store_error
from gapless.store.postgres.sizing import PoolSizing
from gapless.store.trouble import UNREACHABLE, Trouble

Result = TypeVar("Result")
Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = psycopg.AsyncConnection[Row]
Work: TypeAlias = Callable[[Connection], Awaitable[Result]]

# A line for each connection that broke and each attempt to open one; what matters of that is said once, by `Trouble`.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

TRUSTED_S: Final = 5.0
"""A connection that was used so recently is lent as it is: to look at it would cost a round trip each time."""

IDLE_S: Final = 60.0
"""Connections that nobody needed for so long are closed, down to the lower bound."""

MAX_QUEUE: Final = 1000
"""Callers that may wait for a connection."""

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
"""Between two attempts; doubled each time."""

CLOSE_S: Final = 2.0

SET_UP: Final = """
    SELECT set_config('statement_timeout', %s, false), set_config('synchronous_commit', 'on', false),
        set_config('jit', 'off', false)"""
"""Without the compiler: a search takes milliseconds, and compiling it for a high guess of its cost takes hundreds."""


@final
class PooledConnection(psycopg.AsyncConnection[Row]):
    """A connection that knows when it was last of use."""

    used_at_s = 0.0


class LinkOptions(msgspec.Struct, frozen=True):
    """How connections are lent."""

    lower: int
    upper: int
    timeout_s: float
    """How long a caller waits for a connection."""
    statement_timeout_ms: int
    """A statement that takes longer is cut off; 0: none is."""
    prepared: bool = True
    """Prepare statements that come again; not possible behind a pooler that lends connections by transaction."""


class LinkStats(msgspec.Struct, frozen=True):
    """Connections now, and what happened since the start."""

    there: bool
    connections: int
    lent: int
    size: int
    """Connections that there may be now."""
    waited_ms: float
    """What callers waited for connections, together."""
    calls: int
    grown: int
    shrunk: int
    losses: int
    """How often the server was gone."""


@final
class Link:
    """See the module's head.

    Args:
        address: the database.
        options: how connections are lent.
        set_up: is run on every new connection.
        trouble: is told when the server is gone and when it is back.
    """

    def __init__(
        self,
        address: Address,
        options: LinkOptions,
        set_up: Callable[[Connection], Awaitable[None]] | None = None,
        trouble: Trouble | None = None,
    ) -> None:
        self._trouble = trouble or Trouble()
        self._address = address
        self._options = options
        self._set_up = set_up
        self._sizing = PoolSizing(options.lower, options.upper, monotonic())
        self._pool: AsyncConnectionPool[PooledConnection] | None = None
        """None while the server is gone."""
        self._why_gone: StoreError = _closed()
        self._closed = False
        self._back = asyncio.Event()
        self._looking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lent = self._calls = self._losses = 0
        self._waited_ms = 0.0
        self.waits: Final = Histogram()
        """What callers waited for connections, in seconds."""

    async def open(self) -> None:
        """Connect.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        try:
            await self._probe()
        except psycopg.Error as error:
            raise store_error(error, self._address.label) from error
        await self._open_pool()

    async def close(self) -> None:
        """Let go of all connections; those that are lent are closed when they come back. Idempotent."""
        self._closed = True
        pool, self._pool = self._pool, None
        self._why_gone = _closed()
        self._back.set()
        for task in self._tasks:
            task.cancel()
        if pool is not None:
            await pool.close(CLOSE_S)

    def stats(self) -> LinkStats:
        """Counts since the start."""
        connections = 0 if self._pool is None else self._pool.get_stats()["pool_size"]
        return LinkStats(
            self._pool is not None,
            connections,
            self._lent,
            self._sizing.size,
            self._waited_ms,
            self._calls,
            self._sizing.grown,
            self._sizing.shrunk,
            self._losses,
        )

    async def read(self, work: Work[Result]) -> Result:
        """Run ``work``, which changes nothing; each of its statements is a transaction of its own.

        Raises:
            OverloadError: no connection was free in time, or a statement took too long.
            StoreError: the server is gone, refuses, or the link is closed.
        """
        try:
            pool = self._pool_now()
            try:
                return await self._run(pool, work)
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
                await self._look(pool)
                return await self._run(self._pool_now(), work)
        except PoolClosed:
            raise self._why_gone from None
        except psycopg.Error as error:
            raise store_error(error, self._address.label) from error

    async def write(self, work: Work[Result], *, patience_s: float) -> Result:
        """Run ``work`` in one transaction, which is on the server's disk when this returns.

        It is tried again as long as the server is gone or another transaction is in the way, so it must do no harm when
        it runs after it was committed: nobody knows that when the connection breaks during the commit.

        Raises:
            OverloadError: no connection was free in time, or a statement took too long.
            StoreError: the server was gone for ``patience_s``, refuses, or the link is closed.
        """
        give_up_s = monotonic() + patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            pool = await self._pool_by(give_up_s)
            try:
                return await self._run(pool, work, transaction=True)
            except PoolClosed:
                continue  # the server is gone, or back, or the link is closed: `_pool_by` knows
            except psycopg.Error as error:
                lost = is_lost(error)
                if not (lost or is_collision(error)) or monotonic() >= give_up_s:
                    raise store_error(error, self._address.label) from error
                if lost:
                    with suppress(StoreError):
                        await self._look(pool)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run(
        self,
        pool: AsyncConnectionPool[PooledConnection],
        work: Work[Result],
        *,
        transaction: bool = False,
    ) -> Result:
        async with self._borrowed(pool) as connection:
            if not transaction:
                return await work(connection)
            async with connection.transaction():
                return await work(connection)

    @asynccontextmanager
    async def _borrowed(
        self, pool: AsyncConnectionPool[PooledConnection]
    ) -> AsyncIterator[PooledConnection]:
        asked_s = monotonic()
        try:
            connection = await pool.getconn()
            self._lent += 1
        finally:
            await self._learn(pool, asked_s)
        try:
            yield connection
        finally:
            self._lent -= 1
            connection.used_at_s = monotonic()
            await pool.putconn(connection)

    async def limit(self, upper: int) -> None:
        """Allow more connections from now on, or fewer; those that are lent come back first."""
        self._sizing.limit(upper)
        if self._pool is not None and not self._pool.closed:
            await self._pool.resize(self._options.lower, self._sizing.size)

    async def _learn(self, pool: AsyncConnectionPool[PooledConnection], asked_s: float) -> None:
        now_s = monotonic()
        wait_ms = (now_s - asked_s) * 1000
        self._calls += 1
        self._waited_ms += wait_ms
        self.waits.add(wait_ms / 1000)
        if self._sizing.learn(wait_ms, self._lent, now_s) and not pool.closed:
            await pool.resize(self._options.lower, self._sizing.size)

    def _pool_now(self) -> AsyncConnectionPool[PooledConnection]:
        if self._pool is None:
            raise self._why_gone
        return self._pool

    async def _pool_by(self, give_up_s: float) -> AsyncConnectionPool[PooledConnection]:
        """The pool once there is one."""
        if self._pool is None and not self._closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._back.wait(), max(0.0, give_up_s - monotonic()))
        return self._pool_now()

    async def _look(self, pool: AsyncConnectionPool[PooledConnection]) -> None:
        """A connection of ``pool`` broke: see whether a new one comes about.

        Raises:
            StoreError: it does not.
        """
        async with self._looking:
            if self._pool is not pool:
                self._pool_now()  # someone else has looked
                return
            try:
                await self._probe()
            except psycopg.Error as error:
                self._lose(store_error(error, self._address.label))
                self._spawn(pool.close(CLOSE_S))
                raise self._why_gone from error
            self._spawn(pool.close(CLOSE_S))
            await self._open_pool()

    def _lose(self, why: Exception) -> None:
        self._losses += 1
        self._pool = None
        self._why_gone = why if isinstance(why, StoreError) else StoreError(str(why))
        self._back.clear()
        self._trouble.begin(self, UNREACHABLE, str(why))
        self._spawn(self._heal())

    async def _heal(self) -> None:
        """Look for the server until it is back."""
        pause_s = FIRST_PAUSE_S
        while not self._closed:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            with suppress(psycopg.Error):
                await self._probe()
                await self._open_pool()
                return

    async def _open_pool(self) -> None:
        options = self._options
        pool: AsyncConnectionPool[PooledConnection] = AsyncConnectionPool(
            connection_class=PooledConnection,
            kwargs=self._address.parameters
            | {
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 5 if options.prepared else None,
            },
            open=False,
            min_size=options.lower,
            max_size=self._sizing.size,
            timeout=options.timeout_s,
            max_waiting=MAX_QUEUE,
            max_idle=IDLE_S,
            # A pool that cannot connect is replaced by `_look`.
            reconnect_timeout=1.0,
            configure=self._configure,
            check=_check,
            name="gapless",
        )
        await pool.open()
        self._pool = pool
        self._back.set()
        self._trouble.end(self)
        if self._closed:
            await self.close()

    async def _configure(self, connection: PooledConnection) -> None:
        await connection.execute(SET_UP, (str(self._options.statement_timeout_ms),))
        if self._set_up is not None:
            await self._set_up(connection)
        connection.used_at_s = monotonic()

    async def _probe(self) -> None:
        """Connect and let go.

        Raises:
            psycopg.Error: it does not come about.
        """
        connection = await psycopg.AsyncConnection.connect(**self._address.parameters)
        await connection.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _check(connection: PooledConnection) -> None:
    """See that a connection that was idle for long still leads to the server."""
    if monotonic() - connection.used_at_s > TRUSTED_S:
        await AsyncConnectionPool.check_connection(connection)


def _closed() -> StoreError:
    return StoreError("the store is closed; start the server or command again")
