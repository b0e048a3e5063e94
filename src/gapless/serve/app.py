"""The application: all routes behind one door.

    QuickHttp -> Boundary -> [CORS] -> AccessControl -> BodyLimit -> [compression] -> routes

In: ``Services``. Out: an ASGI application; its open streams are at ``app.state.streams``, so that a server can drain
them before it closes their connections, and what puts questions to models is at ``app.state.asker``, for gRPC.
Invariants: every refusal has the shape of the dialect spoken at its address.
Thread: one event loop; what computes or blocks runs in ``services.executor``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gapless.errors import GaplessError
from gapless.serve import config, health, infer, transcripts
from gapless.serve.access import Access, AccessControl, ticket_routes
from gapless.serve.asr_v2 import routes as asr_v2
from gapless.serve.deepgram import routes as deepgram
from gapless.serve.document import openapi
from gapless.serve.flags import routes as flag_routes
from gapless.serve.flags.calls import Calls
from gapless.serve.flags.compression import Compression
from gapless.serve.flags.flags import Flags
from gapless.serve.inferences.notice import Noticing
from gapless.serve.jobs import routes as jobs
from gapless.serve.jobs.sse import Listeners
from gapless.serve.kserve import routes as kserve
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import HEADER_LENGTH
from gapless.serve.metrics import routes as metrics
from gapless.serve.metrics.collect import Metrics
from gapless.serve.metrics.requests import Requests
from gapless.serve.metrics.whole import families
from gapless.serve.middleware import BodyLimit, Boundary
from gapless.serve.openai import transcriptions
from gapless.serve.pages import page_routes
from gapless.serve.play import routes as play
from gapless.serve.problem import dialect_of, problem_of, problem_response
from gapless.serve.quick.answers import LARGEST_BODY_BYTES, WireAnswers
from gapless.serve.quick.door import QuickDoor
from gapless.serve.realtime import routes as realtime
from gapless.serve.services import Services
from gapless.serve.status import routes as status
from gapless.serve.status.sampler import Sampler
from gapless.serve.stream import endpoint
from gapless.serve.stream.registry import Streams
from gapless.serve.traces import AskTimes, TracedCalls, open_traces
from gapless.serve.uploads import Uploads
from gapless.serve.workers import inside
from gapless.serve.workers.siblings import Siblings

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

COMPRESSION_LEVEL: Final = 4
"""Half as long as the default, and a few percent larger (measured)."""


def create_app(services: Services, siblings: Siblings | None = None) -> Starlette:
    """Everything that ``services`` offers, over HTTP and WebSocket.

    Args:
        services: the engine.
        siblings: the other workers of the server; None: there are none.
    """
    settings = services.settings
    body_bytes, compress_bytes = settings.max_body_bytes, settings.compress_min_bytes
    requests = Requests()
    traces = open_traces(settings)
    streams = Streams(services, siblings, None if traces is None else traces.record)
    flags = Flags(settings)
    asker = Asker(services, flags, None if traces is None else AskTimes(traces.record))
    wire_answers = WireAnswers(services)
    face = infer.JsonFace(services, asker, wire_answers)
    uploads = Uploads(settings, services.executor)
    job_listeners = Listeners()
    sampler = Sampler(lambda: families(app.state))
    pages = page_routes()
    access = Access(settings, OPEN_PATHS | {page.path for page in pages}, siblings)
    middleware = [
        Middleware(Boundary, requests=requests),
        Middleware(Calls, flags=flags),
        Middleware(AccessControl, access=access, now_ms=_now_ms),
        Middleware(BodyLimit, max_body_bytes=body_bytes),
    ]
    if compress_bytes:
        middleware.append(Middleware(_compressed(compress_bytes)))
    if settings.save_inferences:
        middleware.append(Middleware(Noticing))
    if traces is not None:
        middleware.append(Middleware(TracedCalls, export=traces.record))
    if settings.allowed_origins:
        middleware.insert(1, _cors(settings.allowed_origins))
    app = Starlette(
        routes=[
            # Routes are tried in this order: those asked most come first.
            *infer.routes(services, face),
            *kserve.routes(
                services, asker, lambda: health.health_of(services, streams).ready, siblings
            ),
            *endpoint.routes(streams),
            *deepgram.routes(services, streams, uploads),
            *asr_v2.routes(services, streams, uploads),
            *health.routes(services, streams, siblings),
            *ticket_routes(access, _now_ms),
            *transcriptions.routes(services, uploads),
            *realtime.routes(streams, access),
            *play.routes(services, streams),
            *jobs.routes(services, uploads, services.jobs, job_listeners),
            *transcripts.routes(services),
            *config.routes(services),
            *flag_routes.routes(services, flags),
            *metrics.routes(),
            *status.routes(sampler, lambda: health.health_of(services, streams, siblings)),
            *openapi.routes(services),
            *pages,
            *(() if siblings is None else inside.routes(siblings, streams, access.tickets)),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: _answer, GaplessError: _answer},
        lifespan=_lifespan,
    )
    app.router.default = _nothing_here
    requests.learn(app.routes)
    app.state.requests = requests
    app.state.metrics = Metrics(services, streams, requests, flags, asker.keeper, traces=traces)
    app.state.sampler = sampler
    app.state.streams = streams
    app.state.siblings = siblings
    app.state.asker = asker
    app.state.traces = traces
    app.state.flags = flags
    app.state.quick = QuickDoor(
        # Where a row is kept of each call, none may be answered on the way.
        wire_answers if asker.keeper is None else None,
        access,
        flags,
        requests,
        # Traces are made of calls that go the whole way, and bodies are measured there.
        ask=face.answer if traces is None and body_bytes >= LARGEST_BODY_BYTES else None,
        large_bytes=compress_bytes,
        compressed=_compressed(compress_bytes),
    )
    app.state.access = access
    app.state.cache = services.cache
    app.state.job_listeners = job_listeners
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    state = app.state
    forever = (state.asker.reap(), state.metrics.watch(), state.sampler.run(), state.flags.watch())
    tasks = [asyncio.create_task(work) for work in forever]
    await infer.prepare(state.cache)
    yield
    await state.streams.drain()
    for task in tasks:
        task.cancel()
    state.metrics.close()
    state.asker.close()
    await state.cache.close()
    if state.traces is not None:
        await asyncio.to_thread(state.traces.close)


async def _answer(request: Request, error: Exception) -> Response:
    path = request.url.path
    request.app.state.requests.reject(dialect_of(path), problem_of(error).code)
    return problem_response(error, path)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the ASGI signature
    raise HTTPException(404)


def _compressed(min_bytes: int) -> Callable[[ASGIApp], ASGIApp]:
    """Compresses answers that are worth it: small ones take longer to compress than to send."""
    return partial(Compression, minimum_size=min_bytes, compresslevel=COMPRESSION_LEVEL)


def _cors(origins: tuple[str, ...]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=[
            "authorization",
            "x-api-key",
            "content-type",
            "cache-control",
            "idempotency-key",
            "last-event-id",
            "traceparent",
            "x-session-id",
            HEADER_LENGTH,
        ],
        expose_headers=[
            HEADER_LENGTH,
            "location",
            "retry-after",
            "retry-after-ms",
            "x-gapless-transcript-id",
            "x-gapless-ignored-fields",
            "x-gapless-warning",
        ],
    )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
