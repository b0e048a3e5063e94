"""A status from two looks at the metrics: which figures go where, and which are not there."""

from __future__ import annotations

import pytest
from prometheus_client import Metric

from gapless.observe.histogram import Histogram
from gapless.observe.status import Status
from gapless.serve.metrics import declared as d
from gapless.serve.metrics.families import Families
from gapless.serve.status.figures import FAMILIES
from gapless.serve.status.make import make_status
from gapless.serve.status.window import Window, follow, take

SECONDS = 10.0


def times(*of: tuple[float, int]) -> Histogram:
    histogram = Histogram()
    for seconds, count in of:
        histogram.add(seconds, count)
    return histogram


def always(out: Families, cpu_s: float) -> None:
    """What every server tells."""
    out.add(d.WORKERS, 2)
    out.add(d.BUILD, 1, "1.2.3", "3.11")
    out.add(d.UPTIME, 3600)
    out.add(d.CPU_SECONDS, cpu_s)
    out.add(d.CPUS, 2)
    out.add(d.STREAMS_MAX, 64)


def status_of(before: list[Metric], after: list[Metric]) -> Status:
    first, last = take(before, FAMILIES, 0, 0), take(after, FAMILIES, SECONDS, 10_000)
    return make_status(Window([first, follow(first, last, d.WORKERS.name)]), (), None)


@pytest.fixture
def busy() -> Status:
    before, after = Families(), Families()
    always(before, 100)
    always(after, 118)
    infer, upload = ("native", "POST", "/v1/infer"), ("openai", "POST", "/v1/audio/transcriptions")
    before.add(d.REQUESTS, 1000, *infer, "200")
    after.add(d.REQUESTS, 1190, *infer, "200")
    after.add(d.REQUESTS, 10, *infer, "503")
    after.add(d.REQUESTS, 3, *upload, "200")
    before.histogram(d.REQUEST_SECONDS, times((9.0, 1000)).snapshot(), *infer)
    after.histogram(d.REQUEST_SECONDS, times((9.0, 1000), (0.002, 200)).snapshot(), *infer)
    after.histogram(d.REQUEST_SECONDS, times((8.0, 3)).snapshot(), *upload)
    after.add(d.REJECTS, 10, "native", "overloaded")
    after.add(d.REJECTS, 5, "native", "invalid_request")
    after.add(d.STREAMS, 12, "native", "live")
    after.add(d.STREAMS, 3, "native", "parked")
    after.add(d.STREAMS, 1, "wyoming", "live")
    after.add(d.STREAMS_HELD_BACK, 2)
    after.histogram(d.STREAM_LAG, times((0.004, 90), (0.200, 10)).snapshot(), "native")
    model = ("silero_vad", "1")
    before.add(d.MODEL_CALLS, 7, *model)
    after.add(d.MODEL_CALLS, 107, *model)
    before.add(d.MODEL_ROWS, 7, *model)
    after.add(d.MODEL_ROWS, 807, *model)
    after.histogram(d.MODEL_QUEUE_SECONDS, times((0.001, 800)).snapshot(), *model)
    after.add(d.MODEL_WAITING_ROWS, 4, *model)
    after.add(d.MODEL_SEQUENCES, 13, *model)
    after.add(d.MODEL_SEQUENCES_MAX, 512, *model)
    after.add(d.CACHE_HITS, 60, "inference", "memory")
    after.add(d.CACHE_HITS, 15, "inference", "redis")
    after.add(d.CACHE_MISSES, 25, "inference")
    for namespace, taken in (("inference", 4096), ("query", 0)):
        after.add(d.CACHE_BYTES, taken, namespace)
        after.add(d.CACHE_BUDGET_BYTES, 8192, namespace)
    for name, states in (
        ("redis", ("half-open", "open")),
        ("triton", ("closed", "half-open")),
        ("other", ("closed", "closed")),
    ):
        for state in ("closed", "half-open", "open"):
            after.add(d.BREAKER_STATE, states.count(state), name, state)
    after.add(d.RESIDENT_BYTES, 3e9)
    after.add(d.PROPORTIONAL_BYTES, 2e9)
    return status_of(before.all(), after.all())


