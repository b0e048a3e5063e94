"""The application: all routes behind one door.

    Boundary -> [CORS] -> AccessControl -> BodyLimit -> routes

In: ``Services``. Out: an ASGI application; its open streams are at ``app.state.streams``, so that a server can drain
them before it closes their connections, and what puts questions to models is at ``app.state.asker``, for gRPC.
Invariants: every refusal has the shape of the dialect spoken at its address.
Thread: one event loop; what computes or blocks runs in ``services.executor``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gapless.errors import GaplessError
from gapless.serve import config, health, infer, transcripts
from gapless.serve.access import Access, AccessControl, ticket_routes
from gapless.serve.asr_v2 import routes as asr_v2
from gapless.serve.deepgram import routes as deepgram
from gapless.serve.document import openapi
from gapless.serve.jobs import routes as jobs
from gapless.serve.jobs.sse import Listeners
from gapless.serve.kserve import routes as kserve
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import HEADER_LENGTH
from gapless.serve.middleware import BodyLimit, Boundary
from gapless.serve.openai import transcriptions
from gapless.serve.pages import page_routes
from gapless.serve.play import routes as play
from gapless.serve.problem import problem_response
from gapless.serve.realtime import routes as realtime
from gapless.serve.services import Services
from gapless.serve.stream import endpoint
from gapless.serve.stream.registry import Streams
from gapless.serve.uploads import Uploads

OPEN_PATHS: Final = frozenset(
    {
        "/health/live",
        "/health/ready",
        "/v2/health/live",
        "/v2/health/ready",
        "/docs",
        "/openapi.json",
    }
)
"""What needs no key, besides the console's own files."""


def create_app(services: Services) -> Starlette:
    """Everything that ``services`` offers, over HTTP and WebSocket."""
    settings = services.settings
    streams = Streams(services)
    asker = Asker(services)
    uploads = Uploads(settings, services.executor)
    job_listeners = Listeners()
    pages = page_routes()
    access = Access(settings, OPEN_PATHS | {page.path for page in pages})
    middleware = [
        Middleware(Boundary),
        Middleware(AccessControl, access=access, now_ms=_now_ms),
        Middleware(BodyLimit, max_body_bytes=settings.max_body_bytes),
    ]
    if settings.allowed_origins:
        middleware.insert(1, _cors(settings.allowed_origins))
    app = Starlette(
        routes=[
            # Routes are tried in this order: those asked most come first.
            *infer.routes(services, asker),
            *kserve.routes(services, asker, lambda: health.health_of(services, streams).ready),
            *endpoint.routes(streams),
            *deepgram.routes(services, streams, uploads),
            *asr_v2.routes(services, streams, uploads),
            *health.routes(services, streams),
            *ticket_routes(access, _now_ms),
            *transcriptions.routes(services, uploads),
            *realtime.routes(streams, access),
            *play.routes(services, streams),
            *jobs.routes(services, uploads, services.jobs, job_listeners),
            *transcripts.routes(services),
            *config.routes(services),
            *openapi.routes(services),
            *pages,
        ],
        middleware=middleware,
        exception_handlers={HTTPException: _answer, GaplessError: _answer},
        lifespan=_lifespan,
    )
    app.router.default = _nothing_here
    app.state.streams = streams
    app.state.asker = asker
    app.state.access = access
    app.state.cache = services.cache
    app.state.job_listeners = job_listeners
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    reaper = asyncio.create_task(app.state.asker.reap())
    await infer.prepare(app.state.cache)
    yield
    await app.state.streams.drain()
    reaper.cancel()
    app.state.asker.close()
    await app.state.cache.close()


async def _answer(request: Request, error: Exception) -> Response:
    return problem_response(error, request.url.path)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the ASGI signature
    raise HTTPException(404)


def _cors(origins: tuple[str, ...]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=[
            "authorization",
            "x-api-key",
            "content-type",
            "cache-control",
            "idempotency-key",
            "last-event-id",
            HEADER_LENGTH,
        ],
        expose_headers=[
            HEADER_LENGTH,
            "location",
            "retry-after",
            "retry-after-ms",
            "x-gapless-transcript-id",
            "x-gapless-ignored-fields",
        ],
    )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
