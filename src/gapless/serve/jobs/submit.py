"""``POST /v1/jobs``: recordings into the queue.

In: a form with files, or JSON with URLs. Out: 202 and the job. Invariants: where there is no room, or nothing is kept,
the refusal comes before the body; files go to disk as they arrive and from there to the store, never as a whole through
memory; the answer comes when all of it is durable; the same ``Idempotency-Key`` gives the same job.
Thread: the event loop's; everything that blocks runs in the executor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gapless.errors import (
    ForbiddenError,
    InvalidAudioError,
    NotFoundError,
    ProtocolError,
    TooLargeError,
)
from gapless.jobs.fetch import check_url
from gapless.jobs.runner import Runner
from gapless.jobs.source import NO_FETCHING
from gapless.serve.jobs.messages import (
    JobForm,
    NoQuery,
    display_name,
    job_id_of,
    job_options,
    read_form_fields,
    read_query,
    read_urls,
)
from gapless.serve.offload import in_executor, in_keeping
from gapless.serve.openai.multipart import FormLimits, UploadedFile, read_form
from gapless.serve.recordings import find_model
from gapless.serve.services import Services
from gapless.serve.uploads import Uploads
from gapless.store.queue import CHUNK_BYTES, FileSource, Job

LIMITS: Final = FormLimits(fields=16, files=128)
"""Of one request; each file that arrives is a file descriptor of the server."""

MAX_JSON_BYTES: Final = 4 * 1024 * 1024


@final
class SubmitJob:
    """The address, as an ASGI application: what it holds ends with the answer.

    Args:
        services: the engine.
        uploads: whose bodies arrive, at this and all other addresses.
        runner: takes the jobs.
    """

    def __init__(self, services: Services, uploads: Uploads, runner: Runner) -> None:
        self._services = services
        self._uploads = uploads
        self._runner = runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        read_query(request.query_params.multi_items(), NoQuery)
        key = request.headers.get("idempotency-key")
        job_id = job_id_of(key)
        size_bytes = _announced_bytes(request)
        await in_keeping(
            self._services,
            lambda: self._check_room(None if key is None else job_id, size_bytes),
        )
        try:
            with self._uploads.admit():
                job = await self._take(request, job_id)
        except ClientDisconnect:
            return
        response = Response(
            msgspec.json.encode(job),
            202,
            {"location": f"/v1/jobs/{job.id}"},
            media_type="application/json",
        )
        await response(scope, receive, send)

    def _check_room(self, known_id: str | None, size_bytes: int) -> None:
        if known_id is not None:
            with suppress(NotFoundError):
                self._runner.queue.revision(known_id)
                return
        self._runner.check_room(size_bytes)

    async def _take(self, request: Request, job_id: str) -> Job:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() == "application/json":
            if not self._services.settings.job_urls:
                raise ForbiddenError(NO_FETCHING, param="urls")
            job = read_urls(await _json_of(request))
            paths = [check_url(url).path for url in job.urls]
            sources = [
                FileSource(display_name(path), url)
                for path, url in zip(paths, job.urls, strict=True)
            ]
            return await self._submit(job_id, sources, job)
        if not content_type.startswith("multipart/"):
            raise HTTPException(415, "send recordings as multipart/form-data, or URLs as JSON")
        form = await read_form(
            request.stream(),
            content_type,
            self._services.executor,
            limits=LIMITS,
            stall_ms=self._services.settings.idle_timeout_ms,
        )
        with form:
            if not form.files:
                raise ProtocolError(
                    "there is no recording; send each as a part `file` of the form", param="file"
                )
            asked = read_form_fields(form.fields)
            return await self._submit(job_id, [_source(file) for file in form.files], asked)

    async def _submit(self, job_id: str, sources: list[FileSource], asked: JobForm) -> Job:
        services = self._services
        model = find_model(await in_executor(services, services.models), asked.model)
        model.require_language(asked.language)
        options = job_options(asked, model, services.listen_options)
        return await in_keeping(services, lambda: self._runner.submit(job_id, sources, options))


def _source(file: UploadedFile) -> FileSource:
    if file.size_bytes == 0:
        raise InvalidAudioError(
            f"the file {(file.name or '')[:100]!r} is empty; send a recording", param="file"
        )
    return FileSource(display_name(file.name), content=_chunks(file), size_bytes=file.size_bytes)


def _announced_bytes(request: Request) -> int:
    """How much the recordings in a body may have, where that is known; what is around them in a form is little."""
    length = request.headers.get("content-length", "")
    is_form = request.headers.get("content-type", "").startswith("multipart/")
    return int(length) if is_form and length.isdecimal() else 0


def _chunks(file: UploadedFile) -> Iterator[bytes]:
    while chunk := file.content.read(CHUNK_BYTES):
        yield chunk


async def _json_of(request: Request) -> bytes:
    body = bytearray()
    async for data in request.stream():
        body += data
        if len(body) > MAX_JSON_BYTES:
            raise TooLargeError(
                f"the job is larger than {MAX_JSON_BYTES} bytes; name fewer URLs a request"
            )
    return bytes(body)
