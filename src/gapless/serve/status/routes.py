"""``/v1/status`` and ``/v1/status/history``: how the server does now, and how it did in the last hour.

In: requests. Out: JSON. Invariants: a key is needed as for all else; asking often costs no more than asking once in
``FRESH_S``. Thread: the event loop's; the microphone is asked in another, where it keeps nobody from anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.errors import ProtocolError
from gapless.serve.health import Health
from gapless.serve.status.make import make_status
from gapless.serve.status.microphone import microphone_here
from gapless.serve.status.sampler import Sampler
from gapless.serve.transcripts import TICKET

MICROPHONE_S: Final = 0.5
"""So long an answer waits for a microphone."""


class HistoryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/status/history``."""

    since_ms: Annotated[
        int, Meta(description="Only what is later than this, in milliseconds since 1970.")
    ] = 0


def routes(sampler: Sampler, health: Callable[[], Health]) -> list[Route]:
    """The routes of status.

    Args:
        sampler: looks at the metrics.
        health: whether it is ready, and what it does without.
    """
    microphone = _Microphone()

    async def status(_: Request) -> Response:
        window = await sampler.window()
        now = health()
        troubles = (*now.reasons, *now.degraded)
        told = await microphone.report()
        return _json(await asyncio.to_thread(make_status, window, troubles, told))

    async def history(request: Request) -> Response:
        return _json(sampler.hour.since(_parameters(request).since_ms))

    return [Route("/v1/status", status), Route("/v1/status/history", history)]


class _Microphone:
    """The report of a microphone, of which one question is under way at most."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[dict[str, Any] | None] | None = None

    async def report(self) -> dict[str, Any] | None:
        """As ``gapless mic status --json`` has it; None: none runs, or it does not answer in time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(_ask))
        await asyncio.wait([self._asking], timeout=MICROPHONE_S)
        return self._asking.result() if self._asking.done() else None


def _ask() -> dict[str, Any] | None:
    report = microphone_here()
    told: dict[str, Any] | None = None if report is None else msgspec.to_builtins(report)
    return told


def _parameters(request: Request) -> HistoryParameters:
    given = {name: value for name, value in request.query_params.items() if name != TICKET}
    try:
        return msgspec.convert(given, HistoryParameters, strict=False)
    except msgspec.ValidationError as error:
        raise ProtocolError(
            f"{error}; see /docs for what may be asked", param="since_ms"
        ) from error


def _json(body: object) -> Response:
    return Response(
        msgspec.json.encode(body),
        headers={"cache-control": "no-store"},
        media_type="application/json",
    )
