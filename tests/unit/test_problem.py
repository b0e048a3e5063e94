from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from starlette.exceptions import HTTPException

from gapless.errors import (
    AccessError,
    AudioTooLongError,
    ForbiddenError,
    GaplessError,
    ModelError,
    ModelNotFoundError,
    OverloadError,
    ProtocolError,
    TooLargeError,
    UnsupportedAudioError,
)
from gapless.serve.problem import (
    STATUS,
    Dialect,
    problem_body,
    problem_of,
    problem_response,
)


def kinds(root: type[GaplessError] = GaplessError) -> Iterator[type[GaplessError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from kinds(child)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProtocolError("x; do y"), 400),
        (UnsupportedAudioError("x; do y"), 400),
        (AccessError("x; do y"), 401),
        (ForbiddenError("x; do y"), 403),
        (ModelNotFoundError("x; do y"), 404),
        (TooLargeError("x; do y"), 413),
        (AudioTooLongError("x; do y"), 413),
        (ModelError("x; do y"), 500),
        (ModelError("x; do y", param="input"), 400),
        (OverloadError("x; do y"), 503),
        (HTTPException(415, "x"), 415),
        (ValueError("x"), 500),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


@pytest.mark.parametrize("kind", [*kinds()], ids=lambda kind: kind.__name__)
def test_every_error_there_is_says_the_same_in_all_dialects(kind: type[GaplessError]) -> None:
    error = kind("something is wrong; do something", param="model")

    native = problem_response(error, "/v1/transcripts")
    openai = problem_response(error, "/v1/audio/transcriptions")

    told = msgspec.json.decode(native.body)["error"]
    assert told["code"] == kind.code
    assert told["retryable"] is kind.retryable
    assert set(told) == {"code", "message", "param", "retryable", "retry_after_ms"}
    openai_told = msgspec.json.decode(openai.body)["error"]
    assert set(openai_told) == {"message", "type", "param", "code"}
    assert [openai_told[name] for name in ("message", "param", "code")] == [
        told[name] for name in ("message", "param", "code")
    ]
    kserve = problem_response(error, "/v2/models/m/infer")
    assert msgspec.json.decode(kserve.body) == {"error": told["message"]}
    statuses = {native.status_code, openai.status_code, kserve.status_code}
    assert statuses == {problem_of(error).status}


def test_no_status_is_given_to_a_class_that_is_gone() -> None:
    assert set(STATUS) <= set(kinds())


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/models", "openai"),
        ("/v1/models/a/b", "openai"),
        ("/v1/audio/translations", "openai"),
        ("/v1/transcripts/x", "native"),
        ("/", "native"),
        ("/v2", "kserve"),
        ("/v2/", "kserve"),
        ("/v2/models/m/infer", "kserve"),
        ("/v2/nothing", "kserve"),
        ("/v22", "native"),
    ],
)
def test_the_dialect_is_that_of_the_address(path: str, dialect: Dialect) -> None:
    problem = problem_of(HTTPException(404))
    response = problem_response(HTTPException(404), path)

    assert response.status_code == 404
    assert msgspec.json.decode(response.body) == problem_body(problem, dialect)


def test_when_to_come_back_is_said_in_seconds_and_in_milliseconds() -> None:
    response = problem_response(OverloadError("full; wait", retry_after_ms=1500), "/v1/stream")

    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("2", "1500")


def test_what_may_be_tried_again_always_says_when_and_nothing_else_does() -> None:
    assert problem_response(OverloadError("full; wait"), "/").headers["retry-after"] == "1"
    assert "retry-after" not in problem_response(ProtocolError("no; fix it"), "/").headers


def test_an_unexpected_exception_shows_nothing_of_itself() -> None:
    response = problem_response(RuntimeError("password=hunter2"), "/v1/models")

    assert response.status_code == 500
    assert b"hunter2" not in bytes(response.body)
    assert msgspec.json.decode(response.body)["error"]["code"] == "internal_error"


def test_a_refusal_for_want_of_a_key_says_how_to_send_it() -> None:
    response = problem_response(AccessError("no key; send one"), "/v1/models")

    assert response.headers["www-authenticate"] == "Bearer"


def test_headers_of_the_router_are_kept() -> None:
    response = problem_response(HTTPException(405, headers={"allow": "GET"}), "/v1/models")

    assert response.headers["allow"] == "GET"
