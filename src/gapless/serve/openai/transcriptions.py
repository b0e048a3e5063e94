"""OpenAI's HTTP dialect: recordings to text, and which models there are.

In: ``POST /v1/audio/transcriptions``, ``POST /v1/audio/translations``, ``GET /v1/models``, ``GET /v1/models/{id}``.
Out: what OpenAI's own clients expect, in every ``response_format``. Invariants: a request is refused before its body is
read when the queue is full; a client that hangs up stops the work it asked for; where transcripts are kept, this one is
on disk when it is answered, and ``x-gapless-transcript-id`` names it. Thread: the event loop's; everything that blocks
runs in ``services.executor``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Generator
from typing import Any, BinaryIO, Final, final

import msgspec
from msgspec import UNSET
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gapless.errors import GaplessError, InvalidAudioError, ModelNotFoundError, ProtocolError
from gapless.listen.events import Final as FinalEvent
from gapless.listen.listener import ListenOptions
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recogniser.shelf.shelf import DEFAULT_NAMES
from gapless.listen.recording import RecordingEvent
from gapless.serve.flags.listening import on_its_side
from gapless.serve.openai.fields import hearing, is_openai_model, language_of, read_request
from gapless.serve.openai.messages import (
    Model,
    ModelList,
    RecordingRequest,
    Task,
    TextDeltaEvent,
    TextDoneEvent,
    TranscriptionEvent,
    TranscriptionRequest,
    TranslationRequest,
    render,
    speaker_segment,
    usage_of,
    word_logprobs,
)
from gapless.serve.openai.multipart import Form, UploadedFile, read_form
from gapless.serve.problem import problem_body, problem_of
from gapless.serve.remember.recordings import RememberedRecordings, asks_anew, events_of
from gapless.serve.services import Services
from gapless.serve.uploads import Uploads, kept, last, unix_ms, unless_gone
from gapless.store.contract import SessionRecord
from gapless.transcript import Transcript

TRANSCRIPT_HEADER: Final = "x-gapless-transcript-id"
"""Where the transcript is kept: ``GET /v1/transcripts/{id}``."""

IGNORED_HEADER: Final = "x-gapless-ignored-fields"
"""Fields of the form that nobody knows."""


def routes(services: Services, uploads: Uploads) -> list[Route]:
    """The dialect's addresses."""
    models = Models(services)
    return [
        Route(
            "/v1/audio/transcriptions",
            Recordings(services, uploads, TranscriptionRequest, "transcribe"),
            methods=["POST"],
        ),
        Route(
            "/v1/audio/translations",
            Recordings(services, uploads, TranslationRequest, "translate"),
            methods=["POST"],
        ),
        Route("/v1/models", models.list),
        Route("/v1/models/{id:path}", models.get),
    ]


class Upload(msgspec.Struct, frozen=True):
    """A request that has arrived and makes sense."""

    request: RecordingRequest
    file: UploadedFile
    model: str
    options: ListenOptions
    session: SessionRecord | None
    """Set if the transcript is to be kept."""
    headers: dict[str, str]
    """Of the answer."""


