"""The connection to Redis, and whether it is used.

In: outcomes. Out: a client while Redis is there. Invariants: while it is away nobody waits for it, one task finds out
when it is back, and the log says so once each time. Thread: one event loop.

The library is redis-py, without its retries: a question that failed is a miss, which costs less than asking again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

import structlog

from gapless.cache.breaker import Breaker, BreakerState
from gapless.cache.options import RedisOptions
from gapless.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

SCHEMES: Final = ("redis", "rediss", "unix")

CONNECTIONS_BESIDES_ROUNDS: Final = 2
"""For writes, and to find out if it is back."""


@final
class Link:
    """See the module's head.

    Args:
        options: where it is.
        healed: called when it is back.

    Raises:
        ConfigError: the URL cannot be one of a Redis.
        MissingDependencyError: redis-py is not installed.
    """

    def __init__(self, options: RedisOptions, healed: Callable[[], None]) -> None:
        self.timeout_s: Final = options.timeout_ms / 1000
        self._healed: Final = healed
        self._breaker: Final = Breaker(options.pause_ms / 1000, options.max_pause_ms / 1000)
        self._healing: asyncio.Task[None] | None = None
        self._closed = False
        self._since_s = 0.0
        self.client: Final = _open(options)

    @property
    def up(self) -> bool:
        """Whether it may be asked."""
        return self._breaker.state == "closed" and not self._closed

    @property
    def state(self) -> BreakerState:
        """Of the breaker; closed: it is asked."""
        return self._breaker.state

    @property
    def opened(self) -> int:
        """How often it was found to be away."""
        return self._breaker.opened

    @property
    def trouble(self) -> str:
        """For how long it has been away; empty while it is there."""
        if self._breaker.state == "closed":
            return ""
        return f"Redis has not answered for {_now() - self._since_s:.0f} s"

    def failed(self, error: BaseException) -> None:
        """It did not answer, or not in time."""
        if self._closed or not self._breaker.failed(_now()):
            return
        self._since_s = _now()
        log.warning(
            "Redis is away: answers are remembered in memory only until it is back",
            error=_words(error),
        )
        self._healing = asyncio.get_running_loop().create_task(self._heal())

    async def close(self) -> None:
        """Let go. Idempotent."""
        self._closed = True
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.wait((self._healing,))
        await self.client.aclose()

    async def _heal(self) -> None:
        while self._breaker.state != "closed":
            await asyncio.sleep(max(self._breaker.until_s - _now(), 0.0))
            if self._breaker.probe(_now()):
                self._breaker.probed(_now(), healthy=await self._answers())
        log.info("Redis is back", seconds=round(_now() - self._since_s, 1))
        self._healed()

    async def _answers(self) -> bool:
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self.timeout_s):
                pipe = self.client.pipeline(transaction=False)
                pipe.ping()
                return bool(await pipe.execute())
        except (RedisError, OSError, TimeoutError):
            return False


def _open(options: RedisOptions) -> Redis:
    try:
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise MissingDependencyError(
            "a cache in Redis needs redis-py; install it with: pip install 'gapless[redis]'"
        ) from error
    # The URL may hold a password, so no message repeats it.
    if urlsplit(options.url).scheme not in SCHEMES:
        raise ConfigError(
            f"redis_url must begin with one of {', '.join(f'{one}://' for one in SCHEMES)}",
            param="redis_url",
        )
    try:
        pool = ConnectionPool.from_url(
            options.url,
            protocol=2,
            max_connections=options.rounds + CONNECTIONS_BESIDES_ROUNDS,
            # Every call has a deadline of its own; these are for what redis-py does by itself.
            socket_timeout=10.0,
            socket_connect_timeout=options.timeout_ms / 1000,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(
            "redis_url cannot be read; write redis://[user:password@]host[:port][/database]",
            param="redis_url",
        ) from error
    return Redis.from_pool(pool)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
