"""Questions to Redis: those of one turn of the event loop share a round trip.

In: keys. Out: frames and stamps. Invariants: a question is answered within the timeout, with nothing if need be; the
number of those that wait, and of round trips at a time, is bounded; invalidations go first in every round trip, so
that nothing is read that they made invalid. Thread: one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Any, Final, NamedTuple, final

from gapless.cache.options import RedisOptions
from gapless.cache.redis.link import Link
from gapless.cache.redis.stamps import Stamps, new_number, stamp_of, unique_fields
from gapless.cache.second import NOTHING, Found, Scope

STAMPS_KEY: Final = b"gapless:stamps"

STAMPS_TTL_S: Final = 90 * 24 * 3600
"""After so long without a new version the numbers are drawn anew, which costs misses once."""

LATE_SHARE: Final = 0.5
"""Of the timeout: an event loop that is later than this cannot say that Redis was."""


class _Asked(NamedTuple):
    scope: Scope
    key: bytes | None
    answer: asyncio.Future[Found]
    until: float


@final
class Reads:
    """See the module's head."""

    def __init__(self, options: RedisOptions, link: Link, stamps: Stamps) -> None:
        self._options: Final = options
        self._link: Final = link
        self._stamps: Final = stamps
        self._waiting: deque[_Asked] = deque()
        self._rounds: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._excused = False
        """The last round was late because this process was."""
        self.refused = 0
        """Questions that were not asked because too many waited."""
        self.round_trips = 0

    async def get(self, scope: Scope, key: bytes | None) -> Found:
        """What is there; ``NOTHING`` if that cannot be found out."""
        if not self._link.up:
            return NOTHING
        if len(self._waiting) >= self._options.max_waiting:
            self.refused += 1
            return NOTHING
        loop = asyncio.get_running_loop()
        asked = _Asked(scope, key, loop.create_future(), loop.time() + self._link.timeout_s)
        self._waiting.append(asked)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._begin)
        return await asked.answer

    async def close(self) -> None:
        """Answer all with nothing."""
        rounds = list(self._rounds)
        for task in rounds:
            task.cancel()
        if rounds:
            await asyncio.wait(rounds)
        self._give_up()

    def _begin(self) -> None:
        """Start round trips for those that wait, as far as there may be more."""
        self._scheduled = False
        while self._waiting and len(self._rounds) < self._options.rounds:
            count = min(len(self._waiting), self._options.round_keys)
            batch = list(islice(self._waiting, count))
            for _ in batch:
                self._waiting.popleft()
            task = asyncio.get_running_loop().create_task(self._round(batch))
            self._rounds.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        if not self._link.up:
            self._give_up()
        elif self._waiting:
            self._begin()

    def _give_up(self) -> None:
        while self._waiting:
            _settle(self._waiting.popleft(), NOTHING)

    async def _round(self, batch: list[_Asked]) -> None:
        from redis.exceptions import RedisError

        until = batch[0].until
        try:
            async with asyncio.timeout_at(until):
                await self._ask(batch)
            self._excused = False
        except TimeoutError as error:
            late_s = asyncio.get_running_loop().time() - until
            if late_s > LATE_SHARE * self._link.timeout_s and not self._excused:
                self._excused = True
            else:
                self._link.failed(error)
        except (RedisError, OSError) as error:
            self._link.failed(error)
        finally:
            for asked in batch:
                _settle(asked, NOTHING)

    async def _ask(self, batch: list[_Asked]) -> None:
        # Equal questions, for instance for the stamp of one model, travel once.
        fields = unique_fields({asked.scope for asked in batch})
        keys = list({_name(asked): None for asked in batch if asked.key is not None})
        waiting = self._stamps.waiting()
        self.round_trips += 1
        pipe = self._link.client.pipeline(transaction=False)
        if waiting:
            # Before anything is read: commands of a connection are carried out in order.
            pipe.hset(STAMPS_KEY, items=[part for pair in waiting.items() for part in pair])
        pipe.hmget(STAMPS_KEY, fields)
        if keys:
            pipe.mget(keys)
        results: list[Any] = await pipe.execute(raise_on_error=False)
        untold: set[bytes] = set()
        if waiting:
            if isinstance(results.pop(0), Exception):
                # It is full, or may not be written to: what cannot be made invalid there is not read there.
                untold = set(waiting)
            else:
                self._stamps.told(waiting)
        if any(isinstance(result, Exception) for result in results):
            raise next(result for result in results if isinstance(result, Exception))
        numbers = {
            field: number
            for field, number in zip(fields, results[0], strict=True)
            if number is not None and field not in untold
        }
        missing = [field for field in fields if field not in numbers and field not in untold]
        if missing:
            numbers |= await self._draw(missing)
        frames = dict(zip(keys, results[1], strict=True)) if keys else {}
        for asked in batch:
            stamp = stamp_of(asked.scope, numbers)
            known = stamp is not None and asked.key is not None
            _settle(asked, Found(stamp, frames.get(_name(asked)) if known else None))

    async def _draw(self, fields: list[bytes]) -> dict[bytes, bytes]:
        """Numbers for what has none yet; the same for all servers that draw at the same time."""
        pipe = self._link.client.pipeline(transaction=False)
        for field in fields:
            pipe.hsetnx(STAMPS_KEY, field, new_number())
        pipe.expire(STAMPS_KEY, STAMPS_TTL_S)
        pipe.hmget(STAMPS_KEY, fields)
        *_, numbers = await pipe.execute(raise_on_error=False)
        if isinstance(numbers, Exception):
            return {}
        return {
            field: number
            for field, number in zip(fields, numbers, strict=True)
            if number is not None
        }


def redis_key(scope: Scope, key: bytes) -> bytes:
    """The name of an answer in Redis."""
    return b"gapless:%b:%b" % (scope.namespace.encode(), key.hex().encode())


def _name(asked: _Asked) -> bytes:
    return redis_key(asked.scope, asked.key or b"")


def _settle(asked: _Asked, found: Found) -> None:
    if not asked.answer.done():
        asked.answer.set_result(found)
