"""How long a hit in memory takes.

In: how many entries. Out: work; an operation is a question that is answered from memory. Thread: main, alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from random import Random
from typing import Final

from gapless.bench.drive import Work, alone, in_tasks
from gapless.cache.contract import Answer
from gapless.cache.key import digest
from gapless.cache.options import SHARES, CacheOptions
from gapless.cache.tiered import TieredCache

VALUE: Final = bytes(500)

ENOUGH_BYTES: Final = 4_000
"""For an entry: everything that is put stays."""


@contextmanager
def dictionary(*, entries: int) -> Iterator[Work]:
    """A dictionary: no bound, no lifetime, no count."""
    keys, order = _keys(entries)
    kept = dict.fromkeys(keys, VALUE)
    yield alone(lambda: kept[next(order)])


@contextmanager
def peek(*, entries: int) -> Iterator[Work]:
    """The cache, asked for what is in memory."""
    keys, order = _keys(entries)
    cache = _cache(entries)
    _fill(cache, keys)
    yield alone(lambda: cache.peek("inference", next(order)))


@contextmanager
def get(*, entries: int) -> Iterator[Work]:
    """The cache, asked by a task on an event loop for what is anywhere."""
    keys, order = _keys(entries)
    cache = _cache(entries)
    _fill(cache, keys)

    async def never() -> bytes:
        raise AssertionError("this bench asks for what is there")

    def ask() -> Awaitable[Answer]:
        return cache.get("inference", next(order), never)

    operation: Callable[[], Awaitable[object]] = ask
    yield in_tasks([operation])


def _cache(entries: int) -> TieredCache:
    budget_bytes = int(entries * ENOUGH_BYTES / SHARES["inference"])
    return TieredCache(CacheOptions(budget_bytes=budget_bytes, ttl_s=3600.0))


def _keys(entries: int) -> tuple[list[bytes], Iterator[bytes]]:
    keys = [digest(number.to_bytes(8, "little")) for number in range(entries)]
    # Not in the order in which they lie in memory.
    order = Random(1).choices(keys, k=2**16)
    return keys, cycle(order)


def _fill(cache: TieredCache, keys: list[bytes]) -> None:
    import asyncio

    async def fill() -> None:
        for key in keys:
            await cache.put("inference", key, VALUE)

    asyncio.run(fill())
