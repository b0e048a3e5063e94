"""Sends traces to an OpenTelemetry collector, over OTLP and HTTP.

In: trees of spans, from any thread. Out: batches of spans to the collector; counts of what was sent and dropped.
Invariants: nobody waits: what finds no room is dropped and counted, and so is what the collector does not take;
OpenTelemetry is imported where an exporter is made, and nowhere else. Thread: one of its own; the rest any.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from collections import deque
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

import msgspec
import structlog

from gapless.errors import ConfigError, MissingDependencyError
from gapless.observe.traces import Caller, Span, count

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

MOST_WAITING: Final = 256
"""Traces that wait to be sent."""

MOST_SPANS: Final = 2048
"""Spans in one request to the collector, unless one trace has more."""

GATHER_S: Final = 0.5
"""Traces that end within this time share a request."""

EXPORT_S: Final = 5.0
"""What a request to the collector may take, its repetitions included."""

CLOSE_S: Final = 5.0
"""What waits at the end is sent for so long, and no longer."""

PATH: Final = "/v1/traces"

NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")

log = structlog.get_logger(__name__)


class TraceStatistics(msgspec.Struct, frozen=True):
    """Spans since the start."""

    sent: int
    dropped: int
    """Too many waited."""
    refused: int
    """The collector did not take them, or was not there."""


@final
class TraceExporter:
    """See the module's head. ``close`` it.

    Args:
        url: of the collector.
        most_waiting: traces that wait to be sent.

    Raises:
        ConfigError: ``url`` is none.
        MissingDependencyError: OpenTelemetry is not installed.
    """

    def __init__(self, url: str, *, most_waiting: int = MOST_WAITING) -> None:
        endpoint = endpoint_of(url)
        require_opentelemetry()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        # What it says of every try would fill the log while a collector is away; we say it once.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._endpoint: Final = endpoint
        self._exporter: Final = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_S)
        self._readable: Final = Readable()
        self._most_waiting: Final = most_waiting
        self._away = False
        """The collector did not take what it was sent last. The thread's own."""
        self._changed: Final = threading.Condition()
        # All below is guarded by it.
        self._waiting: deque[tuple[Span, Caller | None]] = deque()
        self._closing = False
        self._sent = self._dropped = self._refused = 0
        self._thread: Final = threading.Thread(
            target=self._serve, name="gapless-traces", daemon=True
        )
        self._thread.start()

    def record(self, root: Span, caller: Caller | None = None) -> None:
        """Send a trace, or our part of somebody else's. Returns at once, whatever becomes of it; from any thread."""
        if caller is not None and not caller.sampled:
            return
        spans = count(root)
        with self._changed:
            if self._closing or len(self._waiting) >= self._most_waiting:
                self._dropped += spans
                return
            self._waiting.append((root, caller))
            if len(self._waiting) == 1:
                self._changed.notify()

    def statistics(self) -> TraceStatistics:
        """What became of the spans so far; those that wait are in none of the counts."""
        with self._changed:
            return TraceStatistics(self._sent, self._dropped, self._refused)

    def close(self) -> None:
        """Send what waits, for a bounded time, and take no more. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # what is being sent is given up
        self._thread.join(1.0)

    # --- the thread's side --------------------------------------------------------------------------

    def _serve(self) -> None:
        while traces := self._next():
            spans = [span for root, caller in traces for span in self._readable.spans(root, caller)]
            self._send(spans)

    def _next(self) -> list[tuple[Span, Caller | None]]:
        """What shares a request; nothing: it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(lambda: self._closing, GATHER_S)
            taken: list[tuple[Span, Caller | None]] = []
            room = MOST_SPANS
            while self._waiting and room > 0:
                taken.append(self._waiting.popleft())
                room -= count(taken[-1][0])
            return taken

    def _send(self, spans: list[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            taken = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:
            # A library's bug, or an answer that nobody thought of: traces are not worth more than the thread.
            log.exception("traces could not be sent", url=self._endpoint)
            taken = False
        with self._changed:
            if taken:
                self._sent += len(spans)
            else:
                self._refused += len(spans)
        if taken == self._away:
            self._away = not taken
            say = log.info if taken else log.warning
            say("traces are taken again" if taken else "traces are not taken", url=self._endpoint)


@final
class Readable:
    """Makes OpenTelemetry's spans of ours. Thread: one at a time."""

    def __init__(self) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._ids = RandomIdGenerator()
        self._scope = InstrumentationScope("gapless", version("gapless"))
        own_version = version("gapless")
        resource = Resource.create({"service.version": own_version, "process.pid": os.getpid()})
        # What OTEL_SERVICE_NAME says goes before our own name.
        if str(resource.attributes.get("service.name", "unknown")).startswith("unknown"):
            resource = resource.merge(Resource({"service.name": "gapless"}))
        self._resource = resource
        # One for all spans: they keep their distances, whatever is done to the wall clock.
        self._wall_ns = time.time_ns() - time.monotonic_ns()

    def spans(self, root: Span, caller: Caller | None) -> list[ReadableSpan]:
        """The tree, the root first."""
        from opentelemetry.trace import SpanContext, TraceFlags

        sampled = TraceFlags(TraceFlags.SAMPLED)
        parent = None
        trace_id = self._ids.generate_trace_id()
        if caller is not None:
            trace_id = caller.trace_id
            parent = SpanContext(trace_id, caller.span_id, is_remote=True, trace_flags=sampled)
        made: list[ReadableSpan] = []

        def make(span: Span, parent: SpanContext | None) -> None:
            own = SpanContext(
                trace_id, self._ids.generate_span_id(), is_remote=False, trace_flags=sampled
            )
            made.append(self._span(span, own, parent))
            for child in span.children:
                make(child, own)

        make(root, parent)
        return made

    def _span(self, span: Span, own: SpanContext, parent: SpanContext | None) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanKind, Status, StatusCode

        attributes = dict(span.attributes)
        if span.error is not None:
            attributes["error.type"] = span.error
        return ReadableSpan(
            span.name,
            context=own,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=SpanKind.SERVER if span.serves else SpanKind.INTERNAL,
            status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR),
            start_time=span.start_ns + self._wall_ns,
            end_time=span.end_ns + self._wall_ns,
            instrumentation_scope=self._scope,
        )


def endpoint_of(url: str) -> str:
    """Where traces are sent to, for a collector at ``url``: its path stands where there is one.

    Raises:
        ConfigError: it is no address of a collector.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigError(
            f"traces_url is {url!r}, which is no address of a collector; "
            "set one such as http://127.0.0.1:4318",
            param="traces_url",
        )
    if parts.path in {"", "/"}:
        parts = parts._replace(path=PATH)
    return parts.geturl()


def require_opentelemetry() -> None:
    """Refuse to begin without it.

    Raises:
        MissingDependencyError: it is not installed.
    """
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:  # not even the package that it is in
            found = False
        if not found:
            raise MissingDependencyError(
                "sending traces needs OpenTelemetry, which is not installed; run `pip install 'gapless[traces]'`, "
                "or leave traces_url empty"
            )
