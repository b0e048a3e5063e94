"""Traces of model calls, over HTTP and gRPC: one for each call that asks a model, within its caller's where it has one.

    infer           request received -> answered; of a stream over gRPC: one question
      ask*          a question put to the engine: queue, gather, compute; or remembered

In: calls, and the questions that they put. Out: trees of spans. Invariants: a call that asks no model leaves none; one
whose caller does not record is not recorded (W3C's ``sampled``); bounded: a recording of very many steps keeps its
first. Thread: the event loop's. Plain ASGI, for it runs on the hot path; it is there only where traces are wanted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol, final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gapless.errors import GaplessError
from gapless.infer.inference import Result
from gapless.infer.spans import step_span
from gapless.observe.trace_export import TraceExporter
from gapless.observe.traces import Attribute, Caller, Span, read_traceparent
from gapless.settings import Settings

MOST_ASKS: Final = 256
"""Questions of one call that are recorded."""

HEADER: Final = b"traceparent"

SERVER_ERROR: Final = 500


class Export(Protocol):
    """Takes traces."""

    def __call__(self, root: Span, caller: Caller | None = None) -> None:
        """See ``TraceExporter.record``."""
        ...


@final
class CallTrace:
    """What was measured of a call that is under way."""

    __slots__ = ("asks", "caller", "left_out")

    def __init__(self, caller: Caller | None) -> None:
        self.caller = caller
        self.asks: list[Span] = []
        self.left_out = 0

    def add(self, span: Span) -> None:
        """A question was answered."""
        if len(self.asks) < MOST_ASKS:
            self.asks.append(span)
        else:
            self.left_out += 1


_CALL: Final[ContextVar[CallTrace | None]] = ContextVar("gapless_call_trace", default=None)

_CALLER: Final[ContextVar[Caller | None]] = ContextVar("gapless_caller", default=None)
"""Of a connection on which many questions are put, each of which is a trace."""


def open_traces(settings: Settings) -> TraceExporter | None:
    """What takes traces, as the settings ask for it; None: nothing does.

    Raises:
        ConfigError, MissingDependencyError: as ``TraceExporter``.
    """
    return TraceExporter(settings.traces_url) if settings.traces_url else None


@final
class AskTimes:
    """Times questions, for whoever puts them.

    Args:
        export: takes the traces of those that are part of no call.
    """

    def __init__(self, export: Export) -> None:
        self._export = export

    async def timed(self, model: str, answer: Awaitable[Result]) -> Result:
        """Wait for an answer, and record what it took.

        Raises:
            GaplessError: as ``answer``.
        """
        began_ns = time.monotonic_ns()
        try:
            result = await answer
        except GaplessError as error:
            attributes = {"gapless.model": model}
            self._add(Span("ask", began_ns, time.monotonic_ns(), attributes, error=error.code))
            raise
        self._add(_ask_span(began_ns, result))
        return result

    def _add(self, ask: Span) -> None:
        call = _CALL.get()
        if call is not None:
            call.add(ask)
        else:
            root = _root(ask.start_ns, ask.end_ns, {"rpc.system": "grpc"}, [ask], ask.error)
            self._export(root, _CALLER.get())


@final
class TracedCalls:
    """ASGI middleware: see the module's head.

    Args:
        app: what serves.
        export: takes the traces.
    """

    def __init__(self, app: ASGIApp, export: Export) -> None:
        self._app = app
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began_ns = time.monotonic_ns()
        call = CallTrace(_caller_of(scope["headers"]))
        token = _CALL.set(call)
        try:
            await self._app(scope, receive, watch)
        finally:
            _CALL.reset(token)
            if call.asks:
                attributes: dict[str, Attribute] = {
                    "http.request.method": scope["method"],
                    "url.path": scope["path"],
                    "http.response.status_code": status or SERVER_ERROR,
                }
                self._export_call(call, began_ns, attributes, failed=not 0 < status < SERVER_ERROR)

    def _export_call(
        self, call: CallTrace, began_ns: int, attributes: dict[str, Attribute], *, failed: bool
    ) -> None:
        if call.left_out:
            attributes["gapless.asks_left_out"] = call.left_out
        error = None
        if failed:
            error = next((ask.error for ask in call.asks if ask.error is not None), "internal")
        root = _root(began_ns, time.monotonic_ns(), attributes, call.asks, error)
        self._export(root, call.caller)


@contextmanager
def called_by(metadata: Iterable[tuple[str, str | bytes]] | None) -> Iterator[None]:
    """Questions that are put inside are part of the trace that a gRPC caller names in its metadata, if any."""
    caller = None
    for name, value in metadata or ():
        if name == "traceparent" and isinstance(value, str):
            caller = read_traceparent(value)
    token = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(token)


def _caller_of(headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
    for name, value in headers:
        if name == HEADER:
            return read_traceparent(value.decode("latin-1"))
    return None


def _ask_span(began_ns: int, result: Result) -> Span:
    ended_ns = time.monotonic_ns()
    attributes: dict[str, Attribute] = {
        "gapless.model": result.model,
        "gapless.version": result.version,
        "gapless.rows": result.rows,
        "gapless.cached": result.cached,
    }
    # Remembered, or computed for somebody else who had asked before: nothing of that is in this call's time.
    if result.cached or result.offered_ns < began_ns:
        return Span("ask", began_ns, ended_ns, attributes)
    return Span("ask", began_ns, ended_ns, attributes, step_span("step", result).children)


def _root(
    began_ns: int,
    ended_ns: int,
    attributes: Mapping[str, Attribute],
    asks: Iterable[Span],
    error: str | None,
) -> Span:
    children = tuple(sorted(asks, key=lambda ask: ask.start_ns))
    root = Span("infer", began_ns, ended_ns, attributes, children, serves=True)
    return root if error is None else msgspec.structs.replace(root, error=error)