@final
class Recordings:
    """What is done with recordings at one address, as an ASGI application: what it holds ends with the answer.

    Args:
        services: the engine.
        uploads: who is being heard, at this and all other addresses.
        kind: the form that is sent.
        task: what becomes of the speech.
    """

    def __init__(
        self, services: Services, uploads: Uploads, kind: type[RecordingRequest], task: Task
    ) -> None:
        self._services = services
        self._uploads = uploads
        self._remembered = RememberedRecordings(services)
        self._kind = kind
        self._task: Task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        try:
            with self._uploads.admit(), await self._receive(request) as form:
                upload = await self._read(form)
                anew = asks_anew(request.headers)
                await unless_gone(receive, self._answer(upload, scope, receive, send, anew=anew))
        except ClientDisconnect:
            return

    async def _receive(self, request: Request) -> Form:
        return await read_form(
            request.stream(),
            request.headers.get("content-type", ""),
            self._services.executor,
            stall_ms=self._services.settings.idle_timeout_ms,
        )

    async def _read(self, form: Form) -> Upload:
        if form.file is None:
            raise ProtocolError(
                "there is no recording; send it as the form's part `file`", param="file"
            )
        if form.file.size_bytes == 0:
            raise InvalidAudioError("the file is empty; send a recording", param="file")
        request, unknown = read_request(form.fields, self._kind)
        model = await _find_model(self._services, request.model)
        model.require_language(language_of(request))
        if self._task == "translate" and not model.translates:
            raise ProtocolError(
                f"{model.name} does not translate; use a multilingual Whisper model "
                "(`gapless models list` has some), or ask for a transcription",
                param="model",
            )
        options = on_its_side(hearing(request, self._services.listen_options, self._task))
        headers = {IGNORED_HEADER: _header_text(unknown)} if unknown else {}
        session = None
        if request.save and self._services.store is not None:
            session = SessionRecord(
                id=f"f{secrets.token_hex(10)}",
                source="file",
                model=model.name,
                started_at_ms=unix_ms(),
                name=_display_name(form.file.name),
                language=options.recognise.language,
            )
            headers[TRANSCRIPT_HEADER] = session.id
        return Upload(request, form.file, model.name, options, session, headers)

    async def _answer(
        self, upload: Upload, scope: Scope, receive: Receive, send: Send, *, anew: bool
    ) -> None:
        request, content = upload.request, upload.file.content
        more = request if isinstance(request, TranscriptionRequest) else None
        if anew:
            key = None
        else:
            key = await self._remembered.key(content, upload.model, upload.options)
        if more is not None and more.stream:
            await self._stream(upload, more, key, send)
            return
        if key is None:
            transcript = await self._hear(upload, content)
        else:
            transcript = await self._remembered.get(
                key, content, lambda own: self._hear(upload, own), upload.session
            )
        text, media_type = render(
            transcript,
            request.response_format,
            words=more is not None and "word" in more.timestamp_granularities,
            logprobs=more is not None and "logprobs" in more.include,
            task=self._task,
        )
        response = Response(text, headers=upload.headers, media_type=media_type)
        await response(scope, receive, send)

    async def _hear(self, upload: Upload, content: BinaryIO) -> Transcript:
        async with self._uploads.place(lambda: self._events(upload, content)) as events:
            return await last(events)

    async def _stream(
        self, upload: Upload, request: TranscriptionRequest, key: bytes | None, send: Send
    ) -> None:
        known = None if key is None else self._remembered.peek(key)
        if known is not None:
            await self._remembered.keep(known, upload.session)
            await _stream(_each(events_of(known)), request, upload.headers, send)
            return
        content = upload.file.content
        async with self._uploads.place(lambda: self._events(upload, content)) as events:
            noted = events if key is None else self._remembered.noted(key, events)
            await _stream(noted, request, upload.headers, send)

    def _events(self, upload: Upload, content: BinaryIO) -> Generator[RecordingEvent, None, None]:
        """Hear the recording; blocks."""
        services = self._services
        events = services.transcribe(
            content, upload.model, upload.options, max_ms=services.settings.max_file_ms
        )
        if upload.session is None or services.store is None:
            return events
        return kept(events, services.store, upload.session)


# --- server-sent events -----------------------------------------------------------------------


async def _each(events: Generator[RecordingEvent, None, None]) -> AsyncIterator[RecordingEvent]:
    for event in events:
        yield event


async def _stream(
    events: AsyncIterator[RecordingEvent],
    request: TranscriptionRequest,
    headers: dict[str, str],
    send: Send,
) -> None:
    """Send what is said as it becomes final. Until something is, an error still has its own status."""
    begun = False
    try:
        async for message in _messages(events, request):
            if not begun:
                await send(_stream_start(headers))
                begun = True
            await send(_stream_event(message))
    except GaplessError as error:
        if not begun:
            raise
        await send(_stream_event(problem_body(problem_of(error), "openai")))
    await send({"type": "http.response.body", "body": b""})


