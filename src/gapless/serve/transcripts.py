"""Kept transcripts over HTTP: list and search them, read one in any format, delete one.

In: ``GET /v1/transcripts``, ``GET`` and ``DELETE /v1/transcripts/{id}``. Out: the records of ``store/contract.py`` as
JSON (``Page`` and ``StoredTranscript``), or one transcript as text or subtitles. Invariants: the store is called in
``services.keeping`` only; errors are raised, and answered in one place (``problem.py``). Thread: event loop.
"""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC
from typing import Annotated, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.cache.contract import Fresh
from gapless.cache.key import digest, struct_part
from gapless.errors import NotFoundError, ProtocolError
from gapless.serve.offload import in_keeping
from gapless.serve.services import Services
from gapless.store.contract import (
    MAX_PAGE,
    MAX_SEARCH_CHARS,
    Order,
    SessionRecord,
    Store,
    TranscriptQuery,
)
from gapless.store.export import Format, file_stem, render
from gapless.store.moment import unix_ms

MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}

ACCEPTED: Final[dict[str, Format]] = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    "text/plain": "txt",
    "text/*": "txt",
    "application/x-subrip": "srt",
    "text/vtt": "vtt",
}
"""What a media range of an Accept header asks for."""

SEARCH_TTL_S: Final = 2.0
"""How long a search may not know what other processes wrote or deleted."""

TICKET: Final = "token"
"""A query parameter of every address: browsers prove themselves by it (``access.py``)."""


class ListParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/transcripts``."""

    q: Annotated[
        Annotated[str, Meta(max_length=MAX_SEARCH_CHARS)] | None,
        Meta(
            description="Words to search for; all must occur in one utterance, the last may be a beginning."
        ),
    ] = None
    since: Annotated[
        str | None,
        Meta(
            description="Sessions that began at this time or later: ISO 8601 (UTC if no zone), or Unix milliseconds."
        ),
    ] = None
    until: Annotated[
        str | None,
        Meta(
            description="Sessions that began before this time: ISO 8601 (UTC if no zone), or Unix milliseconds."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Transcripts on a page.")] = 20
    cursor: Annotated[
        str | None, Meta(description="The next_cursor of the page before; with the same query.")
    ] = None
    order: Annotated[
        Order,
        Meta(
            description="relevance: those first that fit `q` best, of the newest 1,000 utterances that match."
        ),
    ] = "newest"


class ReadParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/transcripts/{id}``."""

    format: Annotated[
        Format | None,
        Meta(
            description="Answer as a download in this format; without it the Accept header decides."
        ),
    ] = None


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``DELETE /v1/transcripts/{id}``."""


Parameters = TypeVar("Parameters", ListParameters, ReadParameters, NoParameters)


def routes(services: Services) -> list[Route]:
    """The routes of kept transcripts."""
    # What this process wrote is found at once, what others wrote within two seconds; so nothing is shared with them.
    ours = secrets.token_bytes(16)

    async def list_transcripts(request: Request) -> Response:
        query = _store_query(_parameters(request, ListParameters))
        store = _store(services)

        async def ask() -> Fresh:
            body = await in_keeping(services, lambda: msgspec.json.encode(store.list(query)))
            return Fresh(body, ttl_s=SEARCH_TTL_S)

        if query.text is None:
            body = (await ask()).value
        else:
            moment = int(time.monotonic() / SEARCH_TTL_S)
            key = digest(struct_part(query), ours, b"%d.%d" % (store.changes, moment))
            body = (await services.cache.get("query", key, ask)).value
        return Response(body, media_type=MEDIA_TYPES["json"])

    async def read_transcript(request: Request) -> Response:
        asked = _parameters(request, ReadParameters).format
        session_id = request.path_params["id"]
        store = _store(services)
        shape = asked or accepted_format(request.headers.get("accept", "*/*"))

        def read() -> tuple[SessionRecord, bytes]:
            transcript = store.get(session_id)
            return transcript.session, render(transcript, shape).encode()

        session, body = await in_keeping(services, read)
        headers = {"vary": "accept"}
        if asked:
            headers["content-disposition"] = disposition(session, asked)
        # Not `media_type`: Starlette would add a second charset.
        return Response(body, headers=headers | {"content-type": MEDIA_TYPES[shape]})

    async def delete_transcript(request: Request) -> Response:
        _parameters(request, NoParameters)
        session_id = request.path_params["id"]
        store = _store(services)
        await in_keeping(services, lambda: store.delete(session_id))
        return Response(status_code=204)

    async def one_transcript(request: Request) -> Response:
        answer = delete_transcript if request.method == "DELETE" else read_transcript
        return await answer(request)

    return [
        Route("/v1/transcripts", list_transcripts, methods=["GET"]),
        # One route for both methods, so that the answer to any other names both in its Allow header.
        Route("/v1/transcripts/{id}", one_transcript, methods=["GET", "DELETE"]),
    ]


def accepted_format(accept: str) -> Format:
    """The format that an Accept header likes best; JSON if it likes none of ours. Source: RFC 9110, section 12.5.1."""
    liked: list[tuple[float, Format]] = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_range in ACCEPTED:
            liked.append((_weight(parameters), ACCEPTED[media_range]))
    # `max` takes the first of equals, which is the order of the header.
    weight, shape = max(liked, key=lambda choice: choice[0], default=(0.0, "json"))
    return shape if weight > 0 else "json"


def disposition(session: SessionRecord, shape: Format) -> str:
    """A Content-Disposition that saves the transcript under the name of what was heard. Source: RFC 6266."""
    name = f"{file_stem(session)}.{shape}"
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q" and re.fullmatch(r"[01](\.[0-9]{0,3})?", value):
            return float(value)
    return 1.0


def _store(services: Services) -> Store:
    if services.store is None:
        raise NotFoundError(
            "keeping transcripts is switched off here; start the server with the setting save = true"
        )
    return services.store


def _store_query(parameters: ListParameters) -> TranscriptQuery:
    since, until = parameters.since, parameters.until
    return TranscriptQuery(
        text=parameters.q,
        since_ms=unix_ms(since, param="since", zone=UTC) if since else None,
        until_ms=unix_ms(until, param="until", zone=UTC) if until else None,
        limit=parameters.limit,
        cursor=parameters.cursor,
        order=parameters.order,
    )


def _parameters(request: Request, kind: type[Parameters]) -> Parameters:
    """The query of a request; every parameter is known, right and given once."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name == TICKET:
            continue
        if name not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__) or "none"
            raise ProtocolError(
                f"there is no parameter {name!r} here; those known are: {known}", param=name
            )
        if name in given:
            raise ProtocolError(f"{name} is given twice; give it once", param=name)
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        # msgspec says what is wrong and where: "Expected `int` <= 100 - at `$.limit`".
        reason, _, where = str(error).partition(" - at ")
        name = where.strip("`$.")
        raise ProtocolError(
            f"{name} is {given[name]!r}: {reason}; see /docs", param=name
        ) from error
