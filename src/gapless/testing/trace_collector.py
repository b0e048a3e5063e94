"""An OpenTelemetry collector for tests: takes what is exported over HTTP, and reads it.

In: OTLP requests. Out: trees of spans. Invariants: it reads the protocol's own messages, so that what it understands
another collector does. Thread: its server's; ``spans`` may be asked from any.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATIENCE_S: Final = 20.0


class Received(msgspec.Struct, frozen=True):
    """A span as it came."""

    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    is_error: bool
    kind: int
    resource: dict[str, Any]


@final
class Collector:
    """What came."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self.status = HTTPStatus.OK
        """What it answers from now on."""
        self.requests = 0
        self._spans: list[Received] = []

    @property
    def spans(self) -> list[Received]:
        """All, in the order in which they came."""
        return list(self._spans)

    def named(self, name: str) -> list[Received]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def children(self, parent: Received, name: str | None = None) -> list[Received]:
        """What is right below a span, in the order in which it began."""
        found = [
            span
            for span in self.spans
            if span.trace_id == parent.trace_id
            and span.parent_id == parent.span_id
            and name in {None, span.name}
        ]
        return sorted(found, key=lambda span: span.start_ns)

    def wait_for(self, holds: Callable[[Collector], Any]) -> None:
        """Until something came.

        Raises:
            TimeoutError: it does not.
        """
        until = time.monotonic() + PATIENCE_S
        while not holds(self):
            if time.monotonic() > until:
                raise TimeoutError(
                    f"it does not come; there is {[span.name for span in self.spans]}"
                )
            time.sleep(0.02)

    def take(self, body: bytes) -> None:
        """A request came."""
        self.requests += 1
        if self.status is HTTPStatus.OK:
            self._spans += read_spans(body)


def read_spans(body: bytes) -> Iterator[Received]:
    """The spans of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Received(
                    span.name,
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    span.kind,
                    resource,
                )


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector at a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a request."""
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(collector.status if self.path == "/v1/traces" else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(
        target=server.serve_forever, args=(0.02,), name="collector", daemon=True
    )
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