async def _messages(
    events: AsyncIterator[RecordingEvent], request: TranscriptionRequest
) -> AsyncIterator[TranscriptionEvent]:
    by_speaker = request.response_format == "diarized_json"
    logprobs = "logprobs" in request.include
    said = 0
    async for event in events:
        if isinstance(event, FinalEvent):
            utterance, begun = event.utterance, said > 0
            said += 1
            segment = speaker_segment(said, utterance)
            yield TextDeltaEvent(
                f" {utterance.text}" if begun else utterance.text,
                segment.id if by_speaker else UNSET,
                word_logprobs(utterance.words, begun=begun) if logprobs else UNSET,
            )
            if by_speaker:
                yield segment
        elif isinstance(event, Transcript):
            found = word_logprobs(event.words) if logprobs else UNSET
            yield TextDoneEvent(event.text, usage_of(event), found)


def _stream_start(headers: dict[str, str]) -> dict[str, Any]:
    response = Response(
        headers={**headers, "cache-control": "no-cache", "x-accel-buffering": "no"},
        media_type="text/event-stream",
    )
    del response.headers["content-length"]
    return {"type": "http.response.start", "status": 200, "headers": response.raw_headers}


def _stream_event(message: object) -> dict[str, Any]:
    body = b"data: " + msgspec.json.encode(message) + b"\n\n"
    return {"type": "http.response.body", "body": body, "more_body": True}


# --- models -----------------------------------------------------------------------------------


@final
class Models:
    """``GET /v1/models`` and ``GET /v1/models/{id}``; an id may contain slashes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._created = int(time.time())

    async def list(self, _: Request) -> Response:
        """All models."""
        infos, default = await _models(self._services), await _default(self._services)
        return _json(ModelList(data=tuple(self._model(info, default) for info in infos)))

    async def get(self, request: Request) -> Response:
        """One model."""
        info = await _find_model(self._services, request.path_params["id"])
        return _json(self._model(info, await _default(self._services)))

    def _model(self, info: RecogniserInfo, default: Choice) -> Model:
        is_default = info.name == default.name
        suppressed = self._services.suppressed().get(info.name)
        return Model(
            id=info.name,
            created=self._created,
            owned_by=info.owner,
            kind=info.kind,
            languages=info.languages,
            word_times=info.word_times,
            licence=info.licence,
            description=info.description,
            default=is_default,
            reason=default.reason if is_default else None,
            suppressed=UNSET if suppressed is None else dict(suppressed.items()),
        )


async def _models(services: Services) -> list[RecogniserInfo]:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(services.executor, services.models)


async def _default(services: Services) -> Choice:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(services.executor, services.default_model)


async def _find_model(services: Services, name: str) -> RecogniserInfo:
    models = await _models(services)
    if name in DEFAULT_NAMES:
        return models[0]
    for model in models:
        if model.name == name:
            return model
    if is_openai_model(name):
        return models[0]
    raise ModelNotFoundError(
        f"there is no model {name[:200]!r} here; GET /v1/models lists those there are",
        param="model",
    )


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


# --- names from outside -----------------------------------------------------------------------


def _display_name(name: str | None) -> str | None:
    """The last part of a path of any system, without what cannot be seen."""
    last = re.split(r"[\\/]", name or "")[-1]
    return "".join(char for char in last if char.isprintable()).strip()[:255] or None


def _header_text(names: tuple[str, ...]) -> str:
    """Names of fields as one header, whatever they are made of."""
    safe = (re.sub(r"[^\w.\[\]-]", "?", name, flags=re.ASCII)[:64] for name in names[:16])
    return ", ".join(safe)
