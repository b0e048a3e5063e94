"""Errors as HTTP answers, in the shape that each dialect's clients know.

In: a ``GaplessError``, Starlette's ``HTTPException``, or anything else that went wrong. Out: a ``Problem``, a JSON body
and a response. Invariants: an unexpected exception shows nothing of itself; what may be tried again says when, in
seconds for everybody and in milliseconds for the OpenAI clients. Thread: any (pure functions).
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from math import ceil
from typing import Any, Final, Literal, TypeAlias

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gapless.errors import (
    AccessError,
    AudioError,
    AudioTooLongError,
    ConfigError,
    ConnectionLostError,
    DeadlineError,
    DeviceError,
    ForbiddenError,
    GaplessError,
    MissingDependencyError,
    ModelError,
    NotFoundError,
    OverloadError,
    ProtocolError,
    StoreError,
    TooLargeError,
)

Dialect: TypeAlias = Literal["native", "openai", "kserve", "deepgram", "asr_v2"]

OPENAI_PATHS: Final = ("/v1/audio/", "/v1/models", "/v1/realtime")
"""Where the OpenAI clients knock."""

KSERVE_PATHS: Final = "/v2/"
"""Where KServe's clients knock, tritonclient for instance; everything else is ours."""

DEEPGRAM_PATH: Final = "/v1/listen"
"""Where Deepgram's clients knock."""

ASR_V2_PATHS: Final = "/v2/decode/"
"""Where those of the ASR v2 dialect knock."""

DEFAULT_RETRY_MS: Final = 1000
"""When to come back from a refusal that does not say."""

STATUS: Final[dict[type[GaplessError], int]] = {
    GaplessError: 500,
    ConfigError: 400,
    AudioError: 400,
    AudioTooLongError: 413,
    ProtocolError: 400,
    TooLargeError: 413,
    AccessError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    MissingDependencyError: 422,
    ModelError: 500,
    DeviceError: 503,
    ConnectionLostError: 503,
    DeadlineError: 504,
    StoreError: 503,
    OverloadError: 503,
}
"""Status of each family of errors; a class that is not named has its parent's."""

HTTP_CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "overloaded",
    503: "overloaded",
}

OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
"""OpenAI's ``type`` by status; otherwise ``invalid_request_error`` below 500 and ``server_error`` from there."""


DEEPGRAM_CODES: Final = {
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    429: "TOO_MANY_REQUESTS",
}
"""Deepgram's ``err_code`` by status; otherwise the phrase of the status."""


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, ready for any wire."""

    status: int
    code: str
    message: str
    param: str | None = None
    retryable: bool = False
    retry_after_ms: int | None = None


INTERNAL: Final = Problem(
    500,
    "internal_error",
    "something broke inside the server; try again, and look into the server's log if it stays",
    retryable=True,
)


def problem_of(error: BaseException) -> Problem:
    """What ``error`` means to a client."""
    if isinstance(error, GaplessError):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        if isinstance(error, ModelError) and error.param is not None:
            status = 400  # an input that does not fit: the model is well
        wait_ms = error.retry_after_ms
        if wait_ms is None and error.retryable:
            wait_ms = DEFAULT_RETRY_MS
        return Problem(status, error.code, error.message, error.param, error.retryable, wait_ms)
    if isinstance(error, HTTPException):
        return _problem_of_status(error.status_code, error.detail)
    return INTERNAL


def dialect_of(path: str) -> Dialect:
    """The dialect spoken at ``path``."""
    if path.startswith(OPENAI_PATHS):
        return "openai"
    if path == DEEPGRAM_PATH:
        return "deepgram"
    if path.startswith(ASR_V2_PATHS):
        return "asr_v2"
    return "kserve" if f"{path}/".startswith(KSERVE_PATHS) else "native"


def problem_body(problem: Problem, dialect: Dialect) -> dict[str, Any]:
    """The JSON object that says it."""
    if dialect == "openai":
        return {
            "error": {
                "message": problem.message,
                "type": _openai_type(problem.status),
                "param": problem.param,
                "code": problem.code,
            }
        }
    if dialect == "kserve":
        return {"error": problem.message}
    if dialect == "deepgram":
        err_code = DEEPGRAM_CODES.get(problem.status, HTTPStatus(problem.status).phrase)
        return {"err_code": err_code, "err_msg": problem.message}
    if dialect == "asr_v2":
        return {"transcription": "", "status": "ERROR", "message": problem.message}
    return {
        "error": {
            "code": problem.code,
            "message": problem.message,
            "param": problem.param,
            "retryable": problem.retryable,
            "retry_after_ms": problem.retry_after_ms,
        }
    }


def problem_response(error: BaseException, path: str) -> Response:
    """The answer to a request at ``path`` that ended in ``error``."""
    problem = problem_of(error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if problem.retry_after_ms is not None:
        headers["retry-after"] = str(ceil(problem.retry_after_ms / 1000))
        headers["retry-after-ms"] = str(problem.retry_after_ms)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    dialect = dialect_of(path)
    body = problem_body(problem, dialect)
    if dialect == "deepgram":
        body["request_id"] = headers["dg-request-id"] = str(uuid.uuid4())
        # Who was refused a WebSocket sees no body.
        headers["dg-error"] = " ".join(problem.message.encode("ascii", "replace").decode().split())
    return Response(
        msgspec.json.encode(body), problem.status, headers, media_type="application/json"
    )


def _problem_of_status(status: int, detail: str) -> Problem:
    """What Starlette's router and parsers refuse."""
    code = HTTP_CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
    if status == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this address; /docs lists what there is"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = "this address does not answer that method; the Allow header lists those it does"
    retryable = status in (429, 503)
    return Problem(
        status,
        code,
        detail,
        retryable=retryable,
        retry_after_ms=DEFAULT_RETRY_MS if retryable else None,
    )


def _openai_type(status: int) -> str:
    default = "server_error" if status >= 500 else "invalid_request_error"
    return OPENAI_TYPES.get(status, default)
