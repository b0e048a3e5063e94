"""The metrics of the whole server: all its workers together, and its machine.

In: the state of an application. Out: families. Invariants: a worker that does not answer in time is left out, and so
is missing from ``gapless_workers``. Thread: the event loop's; reading and adding run in the thread of the metrics.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from prometheus_client import Metric
from starlette.datastructures import State

from gapless.serve.metrics.collect import Metrics
from gapless.serve.metrics.families import in_order
from gapless.serve.metrics.merge import merged, read

WORKER_PATH: Final = "/metrics?scope=worker"
"""What siblings are asked: themselves alone, or they would ask each other for ever."""


class Siblings(Protocol):
    """The other workers of the server; ``gapless.serve.workers.siblings`` has them."""

    async def ask(self, path: str) -> list[bytes]:
        """What they answer to ``GET path``; those that do not answer in time are left out."""
        ...


async def families(state: State) -> list[Metric]:
    """All metrics of the server.

    Args:
        state: has ``metrics``, and ``siblings`` (None: there are none).
    """
    metrics: Metrics = state.metrics
    siblings: Siblings | None = state.siblings
    mine, machine, others = await asyncio.gather(
        metrics.worker(), metrics.machine(), _ask(siblings)
    )
    if others:
        mine = await asyncio.get_running_loop().run_in_executor(
            metrics.executor, _together, mine, others
        )
    return in_order({family.name: family for family in (*mine, *machine)})


async def _ask(siblings: Siblings | None) -> list[bytes]:
    return [] if siblings is None else await siblings.ask(WORKER_PATH)


def _together(mine: list[Metric], others: list[bytes]) -> list[Metric]:
    return merged([mine, *map(read, others)])
