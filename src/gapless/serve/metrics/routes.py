"""``/metrics``, for Prometheus.

In: a scrape. Out: the metrics of all workers, in the format that the scraper prefers. Invariants: a key is needed as
for all else; ``scope=worker`` tells of this process alone, in the text format. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.errors import ProtocolError
from gapless.serve.metrics.whole import families

SCOPES: Final = ("server", "worker")


def routes() -> list[Route]:
    """``/metrics``; the application's state has the rest."""

    async def metrics(request: Request) -> Response:
        state = request.app.state
        scope = request.query_params.get("scope", SCOPES[0])
        if scope not in SCOPES:
            raise ProtocolError(f"scope is one of {', '.join(SCOPES)}; leave it out", param="scope")
        whole = scope == SCOPES[0]
        found = await (families(state) if whole else state.metrics.worker())
        encode, media_type = choose_encoder(request.headers.get("accept", "") if whole else "")
        body = await asyncio.get_running_loop().run_in_executor(
            state.metrics.executor, encode, _Collected(found)
        )
        return Response(body, headers={"cache-control": "no-store", "content-type": media_type})

    return [Route("/metrics", metrics)]


class _Collected(Collector):
    """Families that were collected, in the place of a registry."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> list[Metric]:
        """Them."""
        return self._found
