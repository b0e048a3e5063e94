"""What each of gRPC's statuses means to a caller, to other servers, to the breaker, the channel and the stream."""

from __future__ import annotations

import grpc
import pytest

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    GaplessError,
    ModelError,
    OverloadError,
)
from gapless.infer.triton.failure import Failure, Repeat, read_failure

WHERE = "the model m on the Triton server at here:1"


def read(status: str, details: str = "said so", *, in_full: bool = True) -> Failure:
    return read_failure(status, details, WHERE, in_full=in_full)


LOST = (ConnectionLostError, "anywhere", True, True, True)
CUT = (ConnectionLostError, "anywhere", False, False, True)
FULL = (OverloadError, "elsewhere", False, False, False)
LATE = (DeadlineError, "never", True, True, True)
MISSING = (ConnectionLostError, "elsewhere", False, True, True)
WRONG = (ModelError, "never", False, False, False)
FORGOTTEN = (ModelError, "never", False, False, True)


@pytest.mark.parametrize(
    ("status", "details", "meaning"),
    [
        ("UNAVAILABLE", "Socket closed", LOST),
        ("CANCELLED", "Channel closed!", CUT),
        ("UNAVAILABLE", "Exceeds maximum queue size", FULL),
        ("UNAVAILABLE", "Request timeout expired", FULL),
        ("RESOURCE_EXHAUSTED", "out of memory", FULL),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 8)", WRONG),
        ("DEADLINE_EXCEEDED", "", LATE),
        ("NOT_FOUND", "Request for unknown model", MISSING),
        ("INVALID_ARGUMENT", "unexpected shape", WRONG),
        ("INVALID_ARGUMENT", "sequence 7 must specify the START flag", FORGOTTEN),
        ("INTERNAL", "boom", WRONG),
    ],
)
def test_a_status_means(
    status: str, details: str, meaning: tuple[type[GaplessError], Repeat, bool, bool, bool]
) -> None:
    """Meanings: the caller's error, who may be asked again, the server's fault, suspect, stream lost."""
    failure = read(status, details)
    assert (type(failure.error), *failure[1:]) == meaning
    assert WHERE in failure.error.message


@pytest.mark.parametrize("status", sorted(grpc.StatusCode.__members__.keys() - {"OK"}))
def test_every_status_means_something(status: str) -> None:
    failure = read(status)
    assert isinstance(failure.error, GaplessError)
    assert failure.error.retryable == (failure.error.retry_after_ms is not None)


def test_a_caller_in_a_hurry_proves_nothing_against_the_server() -> None:
    assert not read("DEADLINE_EXCEEDED", in_full=False).fault


def test_the_message_keeps_to_what_helps() -> None:
    away = read(
        "UNAVAILABLE",
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused",
    )
    assert away.error.message == (
        f"{WHERE} cannot be reached: ipv4:127.0.0.1:1: Connection refused; check that the server runs"
    )
    boom = read("INTERNAL", "ValueError: boom\n\nAt:\n  model.py(9): execute\n")
    assert (
        boom.error.message
        == f"{WHERE} failed: ValueError: boom; correct the inputs, or look at its log"
    )
    assert "INTERNAL" in read("INTERNAL", "").error.message
