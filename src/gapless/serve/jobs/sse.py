"""``GET /v1/jobs/{id}/events``: a job while it is heard, as server-sent events.

In: a request. Out: events until the job is over. Invariants: the number of listeners is bounded; the store is asked for
the job's revision alone while nothing changes; a store that fails for a while ends no stream; a listener that hangs up,
or a server that stops, ends it at once. Thread: the event loop's; the store is called in the executor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gapless.errors import OverloadError, StoreError
from gapless.jobs.runner import Runner
from gapless.serve.jobs.messages import NoQuery, read_query
from gapless.serve.jobs.news import KEEPALIVE, Event, JobNews
from gapless.serve.offload import in_keeping
from gapless.serve.services import Services
from gapless.serve.uploads import unless_gone
from gapless.store.queue import MAX_SHOWN_FILES

MAX_LISTENERS: Final = 256
LOOK_EVERY_S: Final = 0.5
KEEPALIVE_S: Final = 15.0
RETRY_MS: Final = 5000

log = structlog.get_logger(__name__)


@final
class Listeners:
    """Who follows jobs. Used on one event loop; ``close`` it before the server closes its connections."""

    def __init__(self, most: int = MAX_LISTENERS) -> None:
        self._most = most
        self._now = 0
        self._closing = asyncio.Event()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Listen.

        Raises:
            OverloadError: as many do as may.
        """
        if self._now >= self._most:
            raise OverloadError(
                f"{self._now} clients follow jobs already; try again later, or ask GET /v1/jobs/ID now and then",
                retry_after_ms=RETRY_MS,
            )
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1

    def close(self) -> None:
        """End all streams. Idempotent."""
        self._closing.set()

    async def pause(self, seconds: float) -> bool:
        """Wait; False: the server stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False


@final
class JobEvents:
    """The address, as an ASGI application: what it holds ends with the answer.

    Args:
        services: the engine.
        runner: has the queue.
        listeners: who follows jobs, this one included.
    """

    def __init__(self, services: Services, runner: Runner, listeners: Listeners) -> None:
        self._services = services
        self._queue = runner.queue
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        read_query(request.query_params.multi_items(), NoQuery)
        job_id = request.path_params["id"]
        with self._listeners.admit():
            job = await in_keeping(self._services, lambda: self._queue.get(job_id))
            news = JobNews(request.headers.get("last-event-id"))
            news.reconcile(job)
            await unless_gone(receive, self._stream(job_id, news, send))

    async def _stream(self, job_id: str, news: JobNews, send: Send) -> None:
        response = Response(
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
            media_type="text/event-stream",
        )
        del response.headers["content-length"]
        start = {"type": "http.response.start", "status": 200, "headers": response.raw_headers}
        await send(start)
        revision = -1
        sent_at = time.monotonic()
        going = True
        while going:
            try:
                look = partial(self._look, job_id, news, revision)
                revision, events = await in_keeping(self._services, look)
            except StoreError as error:
                log.warning("job_not_seen", job=job_id, error=str(error))
                events = []
            body = b"".join(event.encode() for event in events)
            if not body and time.monotonic() - sent_at >= KEEPALIVE_S:
                body = KEEPALIVE
            if body:
                sent_at = time.monotonic()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            going = not news.over and await self._listeners.pause(LOOK_EVERY_S)
        await send({"type": "http.response.body", "body": b""})

    def _look(self, job_id: str, news: JobNews, revision: int) -> tuple[int, list[Event]]:
        """What is new since ``revision``; blocks."""
        if self._queue.revision(job_id) == revision:
            return revision, []
        job = self._queue.get(job_id)
        if news.start == 0 and job.counts.total <= MAX_SHOWN_FILES:
            return job.revision, news.look(job, job.files)
        begun = news.start
        events = news.look(job, self._queue.files(job_id, start=news.start))
        # Where a whole window was told, the next one may hold more: look again, whatever the revision is then.
        more = not news.over and news.start > begun and job.counts.total > MAX_SHOWN_FILES
        return -1 if more else job.revision, events
