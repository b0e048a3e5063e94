"""Work that the event loop must not do itself.

In: a function. Out: what it returns. Invariants: what blocks or takes long runs in ``services.executor``, what waits
for the store in ``services.keeping``; what takes less than handing it over would is done at once.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from gapless.serve.services import Services

AT_ONCE_BYTES: Final = 64 * 1024
"""JSON of this size takes less than a millisecond to read or write."""

Result = TypeVar("Result")


async def in_executor(services: Services, work: Callable[[], Result]) -> Result:
    """Run what blocks."""
    return await asyncio.get_running_loop().run_in_executor(services.executor, work)


async def in_keeping(services: Services, work: Callable[[], Result]) -> Result:
    """Run what waits for the store."""
    return await asyncio.get_running_loop().run_in_executor(services.keeping, work)


async def in_proportion(services: Services, work: Callable[[], Result], size_bytes: int) -> Result:
    """Run what takes as long as what it works on is large."""
    if size_bytes <= AT_ONCE_BYTES:
        return work()
    return await in_executor(services, work)
