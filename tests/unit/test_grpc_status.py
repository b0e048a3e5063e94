"""Every error of ours has a status that gRPC's clients understand."""

from __future__ import annotations

import grpc
import pytest

from gapless import errors
from gapless.serve.kserve.grpc_status import MAX_SENTENCE_CHARS, not_done, status_of

CODES = [
    (errors.ModelNotFoundError("no; y"), "NOT_FOUND"),
    (errors.ModelError("the input does not fit; y", param="x"), "INVALID_ARGUMENT"),
    (errors.ModelError("it failed; y"), "INTERNAL"),
    (errors.OverloadError("full; y"), "UNAVAILABLE"),
    (errors.DeadlineError("late; y"), "DEADLINE_EXCEEDED"),
    (errors.ConnectionLostError("gone; y"), "UNAVAILABLE"),
    (errors.ProtocolError("what; y"), "INVALID_ARGUMENT"),
    (errors.TooLargeError("more; y"), "RESOURCE_EXHAUSTED"),
    (errors.AccessError("who; y"), "UNAUTHENTICATED"),
    (errors.ForbiddenError("you; y"), "PERMISSION_DENIED"),
    (errors.StoreError("disk; y"), "UNAVAILABLE"),
    (errors.GaplessError("x; y"), "INTERNAL"),
    (KeyError("secret"), "INTERNAL"),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=[type(error).__name__ for error, _ in CODES])
def test_every_kind_of_error_has_its_status(error: Exception, code: str) -> None:
    assert status_of(error).code is grpc.StatusCode[code]


def test_what_may_be_tried_again_says_when_and_what_it_was() -> None:
    status = status_of(errors.OverloadError("full; come back", retry_after_ms=250))

    assert dict(status.metadata) == {
        "gapless-error-code": "overloaded",
        "grpc-retry-pushback-ms": "250",
    }
    assert "grpc-retry-pushback-ms" not in dict(status_of(errors.ModelError("x; y")).metadata)


def test_an_unexpected_error_shows_nothing_of_itself() -> None:
    status = status_of(KeyError("secret"))

    assert "secret" not in status.sentence
    assert dict(status.metadata)["gapless-error-code"] == "internal_error"


def test_a_sentence_that_repeats_a_long_name_still_fits_into_a_header() -> None:
    status = status_of(errors.ModelNotFoundError(f"there is no {'x' * 100_000} here; ask for y"))

    assert len(status.sentence) <= MAX_SENTENCE_CHARS
    assert status.sentence.startswith("there is no xxx")
    assert status.sentence.endswith("; ask for y")
    assert len(not_done("/" + "x" * 100_000).sentence) <= MAX_SENTENCE_CHARS
