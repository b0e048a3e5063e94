"""The addresses of jobs on a real server, behind the doors that bound bodies and answer errors.

In: services, a runner or none. Out: a URL. Invariants: accepts connections when the block begins; has stopped when it
is left, whoever follows a job. Thread: its own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from gapless.errors import GaplessError
from gapless.jobs.runner import Runner
from gapless.serve.jobs.routes import routes
from gapless.serve.jobs.sse import Listeners
from gapless.serve.metrics.requests import Requests
from gapless.serve.middleware import BodyLimit, Boundary
from gapless.serve.problem import problem_response
from gapless.serve.services import Services
from gapless.serve.uploads import Uploads

START_TIMEOUT_S: Final = 30.0


@contextmanager
def jobs_server(services: Services, runner: Runner | None, *, listeners: int = 4) -> Iterator[str]:
    """Serve for as long as the block does; its URL."""
    settings = services.settings
    ready = threading.Event()
    following = Listeners(listeners)
    loop: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loop.append(asyncio.get_running_loop())
        ready.set()
        yield

    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(error, request.url.path)

    uploads = Uploads(settings, services.executor)
    app = Starlette(
        routes=routes(services, uploads, runner, following),
        middleware=[
            Middleware(Boundary, requests=Requests()),
            Middleware(BodyLimit, max_body_bytes=settings.max_body_bytes),
        ],
        exception_handlers={HTTPException: answer, GaplessError: answer},
        lifespan=lifespan,
    )
    config = uvicorn.Config(
        app, http="httptools", log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(
            target=server.run, args=([listening],), name="jobs-server", daemon=True
        )
        thread.start()
        try:
            if not ready.wait(START_TIMEOUT_S):
                raise TimeoutError("the server did not start; look at its log")
            yield f"http://127.0.0.1:{port}"
        finally:
            loop[0].call_soon_threadsafe(following.close)
            server.should_exit = True
            thread.join(START_TIMEOUT_S)
