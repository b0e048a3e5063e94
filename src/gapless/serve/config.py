"""Every setting that is in force, where it came from and why, and the machine that it fits.

In: a request. Out: JSON. Invariants: secrets are hidden; a key is needed as for all else. Thread: the event loop's; the
machine is looked at in the executor.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.serve.services import Services
from gapless.settings import Resolved, setting_rows
from gapless.tune.facts import Facts
from gapless.tune.plan import live_block_samples
from gapless.tune.probe import read_facts

LIVE_RATE_HZ: Final = 16_000

LIVE_BUDGET_MS: Final = 45.0
"""What a live stream may be late by: row V1 of the claims."""


class Configuration(msgspec.Struct, frozen=True):
    """What is in force, and why."""

    settings: dict[str, dict[str, Any]]
    """By name: ``value``, where it came from (``source``, ``source_detail``), and its bounds; secrets are hidden."""
    machine: dict[str, Any]
    """What this server found of its machine; null where the system does not tell."""
    advice: dict[str, float]
    """The largest block of a live client that stays within the budget of latency."""


def routes(services: Services) -> list[Route]:
    """``/v1/config``."""

    async def config(_: Request) -> Response:
        data_path = services.settings.data_path
        facts = await asyncio.get_running_loop().run_in_executor(
            services.executor, read_facts, data_path
        )
        return Response(
            msgspec.json.encode(configuration(services.resolved, facts)),
            headers={"cache-control": "no-store"},
            media_type="application/json",
        )

    return [Route("/v1/config", config)]


def configuration(resolved: Resolved, facts: Facts) -> Configuration:
    """The answer."""
    return Configuration(
        settings=setting_rows(resolved),
        machine={
            **msgspec.to_builtins(facts),
            "cpus": facts.cpus,
            "cores": facts.cores,
            "memory_bytes": facts.memory_bytes,
            "available_bytes": facts.available_bytes,
        },
        advice={
            "live_block_samples": live_block_samples(LIVE_RATE_HZ, LIVE_BUDGET_MS),
            "live_rate_hz": LIVE_RATE_HZ,
            "live_budget_ms": LIVE_BUDGET_MS,
        },
    )
