"""One call over gRPC, from its request to its status and its line in the log.

In: what answers a method. Out: handlers for gRPC's server. Invariants: no exception leaves but gRPC's own; an
unexpected one is logged once, and shown to nobody; messages are read here, not by gRPC, which would log a traceback for
each that is none. Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError

from gapless.errors import GaplessError, TooLargeError
from gapless.serve.inferences.notice import NOT_SAVED, WARNING_HEADER, Noticed
from gapless.serve.kserve.grpc_bounds import no_message
from gapless.serve.kserve.grpc_status import Status, status_of
from gapless.serve.metrics.requests import UNMATCHED, Requests

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""The largest message that comes in or goes out."""

MAX_SMALL_BYTES: Final = 64 * 1024
"""The largest message that comes in with a method that carries no tensors."""

QUIET: Final = ("/grpc.health.v1.Health/", "/inference.GRPCInferenceService/Server")
"""Probes are logged for debugging only."""

GRPC: Final = "GRPC"
"""As a method."""

DIALECT: Final = "grpc"
"""As a dialect, in metrics."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Context(Protocol):
    """What is used of gRPC's ``ServicerContext``."""

    async def read(self) -> Any:
        """The next message of a stream, as bytes; ``grpc.aio.EOF`` behind the last."""
        ...

    async def write(self, message: bytes) -> None:
        """Send one message of a stream; one at a time."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds until the caller gives up; None: never."""
        ...

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        """What is sent behind the answer."""
        ...

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """What the caller sent beside its messages."""
        ...

    def peer(self) -> str:
        """Where the caller is."""
        ...

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, str], ...]
    ) -> NoReturn:
        """End the call with this status."""
        ...


def unary(path: str, answer: Callable[[bytes, Context], Awaitable[Any]], requests: Requests) -> Any:
    """The handler of a method that answers one message with one."""

    async def write(data: bytes, context: Context) -> bytes:
        message = await answer(data, context)
        return serialised(message)

    async def serve(data: bytes, context: Context) -> bytes:
        with Noticed() as notice:
            data = await _guarded(path, context, write(data, context), requests)
        if notice.unsaved:
            context.set_trailing_metadata(((WARNING_HEADER, NOT_SAVED),))
        return data

    return grpc.unary_unary_rpc_method_handler(serve)


def stream(path: str, answer: Callable[[Context], Awaitable[None]], requests: Requests) -> Any:
    """The handler of a method that reads and writes as it goes, one message or many; gRPC reads none before."""

    async def serve(_: object, context: Context) -> None:
        await _guarded(path, context, answer(context), requests, lasts=True)

    return grpc.stream_stream_rpc_method_handler(serve)


def refusal(path: str, status: Status, requests: Requests) -> Any:
    """A handler that ends any call at once; no message is read."""

    async def serve(_: object, context: Context) -> None:
        requests.of(GRPC, UNMATCHED, DIALECT).add(status.code.name, 0.0)
        requests.reject(DIALECT, status.error)
        _write_line(path, context, status.code, 0.0)
        await context.abort(status.code, status.sentence, status.metadata)

    return grpc.stream_stream_rpc_method_handler(serve)


def read_small(kind: Any, data: bytes) -> Any:
    """A message of ``kind``, of a method that carries no tensors.

    Raises:
        ProtocolError: ``data`` is none, or too large for one.
    """
    if len(data) > MAX_SMALL_BYTES:
        raise TooLargeError(
            f"the request has {len(data)} bytes, and this method takes {MAX_SMALL_BYTES}; send less"
        )
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise no_message() from error


def serialised(message: Any) -> bytes:
    """The bytes of an answer.

    Raises:
        TooLargeError: there are too many.
    """
    # Asked first: the bytes of a message of more than 2 GiB cannot be made.
    size = message.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise TooLargeError(
            f"the answer has {size} bytes, and {MAX_MESSAGE_BYTES} may be sent; ask for fewer rows or outputs"
        )
    data: bytes = message.SerializeToString()
    return data


async def _guarded(
    path: str, context: Context, work: Awaitable[T], requests: Requests, *, lasts: bool = False
) -> T:
    began = time.perf_counter()
    code = grpc.StatusCode.CANCELLED
    try:
        answer = await work
    except Exception as error:
        status = status_of(error)
        code = status.code
        requests.reject(DIALECT, status.error)
        if not isinstance(error, GaplessError):
            log.exception("call broke", path=path)
        await context.abort(status.code, status.sentence, status.metadata)
    else:
        code = grpc.StatusCode.OK
        return answer
    finally:
        seconds = time.perf_counter() - began
        requests.of(GRPC, path, DIALECT).add(code.name, None if lasts else seconds)
        _write_line(path, context, code, seconds)


def _write_line(path: str, context: Context, code: grpc.StatusCode, seconds: float) -> None:
    write = log.debug if path.startswith(QUIET) else log.info
    write(
        "request",
        method=GRPC,
        path=path,
        status=code.name,
        ms=round(seconds * 1000, 1),
        client=context.peer(),
    )