def target(status: Status, row: str) -> tuple[float | None, bool | None]:
    return next((each.value, each.met) for each in status.targets if each.row == row)


def test_requests_are_told_by_dialect(busy: Status) -> None:
    native, openai = busy.dialects
    assert (native.dialect, native.per_s, native.errors_per_s) == ("native", 20.0, 1.0)
    assert (openai.dialect, openai.per_s, openai.errors_per_s) == ("openai", 0.3, 0.0)
    assert native.took is not None
    assert (native.took.count, native.took.p95_ms < 2.5) == (200, True)


def test_only_calls_of_models_have_a_target(busy: Status) -> None:
    value, met = target(busy, "A1")
    assert (value is not None and 1.5 < value <= 2.5, met) == (True, True)


def test_streams_are_told_as_they_are_now_and_their_lag_over_the_window(busy: Status) -> None:
    streams = busy.streams
    assert (streams.live, streams.parked, streams.held_back, streams.most) == (13, 3, 2, 64)
    assert streams.lag is not None
    assert streams.lag.count == 100
    assert streams.lag.p50_ms <= 5
    assert streams.lag.p95_ms > 150
    assert target(busy, "V1") == (streams.lag.p95_ms, False)


def test_models_caches_and_breakers(busy: Status) -> None:
    (model,) = busy.models
    assert (model.name, model.version, model.calls_per_s, model.rows_per_s) == (
        *("silero_vad", "1"),
        *(10.0, 80.0),
    )
    assert (model.rows_per_call, model.waiting_rows) == (8.0, 4)
    assert (model.sequences, model.max_sequences, model.compute) == (13, 512, None)
    used, unused = busy.caches
    assert (used.namespace, used.hits_per_s, used.misses_per_s) == ("inference", 7.5, 2.5)
    assert (used.hit_share, used.bytes, used.budget_bytes) == (0.75, 4096, 8192)
    assert (unused.namespace, unused.hit_share) == ("query", None)
    # Of two workers, the worse one.
    states = {each.name: each.state for each in busy.breakers}
    assert states == {"other": "closed", "redis": "open", "triton": "half-open"}


def test_refusals_are_told_by_code_and_only_our_own_faults_are_held_against_us(
    busy: Status,
) -> None:
    assert busy.rejected_per_s == {"invalid_request": 0.5, "overloaded": 1.0}
    assert target(busy, "V2") == (60.0, False)


def test_processor_and_memory(busy: Status) -> None:
    assert busy.processor_share == pytest.approx(0.9)
    value, met = target(busy, "A4")
    assert (round(value or 0, 9), met) == (90.0, False)
    # What the workers share is counted once.
    assert busy.memory_bytes == 2_000_000_000
    assert target(busy, "A3") == (2000.0, True)


def test_in_all(busy: Status) -> None:
    assert (busy.judgement, busy.targets_met) == ("attention", 2)
    assert (busy.version, busy.workers, busy.uptime_s) == ("1.2.3", 2, 3600)
    assert (busy.window_s, busy.at_ms) == (SECONDS, 10_000)


def test_a_server_that_nobody_asks_has_nothing_to_tell_and_meets_all() -> None:
    before, after = Families(), Families()
    always(before, 1)
    always(after, 1)

    idle = status_of(before.all(), after.all())

    assert (idle.judgement, idle.targets_met) == ("all met", 5)
    assert [each.value for each in idle.targets] == [None, None, None, 0.0, None]
    assert (idle.dialects, idle.models, idle.caches, idle.breakers) == ((), (), (), ())
    assert (idle.streams.lag, idle.memory_bytes) == (None, None)


def test_where_the_system_does_not_tell_what_is_shared_all_is_counted() -> None:
    before, after = Families(), Families()
    always(before, 1)
    always(after, 1)
    after.add(d.RESIDENT_BYTES, 3e9)

    assert target(status_of(before.all(), after.all()), "A3") == (3000.0, False)
