"""Answers on their way to Redis: nobody waits for them.

In: frames. Out: nothing. Invariants: what waits is bounded in number and bytes, and what is too much is not written;
Redis that is full or read-only costs a line in the log, not its use for reading. Thread: one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, NamedTuple, final

import structlog

from gapless.cache.options import RedisOptions
from gapless.cache.redis.link import Link

log = structlog.get_logger(__name__)

BATCH: Final = 64
"""Answers that share a round trip."""

PATIENCE: Final = 10
"""Timeouts that a round trip may take: no answer waits for it, and its frames may be large."""


class _Write(NamedTuple):
    key: bytes
    frame: bytes
    ttl_ms: int


@final
class Writes:
    """See the module's head."""

    def __init__(self, options: RedisOptions, link: Link) -> None:
        self._options: Final = options
        self._link: Final = link
        self._waiting: deque[_Write] = deque()
        self._bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._complained = False
        self.written = 0
        self.dropped = 0
        """Answers that were not written: too large, too many, or Redis would not have them."""

    def put(self, key: bytes, frame: bytes, ttl_ms: int) -> None:
        """Write it soon."""
        if (
            not self._link.up
            or ttl_ms <= 0
            or len(frame) > self._options.max_value_bytes
            or len(self._waiting) >= self._options.max_writes
            or self._bytes + len(frame) > self._options.max_write_bytes
        ):
            self.dropped += 1
            return
        self._waiting.append(_Write(key, frame, ttl_ms))
        self._bytes += len(frame)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def close(self) -> None:
        """Write what waits, unless that takes long."""
        if self._writer is not None:
            _, late = await asyncio.wait((self._writer,), timeout=PATIENCE * self._link.timeout_s)
            for writer in late:
                writer.cancel()
                await asyncio.wait((writer,))
        self._give_up()

    async def _write_all(self) -> None:
        from redis.exceptions import RedisError

        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._bytes -= sum(len(write.frame) for write in batch)
            try:
                async with asyncio.timeout(PATIENCE * self._link.timeout_s):
                    await self._write(batch)
            except (RedisError, OSError, TimeoutError) as error:
                self._link.failed(error)
                self.dropped += len(batch)
            if not self._link.up:
                self._give_up()

    async def _write(self, batch: list[_Write]) -> None:
        pipe = self._link.client.pipeline(transaction=False)
        for write in batch:
            pipe.set(write.key, write.frame, px=write.ttl_ms)
        results: list[Any] = await pipe.execute(raise_on_error=False)
        errors = [result for result in results if isinstance(result, Exception)]
        self.written += len(results) - len(errors)
        self.dropped += len(errors)
        if errors and not self._complained:
            log.warning("Redis does not keep answers; it is still asked", error=str(errors[0]))
        self._complained = bool(errors)

    def _give_up(self) -> None:
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._bytes = 0
