"""Traces: the header of a caller, and what an exporter does that nobody listens to."""

from __future__ import annotations

import sys
import time
from http import HTTPStatus

import pytest

from gapless.errors import ConfigError, MissingDependencyError
from gapless.observe.trace_export import TraceExporter, TraceStatistics, endpoint_of
from gapless.observe.traces import Caller, Span, count, read_traceparent
from gapless.testing.trace_collector import running_collector

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
LEAF = Span("leaf", 2, 3)
TREE = Span("root", 1, 4, {"n": 1}, (LEAF, Span("other", 3, 4, children=(LEAF,))))


def test_a_header_names_the_span_of_the_caller() -> None:
    caller = Caller(int(TRACE, 16), int(SPAN, 16), sampled=True)
    assert read_traceparent(f"00-{TRACE}-{SPAN}-01") == caller
    assert read_traceparent(f" 00-{TRACE}-{SPAN}-03 ") == caller, (
        "other flags are not ours to judge"
    )


def test_a_caller_may_not_record() -> None:
    caller = read_traceparent(f"00-{TRACE}-{SPAN}-02")
    assert caller is not None
    assert not caller.sampled


def test_a_header_of_a_version_to_come_is_read_as_far_as_it_is_known() -> None:
    assert read_traceparent(f"01-{TRACE}-{SPAN}-01-what-may-come") is not None
    assert read_traceparent(f"01-{TRACE}-{SPAN}-01") is not None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"01-{TRACE}-{SPAN}-01-{'x' * 300}",
    ],
)
def test_a_header_that_cannot_be_used_says_nothing(header: str) -> None:
    assert read_traceparent(header) is None


def test_all_spans_of_a_tree_are_counted() -> None:
    assert count(TREE) == 4


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("http://collector/api/otel/v1/traces", "http://collector/api/otel/v1/traces"),
    ],
)
def test_a_collector_is_found_at_its_usual_path_unless_another_is_said(
    url: str, endpoint: str
) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://", "4318"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a collector") as refused:
        TraceExporter(url)
    assert refused.value.param == "traces_url"


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gapless\[traces\]'"):
        TraceExporter("http://127.0.0.1:4318")


def test_what_was_recorded_is_sent_before_the_end() -> None:
    with running_collector() as collector:
        exporter = TraceExporter(collector.url)
        exporter.record(TREE, Caller(int(TRACE, 16), int(SPAN, 16), sampled=True))
        exporter.record(TREE)
        exporter.close()
        exporter.close()
    (root, own_root) = collector.named("root")
    assert (root.trace_id.hex(), root.parent_id.hex()) == (TRACE, SPAN)
    assert (own_root.trace_id.hex() != TRACE, own_root.parent_id) == (True, b"")
    assert [span.name for span in collector.children(root)] == ["leaf", "other"]
    assert {span.end_ns - span.start_ns for span in collector.named("leaf")} == {1}
    assert abs(root.start_ns - (time.time_ns() - time.monotonic_ns() + 1)) < 60e9, "wall clock"
    assert collector.requests == 1
    assert exporter.statistics() == TraceStatistics(sent=8, dropped=0, refused=0)


def test_what_comes_behind_the_end_is_dropped() -> None:
    with running_collector() as collector:
        exporter = TraceExporter(collector.url)
        exporter.close()
        exporter.record(TREE)
    assert exporter.statistics() == TraceStatistics(sent=0, dropped=4, refused=0)


def test_what_finds_no_room_is_dropped_and_counted_at_once() -> None:
    with running_collector() as collector:
        exporter = TraceExporter(collector.url, most_waiting=3)
        # They are gathered for half a second before any is taken.
        for _ in range(10):
            exporter.record(TREE)
        assert exporter.statistics().dropped == 7 * 4
        exporter.close()
    assert exporter.statistics() == TraceStatistics(sent=12, dropped=28, refused=0)


@pytest.mark.long
def test_what_the_collector_refuses_is_counted_and_what_it_takes_again_is_sent() -> None:
    with running_collector() as collector:
        collector.status = HTTPStatus.BAD_REQUEST
        exporter = TraceExporter(collector.url)
        exporter.record(TREE)
        collector.wait_for(lambda came: came.requests)
        collector.status = HTTPStatus.OK
        exporter.record(LEAF)
        exporter.close()
    assert exporter.statistics() == TraceStatistics(sent=1, dropped=0, refused=4)


@pytest.mark.long
def test_a_collector_that_is_away_holds_up_neither_the_recording_nor_the_end() -> None:
    with running_collector() as collector:
        url = collector.url
    exporter = TraceExporter(url)
    for _ in range(1000):
        exporter.record(TREE)
    exporter.close()
    statistics = exporter.statistics()
    assert statistics.sent == 0
    assert statistics.dropped > 0
    assert statistics.dropped + statistics.refused == 1000 * 4
