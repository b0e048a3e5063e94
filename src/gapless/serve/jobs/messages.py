"""The shapes of jobs on the wire, beside those of ``store/queue.py``, which are answered as they are.

In: forms, JSON and queries of clients. Out: checked structs, and the options of a job. Invariants: a field that nobody
knows is refused by name; names from outside hold nothing that cannot be seen. Thread: any (pure functions).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from gapless.clean.amount import amount_of
from gapless.errors import ProtocolError
from gapless.listen.listener import ListenOptions
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.serve.language import base_language
from gapless.serve.stream.messages import Name
from gapless.store.queue import (
    MAX_JOB_PAGE,
    MAX_SHOWN_FILES,
    FileCounts,
    JobOptions,
    JobState,
)

MAX_URLS: Final = 1000
"""Recordings by URL in one request."""

MAX_KEY_CHARS: Final = 255

TICKET: Final = "token"
"""A query parameter of every address: browsers prove themselves by it (``access.py``)."""

Language: TypeAlias = Annotated[
    str, Meta(max_length=16, pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")
]
Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]


class JobForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the form of a job has besides its files: how all of them are heard. An empty value counts as none."""

    model: Name | None = None
    """A model from ``GET /v1/models``; without it the default."""
    language: Language | None = None
    """Language of the speech, ISO 639-1 (``en``; of ``en-US`` the first part counts)."""
    denoise: Annotated[float, Meta(ge=0, le=1)] | Literal["off", "on"] | None = None
    """Amount of noise removed before listening."""
    prompt: Annotated[str, Meta(max_length=4000)] | None = None
    """Text that sets the style, for models that take one."""


class JobFromUrls(JobForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job whose recordings the server fetches, where its setting ``job_urls`` lets it."""

    urls: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=MAX_URLS)]
    """Recordings that anybody may read, by ``http://`` or ``https://``."""


class ListJobs(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/jobs``."""

    state: Annotated[JobState | None, Meta(description="Only jobs in this state.")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_JOB_PAGE, description="Jobs on a page.")] = 20
    cursor: Annotated[
        str | None, Meta(description="The next_cursor of the page before; with the same query.")
    ] = None


class ListFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/jobs/{id}/files``."""

    state: Annotated[JobState | None, Meta(description="Only files in this state.")] = None
    start: Annotated[int, Meta(ge=0, description="Number of the first file.")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_SHOWN_FILES, description="Files on a page.")] = 100


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of the other addresses."""


class RunningFile(Struct, frozen=True):
    """A recording that is being heard."""

    number: int
    name: str | None
    heard_ms: int
    duration_ms: int | None
    """None while nobody knows."""


class JobProgress(Struct, frozen=True):
    """How far a job is."""

    id: str
    state: JobState
    counts: FileCounts
    """Files by state."""
    running: tuple[RunningFile, ...]
    """Those that are being heard."""


Query = TypeVar("Query", bound=Struct)


def read_query(given: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """The query of a request; every parameter is known, right and given once.

    Raises:
        ProtocolError: one is not; names it.
    """
    return _read((pair for pair in given if pair[0] != TICKET), kind, "parameter")


def read_form_fields(given: Iterable[tuple[str, str]]) -> JobForm:
    """The fields of a job's form.

    Raises:
        ProtocolError: one is unknown, unusable or given twice; names it.
    """
    return _read(((name, value) for name, value in given if value), JobForm, "field")


def read_urls(body: bytes) -> JobFromUrls:
    """The JSON of a job whose recordings are at URLs.

    Raises:
        ProtocolError: it is no JSON, or not what it should be.
    """
    try:
        return msgspec.json.decode(body, type=JobFromUrls)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        raise ProtocolError(
            f"the job cannot be used: {reason}{f' ({where})' if where else ''}; see /docs",
            param=re.split(r"[.\[]", where.strip("`$."))[0] or None,
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"the body is no JSON ({error}); see /docs") from error


def job_options(form: JobForm, model: RecogniserInfo, default: ListenOptions) -> JobOptions:
    """How the recordings are heard; settled now, so that all of a job are heard alike whatever is set later."""
    return JobOptions(
        model=model.name,
        language=base_language(form.language) or default.recognise.language,
        denoise=amount_of(form.denoise, default.denoise),
        prompt=form.prompt,
    )


def job_id_of(key: str | None) -> str:
    """The id of a new job; the same for the same ``Idempotency-Key``.

    Raises:
        ProtocolError: the key is empty, too long or no visible ASCII.
    """
    if key is None:
        return f"j{secrets.token_hex(10)}"
    if not 1 <= len(key) <= MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise ProtocolError(
            f"an Idempotency-Key has 1 to {MAX_KEY_CHARS} visible characters; send a UUID, for instance",
            param="idempotency-key",
        )
    return f"j{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def display_name(name: str | None) -> str | None:
    """The last part of a path of any system, without what cannot be seen."""
    last = re.split(r"[\\/]", name or "")[-1]
    return "".join(char for char in last if char.isprintable()).strip()[:255] or None


def _read(given: Iterable[tuple[str, str]], kind: type[Query], what: str) -> Query:
    values: dict[str, Any] = {}
    for name, value in given:
        if name not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__) or "none"
            raise ProtocolError(
                f"there is no {what} {name[:100]!r} here; those known are: {known}",
                param=name[:100],
            )
        if name in values:
            raise ProtocolError(f"{name} is given twice; give it once", param=name)
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        # msgspec says what is wrong and where: "Expected `int` <= 100 - at `$.limit`".
        reason, _, where = str(error).partition(" - at ")
        name = where.strip("`$.")
        raise ProtocolError(
            f"{name} is {values.get(name, '')[:100]!r}: {reason}; see /docs", param=name
        ) from error
