"""What it means that a call of a Triton server failed.

In: gRPC's status and details. Out: the caller's error, and what to do about it. Invariants: every status means
something; what the caller got wrong is never held against the server. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    GaplessError,
    ModelError,
    OverloadError,
)

RETRY_AFTER_MS: Final = 200
"""What a caller is told when a server has too much to do."""


Repeat: TypeAlias = Literal["never", "elsewhere", "anywhere"]
"""Nobody, another server, or any server: the same one too."""


QUEUE_WORDS: Final = ("maximum queue size", "Request timeout expired")


class Failure(NamedTuple):
    """Why there is no answer, and what follows from it."""

    error: GaplessError
    """For the caller."""
    repeat: Repeat = "never"
    """Who may be asked again, if the call is one that may be repeated."""
    fault: bool = False
    """Whether the server is to blame."""
    suspect: bool = False
    """Whether the channel, or the model on the server, has to be looked at."""
    stream_lost: bool = False
    """Whether the state of the stream that this was a step of is unknown or gone."""


def read_failure(status: str, details: str, where: str, *, in_full: bool) -> Failure:
    """What a status other than OK means.

    Args:
        status: its name, as gRPC has it.
        details: what the server, or gRPC, said.
        where: the model and the server, for the message.
        in_full: whether the call had all the time that a call has; a caller in a hurry proves nothing.
    """
    # Of what gRPC says when it cannot connect, the end; of what a model's code says, the first line.
    said = details.rpartition("last error: ")[2].removeprefix("UNKNOWN: ").strip() or status
    said = said.splitlines()[0]
    match status:
        # So Triton says that its queue is full, or that a request was in it for too long: nothing was run.
        case "UNAVAILABLE" if any(words in details for words in QUEUE_WORDS):
            return _no_room(where, said)
        case "RESOURCE_EXHAUSTED" if "larger than max" not in details:
            return _no_room(where, said)
        case "UNAVAILABLE" | "CANCELLED":
            # Gapless cancels no calls; a channel that is closed as broken does.
            error = ConnectionLostError(
                f"{where} cannot be reached: {said}; check that the server runs",
                retry_after_ms=RETRY_AFTER_MS,
            )
            away = status == "UNAVAILABLE"
            return Failure(error, repeat="anywhere", fault=away, suspect=away, stream_lost=True)
        case "DEADLINE_EXCEEDED":
            late = DeadlineError(
                f"{where} did not answer in time; give it longer, or look at its load",
                retry_after_ms=RETRY_AFTER_MS,
            )
            return Failure(late, fault=in_full, suspect=True, stream_lost=True)
        case "NOT_FOUND":
            # The model is known here; that its server does not have it may pass, as an outage does.
            missing = ConnectionLostError(
                f"{where} is not there: {said}; load it there, or correct the manifest",
                retry_after_ms=RETRY_AFTER_MS,
            )
            return Failure(missing, repeat="elsewhere", suspect=True, stream_lost=True)
        case _:
            failed = ModelError(f"{where} failed: {said}; correct the inputs, or look at its log")
            # Triton's words for a step of a stream that it does not know (any more).
            forgotten = "START flag" in details
            return Failure(failed, stream_lost=forgotten)


def _no_room(where: str, said: str) -> Failure:
    error = OverloadError(
        f"{where} has too much to do: {said}; try again shortly", retry_after_ms=RETRY_AFTER_MS
    )
    return Failure(error, repeat="elsewhere")
