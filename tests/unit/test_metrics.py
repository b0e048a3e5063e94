"""Metrics: what is counted of requests, what becomes of several workers, and the forms that Prometheus reads."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.registry import Collector
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gapless.observe.histogram import Histogram
from gapless.serve.metrics import declared
from gapless.serve.metrics.families import Families
from gapless.serve.metrics.merge import merged, read
from gapless.serve.metrics.requests import Requests, RouteSnapshot
from gapless.serve.metrics.whole import WORKER_PATH, families


class Found(Collector):
    """Families in the place of a registry."""

    def __init__(self, *found: Metric) -> None:
        self._found = found

    def collect(self) -> tuple[Metric, ...]:
        return self._found


def value(found: list[Metric], name: str, **labels: str) -> float:
    (sample,) = [
        sample
        for family in found
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return sample.value


# --- requests -------------------------------------------------------------------------------------


async def shared(_: Request) -> Response:
    return Response()


async def alone(_: Request) -> Response:
    return Response()


async def spoken(_: WebSocket) -> None:
    return


@pytest.fixture
def requests() -> Requests:
    requests = Requests()
    requests.learn(
        [
            Route("/v2/models/{model}/infer", shared),
            Route("/v2/models/{model}/versions/{version}/infer", shared),
            Route("/v1/infer", alone),
            Route("/api/infer", alone),
            WebSocketRoute("/v1/listen", spoken),
        ]
    )
    return requests


def asked(path: str, endpoint: Any = None, method: str = "GET", **names: str) -> dict[str, Any]:
    """A scope as the router leaves it."""
    kind = "websocket" if method == "WEBSOCKET" else "http"
    scope = {"type": kind, "path": path, "method": method, "path_params": names}
    return scope if endpoint is None else {**scope, "endpoint": endpoint}


def routes_of(requests: Requests) -> list[tuple[str, str, str, dict[int | str, int]]]:
    return [(one.dialect, one.method, one.route, one.statuses) for one in requests.snapshot()]


def test_requests_are_counted_by_template_and_not_by_path(requests: Requests) -> None:
    requests.add(asked("/v2/models/a/infer", shared, "POST", model="a"), 200, 0.1)
    requests.add(asked("/v2/models/b/infer", shared, "POST", model="b"), 404, 0.1)
    requests.add(
        asked("/v2/models/b/versions/2/infer", shared, "POST", model="b", version="2"), 200, 0.1
    )

    assert routes_of(requests) == [
        ("kserve", "POST", "/v2/models/{model}/infer", {200: 1, 404: 1}),
        ("kserve", "POST", "/v2/models/{model}/versions/{version}/infer", {200: 1}),
    ]


def test_addresses_that_mean_the_same_are_counted_together(requests: Requests) -> None:
    requests.add(asked("/v1/infer", alone, "POST"), 200, 0.1)
    requests.add(asked("/api/infer", alone, "POST"), 200, 0.1)
    requests.of("POST", "/v1/infer").add(200, 0.1)

    assert routes_of(requests) == [("native", "POST", "/v1/infer", {200: 3})]


def test_what_clients_make_up_is_one_count(requests: Requests) -> None:
    for number in range(100):
        requests.add(asked(f"/nothing/{number}", method=f"MAKE{number}"), 404, 0.1)
        requests.add(asked("/v1/infer", alone, f"MAKE{number}"), 405, 0.1)

    assert routes_of(requests) == [
        ("native", "other", "/v1/infer", {405: 100}),
        ("native", "other", "unmatched", {404: 100}),
    ]


def test_an_upgrade_and_a_client_that_went_away(requests: Requests) -> None:
    requests.add(asked("/v1/listen", spoken, "WEBSOCKET"), 101, 0.004)
    requests.add(asked("/v1/listen", spoken, "WEBSOCKET"), 0, 0.004)
    requests.of("GRPC", "/a/B", "grpc").add("OK", None)

    first, second = requests.snapshot()
    assert (first.route, first.statuses) == ("/v1/listen", {101: 1, 499: 1})
    assert first.seconds.count == 2
    assert (second.statuses, second.seconds.count) == ({"OK": 1}, 0)


def test_refusals_by_reason(requests: Requests) -> None:
    requests.reject("openai", "overloaded")
    requests.reject("openai", "overloaded")

    assert dict(requests.rejected()) == {("openai", "overloaded"): 2}


# --- families -------------------------------------------------------------------------------------


def worker(*, uptime_s: float, seconds: tuple[float, ...]) -> list[Metric]:
    times = Histogram((0.01, 0.1))
    for one in seconds:
        times.add(one)
    route = RouteSnapshot("native", "GET", "/x", {200: len(seconds)}, times.snapshot())
    out = Families()
    out.add(declared.UPTIME, uptime_s)
    out.add(declared.WORKERS, 1)
    out.add(declared.REQUESTS, route.statuses[200], "native", "GET", "/x", "200")
    out.histogram(declared.REQUEST_SECONDS, route.seconds, "native", "GET", "/x")
    return out.all()


def test_families_come_in_the_order_of_their_declaration() -> None:
    assert [family.name for family in worker(uptime_s=1, seconds=(1.0,))] == [
        "gapless_requests",
        "gapless_request_duration_seconds",
        "gapless_workers",
        "gapless_uptime_seconds",
    ]


def test_labels_that_were_not_declared_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        Families().add(declared.UPTIME, 1, "native")


def test_buckets_are_cumulative_and_end_at_infinity() -> None:
    found = worker(uptime_s=1, seconds=(0.01, 0.05, 7.0))
    of = {"dialect": "native", "method": "GET", "route": "/x"}
    name = "gapless_request_duration_seconds"

    buckets = [value(found, f"{name}_bucket", **of, le=le) for le in ("0.01", "0.1", "+Inf")]
    assert buckets == [1, 2, 3]
    assert value(found, f"{name}_count", **of) == 3
    assert value(found, f"{name}_sum", **of) == pytest.approx(7.06)


def test_workers_are_added_and_the_eldest_tells_the_time() -> None:
    mine, other = worker(uptime_s=3, seconds=(0.01, 5.0)), worker(uptime_s=9, seconds=(0.05,))
    text = generate_latest(Found(*other))

    together = merged([mine, read(text)])

    of = {"dialect": "native", "method": "GET", "route": "/x"}
    assert value(together, "gapless_uptime_seconds") == 9
    assert value(together, "gapless_workers") == 2
    assert value(together, "gapless_requests_total", **of, status="200") == 3
    name = "gapless_request_duration_seconds"
    buckets = [value(together, f"{name}_bucket", **of, le=le) for le in ("0.01", "0.1", "+Inf")]
    assert buckets == [1, 2, 3]
    assert [family.name for family in together] == [family.name for family in mine]


def test_what_no_worker_of_ours_would_say_is_left_out() -> None:
    foreign = Metric("foreign", "Not ours.", "gauge")
    foreign.add_sample("foreign", {}, 1.0)
    mine = worker(uptime_s=3, seconds=())

    assert read(b"gapless_workers{ 1") == []
    assert merged([mine, [foreign], []]) == merged([mine, []])


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_one_worker_or_many_write_what_both_formats_read(parts: int) -> None:
    together = merged([worker(uptime_s=1, seconds=(0.02,))] * parts)
    summary = Families()
    summary.summary(declared.MIC_CALLBACK, {0.5: 0.001, 1.0: 0.004}, 7, "Mic")
    found = [*together, *summary.all()]

    texts = read(generate_latest(Found(*found)))
    body = generate_openmetrics(Found(*found))  # type: ignore[no-untyped-call]
    openmetrics = list(read_openmetrics(body.decode()))  # type: ignore[no-untyped-call]

    assert [family.name for family in texts] == [family.name for family in found]
    for family, text, newer in zip(found, texts, openmetrics, strict=True):
        assert (text.type, newer.type) == (family.type, family.type)
        told = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in family.samples}
        for form in (text, newer):
            assert told == {
                (one.name, tuple(sorted(one.labels.items()))): one.value for one in form.samples
            }


def test_names_are_as_prometheus_wants_them() -> None:
    names = [metric.name for metric in declared.METRICS]

    assert len(set(names)) == len(names)
    for metric in declared.METRICS:
        assert metric.name.startswith("gapless_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert not {"le", "quantile"} & set(metric.labels)
        assert metric.says.endswith(".")
        if metric.kind in ("histogram", "summary"):
            assert metric.name.endswith(("_seconds", "_rows"))


# --- the whole server -----------------------------------------------------------------------------


class Others:
    """Workers that answer what they are told to."""

    def __init__(self, *answers: list[Metric]) -> None:
        self.answers = [generate_latest(Found(*answer)) for answer in answers]
        self.asked: list[str] = []

    async def ask(self, path: str) -> list[bytes]:
        self.asked.append(path)
        return [*self.answers, b"\xff broken"]


class Mine:
    """The metrics of a worker that has one microphone beside it."""

    def __init__(self) -> None:
        self.executor = None

    async def worker(self) -> list[Metric]:
        return worker(uptime_s=1, seconds=(0.02,))

    async def machine(self) -> list[Metric]:
        out = Families()
        out.add(declared.MIC_XRUNS, 4, "Mic")
        return out.all()


@pytest.mark.parametrize("others", [0, 3])
def test_the_whole_server_asks_its_other_workers_for_themselves_alone(others: int) -> None:
    siblings = Others(*[worker(uptime_s=5, seconds=(0.02, 0.02))] * others) if others else None
    state = cast("State", SimpleNamespace(metrics=Mine(), siblings=siblings))

    found = asyncio.run(families(state))

    of = {"dialect": "native", "method": "GET", "route": "/x", "status": "200"}
    assert value(found, "gapless_workers") == 1 + others
    assert value(found, "gapless_requests_total", **of) == 1 + 2 * others
    assert value(found, "gapless_mic_xruns_total", microphone="Mic") == 4
    if siblings is not None:
        assert siblings.asked == [WORKER_PATH]
