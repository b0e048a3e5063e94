"""Errors as gRPC statuses.

In: any exception. Out: a status code, a sentence, and trailing metadata. Invariants: an unexpected exception shows
nothing of itself; what may be tried again says when, where gRPC's own clients look for it; the sentence is short enough
for a header, whatever names it repeats. Thread: any (pure functions).

Source: gRPC, "Status codes", and proposal A6 for ``grpc-retry-pushback-ms``.
"""

from __future__ import annotations

from typing import Any, Final

import grpc
import msgspec

from gapless.errors import (
    AccessError,
    AudioError,
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
from gapless.serve.problem import problem_of

MAX_SENTENCE_CHARS: Final = 1000
"""Statuses travel in headers, and clients bound those."""

PUSHBACK: Final = "grpc-retry-pushback-ms"
ERROR_CODE: Final = "gapless-error-code"

CODES: Final[dict[type[GaplessError], grpc.StatusCode]] = {
    GaplessError: grpc.StatusCode.INTERNAL,
    ProtocolError: grpc.StatusCode.INVALID_ARGUMENT,
    TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    AudioError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ModelError: grpc.StatusCode.INTERNAL,
    MissingDependencyError: grpc.StatusCode.FAILED_PRECONDITION,
    AccessError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    ConnectionLostError: grpc.StatusCode.UNAVAILABLE,
    DeviceError: grpc.StatusCode.UNAVAILABLE,
    DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    StoreError: grpc.StatusCode.UNAVAILABLE,
    # As Triton says that its queue is full: come back. RESOURCE_EXHAUSTED would be read as a quota.
    OverloadError: grpc.StatusCode.UNAVAILABLE,
}
"""Status of each family of errors; a class that is not named has its parent's."""


class Status(msgspec.Struct, frozen=True):
    """How a call ends that failed."""

    code: grpc.StatusCode
    sentence: str
    metadata: tuple[tuple[str, str], ...]

    @property
    def error(self) -> str:
        """The code of the error."""
        return dict(self.metadata)[ERROR_CODE]


def status_of(error: BaseException) -> Status:
    """What ``error`` means to a client."""
    problem = problem_of(error)
    metadata = [(ERROR_CODE, problem.code)]
    if problem.retry_after_ms is not None:
        metadata.append((PUSHBACK, str(problem.retry_after_ms)))
    return Status(_code(error), _shortened(problem.message), tuple(metadata))


def not_done(path: str) -> Status:
    """What is said of a method that is not here."""
    sentence = f"{path} is not done here; docs/reference/kserve-grpc.md lists what is"
    return Status(
        grpc.StatusCode.UNIMPLEMENTED, _shortened(sentence), ((ERROR_CODE, "unimplemented"),)
    )


def _code(error: BaseException) -> Any:
    if isinstance(error, ModelError) and error.param is not None:
        return grpc.StatusCode.INVALID_ARGUMENT  # the input that it names does not fit the model
    kinds = (kind for kind in type(error).__mro__ if kind in CODES)
    return CODES[next(kinds, GaplessError)]


def _shortened(sentence: str) -> str:
    if len(sentence) <= MAX_SENTENCE_CHARS:
        return sentence
    half = MAX_SENTENCE_CHARS // 2 - 3
    return f"{sentence[:half]} ... {sentence[-half:]}"
