"""Whether the process lives, whether it can be given work, and what it has to do without.

In: probes of whatever runs the server. Out: 200, or 503 with the reasons. Invariants: ``live`` needs nothing but the
event loop, and ``ready`` nothing that can wait; a server that can still serve is ready, whatever else is amiss; no
answer says anything of what is kept, where, or who is connected. Thread: the event loop's.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.serve.services import Services
from gapless.serve.stream.registry import Streams
from gapless.serve.workers.siblings import Siblings


class Health(msgspec.Struct, frozen=True):
    """The answer to a probe."""

    ready: bool
    reasons: tuple[str, ...] = ()
    """Why not."""
    degraded: tuple[str, ...] = ()
    """What it serves without, and what that means, while it is ready; it heals by itself."""


def routes(services: Services, streams: Streams, siblings: Siblings | None = None) -> list[Route]:
    """``/health/live`` and ``/health/ready``."""

    async def live(_: Request) -> Response:
        return _json({"live": True}, 200)

    async def ready(_: Request) -> Response:
        health = health_of(services, streams, siblings)
        return _json(health, 200 if health.ready else 503)

    return [Route("/health/live", live), Route("/health/ready", ready)]


def health_of(services: Services, streams: Streams, siblings: Siblings | None = None) -> Health:
    """Whether new work is welcome, and if not, why; and what does not work meanwhile.

    Args:
        services: the engine.
        streams: the open ones.
        siblings: the other workers: one that answers is enough for the server to be ready.
    """
    reasons = []
    if not services.ready:
        reasons.append("the models are not loaded yet")
    if services.settings.save and services.store is None:
        reasons.append("the store is not open")
    if streams.draining:
        reasons.append("the server is stopping")
    degraded = _degraded(services)
    # While it retires its like go too, and others have taken their place.
    if siblings is not None and siblings.missing and not streams.retiring:
        degraded.append(
            f"{siblings.missing} of {siblings.of} workers: they are being started; until then there is less room"
        )
    return Health(not reasons, tuple(reasons), tuple(degraded))


def _degraded(services: Services) -> list[str]:
    sentences = []
    store = services.store
    if store is not None and (trouble := store.trouble):
        sentences.append(
            f"the store {trouble}: streams are heard, their finals wait for it or come with a warning that they are "
            "not saved; transcripts cannot be read"
        )
        if services.jobs is not None:
            sentences.append("jobs: they wait until the store is back")
    if trouble := services.cache.trouble:
        sentences.append(f"the cache: {trouble}; what it would have remembered counts as a miss")
    return sentences


def _json(body: object, status: int) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        {"cache-control": "no-store"},
        media_type="application/json",
    )
