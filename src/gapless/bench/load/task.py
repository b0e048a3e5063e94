"""What a process of the load does, and what it tells; both travel as JSON.

In: nothing. Out: structs. Thread: any (immutable).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from gapless.bench.load.arrivals import Arrivals, Part
from gapless.errors import ConfigError, ConnectionLostError, GaplessError

MOST_CONNECTIONS: Final = 10_000
MOST_PROCESSES: Final = 64

MOST_ERRORS: Final = 32
"""Kinds of errors that are told apart; a server that words each anew does not fill the memory."""

OTHER_ERRORS: Final = "other errors"


class HttpQuestion(msgspec.Struct, frozen=True, kw_only=True, tag="http"):
    """A request over HTTP/1.1. ``{number}`` in the body and the address differs in all; see ``template.py``."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_file: str = ""
    """Read instead of ``body``, and sent as it is."""


class GrpcQuestion(msgspec.Struct, frozen=True, kw_only=True, tag="grpc"):
    """KServe's ModelInfer over gRPC."""

    address: str
    """``HOST:PORT``."""
    model: str
    request: bytes
    """A ModelInferRequest; the first element of its first input differs in all."""
    api_key: str = ""


Question: TypeAlias = HttpQuestion | GrpcQuestion


class Task(msgspec.Struct, frozen=True, kw_only=True, tag="requests"):
    """What one process does."""

    question: Question
    part: Part = Part()
    arrivals: Arrivals | None = None
    """None: a closed loop, every connection asks as soon as it is answered."""
    connections: int
    """Of this process."""
    warm_up_s: float
    seconds: float
    timeout_s: float
    """A request that was not answered by then failed, and its connection is given up."""
    bodies: int = 0
    """How many different numbers there are; 0: each request has its own."""
    run: int = 0
    """Tells this run from others, in ``{run}``."""


class StreamTask(msgspec.Struct, frozen=True, kw_only=True, tag="streams"):
    """Live streams that one process speaks."""

    url: str
    """``ws://HOST:PORT/v1/stream``."""
    streams: tuple[int, ...]
    """Their numbers; each has its own words."""
    seconds: float
    model: str = ""
    api_key: str = ""


AnyTask: TypeAlias = Task | StreamTask


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a process is."""

    answered: int
    """Or finals that came."""
    errors: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A process can begin."""


class Tale(msgspec.Struct, frozen=True, kw_only=True, tag="tale"):
    """What came of a process's part; times as ``Times.dump`` gives them."""

    due: int
    """Requests that were to be sent in the time that counts."""
    answered: int
    """Of these, well."""
    uncounted: int
    """Others that were answered well: before what counts, and behind it."""
    errors: dict[str, int]
    from_due: tuple[int, dict[int, int]]
    """From the moment a request was due to the end of its answer."""
    from_sent: tuple[int, dict[int, int]]
    """From the moment it was sent."""
    late: tuple[int, dict[int, int]]
    """How late this program noticed that a request was due; a wait for a connection is not in it."""
    most_waiting: int
    """For a connection, at a time."""
    connects: int
    received_bytes: int
    elapsed_s: float
    """From the begin of what counts to the last answer."""
    cpu_s: float
    """That this process took meanwhile."""
    interrupted: bool


class StreamTale(msgspec.Struct, frozen=True, kw_only=True, tag="stream-tale"):
    """What came of streams; times as ``Times.dump`` gives them."""

    streams: int
    audio_s: float
    finals: int
    errors: dict[str, int]
    """Of streams that did not come to their end."""
    partial_lag: tuple[int, dict[int, int]]
    position_lag: tuple[int, dict[int, int]]
    final_lag: tuple[int, dict[int, int]]
    late: tuple[int, dict[int, int]]
    """How late this program sent audio that was due."""
    elapsed_s: float
    cpu_s: float
    interrupted: bool


AnyTale: TypeAlias = Tale | StreamTale


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A process could not do its part."""

    message: str
    param: str | None = None
    is_config: bool = False
    """Whether what was asked for is wrong, not the server."""

    def error(self) -> GaplessError:
        """It as an error."""
        if self.is_config:
            return ConfigError(self.message, param=self.param)
        return ConnectionLostError(self.message)


Message: TypeAlias = Ready | Progress | Tale | StreamTale | Failure
