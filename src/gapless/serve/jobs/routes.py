"""Jobs over HTTP: submit, list, read, follow, cancel, retry.

In: ``POST`` and ``GET /v1/jobs``, ``GET /v1/jobs/{id}``, its ``files`` and ``events``, ``POST`` to its ``cancel`` and
``retry``. Out: the records of ``store/queue.py`` as JSON. Invariants: the store is called in
``services.keeping`` only; errors are raised, and answered in one place (``problem.py``). Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gapless.errors import NotFoundError
from gapless.jobs.runner import Runner
from gapless.serve.jobs.messages import ListFiles, ListJobs, NoQuery, read_query
from gapless.serve.jobs.sse import JobEvents, Listeners
from gapless.serve.jobs.submit import SubmitJob
from gapless.serve.offload import in_keeping
from gapless.serve.services import Services
from gapless.serve.uploads import Uploads
from gapless.store.queue import Job, JobQuery


def routes(
    services: Services, uploads: Uploads, runner: Runner | None, listeners: Listeners
) -> list[Route]:
    """The routes of jobs.

    Args:
        services: the engine.
        uploads: whose bodies arrive, at all addresses.
        runner: of the jobs; None where nothing is kept: then all addresses say so.
        listeners: who follows jobs.
    """
    if runner is None:
        return _refusals()

    async def list_jobs(request: Request) -> Response:
        asked = read_query(request.query_params.multi_items(), ListJobs)
        query = JobQuery(asked.state, asked.limit, asked.cursor)
        return _json(await in_keeping(services, lambda: runner.queue.list(query)))

    async def read_job(request: Request) -> Response:
        return await answer(request, runner.queue.get)

    async def list_files(request: Request) -> Response:
        asked = read_query(request.query_params.multi_items(), ListFiles)
        job_id = request.path_params["id"]
        files = await in_keeping(
            services,
            lambda: runner.queue.files(
                job_id, state=asked.state, start=asked.start, limit=asked.limit
            ),
        )
        return _json(files)

    async def cancel_job(request: Request) -> Response:
        return await answer(request, runner.cancel)

    async def retry_job(request: Request) -> Response:
        return await answer(request, runner.retry)

    async def answer(request: Request, ask: Callable[[str], Job]) -> Response:
        read_query(request.query_params.multi_items(), NoQuery)
        job_id = request.path_params["id"]
        return _json(await in_keeping(services, lambda: ask(job_id)))

    submit = SubmitJob(services, uploads, runner)

    async def all_jobs(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await submit(scope, receive, send)
            return
        response = await list_jobs(Request(scope, receive))
        await response(scope, receive, send)

    return [
        # One route for both methods, so that the answer to any other names both in its Allow header.
        Route("/v1/jobs", _App(all_jobs), methods=["GET", "POST"]),
        Route("/v1/jobs/{id}", read_job, methods=["GET"]),
        Route("/v1/jobs/{id}/files", list_files, methods=["GET"]),
        Route("/v1/jobs/{id}/events", JobEvents(services, runner, listeners), methods=["GET"]),
        Route("/v1/jobs/{id}/cancel", cancel_job, methods=["POST"]),
        Route("/v1/jobs/{id}/retry", retry_job, methods=["POST"]),
    ]


class _App:
    """An ASGI application that Starlette does not take for a function of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _refusals() -> list[Route]:
    async def refuse(_: Request) -> Response:
        raise NotFoundError(
            "there are no jobs here, for nothing is kept; start the server with the setting save = true"
        )

    return [
        Route("/v1/jobs", refuse, methods=["GET", "POST"]),
        Route("/v1/jobs/{id}", refuse, methods=["GET"]),
        Route("/v1/jobs/{id}/files", refuse, methods=["GET"]),
        Route("/v1/jobs/{id}/events", refuse, methods=["GET"]),
        Route("/v1/jobs/{id}/cancel", refuse, methods=["POST"]),
        Route("/v1/jobs/{id}/retry", refuse, methods=["POST"]),
    ]


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
