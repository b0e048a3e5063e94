"""The sampler and the hour: how often it looks, what it keeps, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import Metric

from gapless.serve.metrics import declared as d
from gapless.serve.metrics.families import Families
from gapless.serve.status.history import EVERY_S, LINES, MOST, Hour
from gapless.serve.status.sampler import FRESH_S, MOST_SNAPSHOTS, WINDOW_S, Sampler
from gapless.serve.status.window import Window, take


class Server:
    """Counts, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.cpu_s = 0.0
        self.looks = 0
        self.broken = False
        self._looked: asyncio.Queue[None] = asyncio.Queue()

    async def collect(self) -> Sequence[Metric]:
        self.looks += 1
        self._looked.put_nowait(None)
        if self.broken:
            raise OSError("no metrics today")
        families = Families()
        families.add(d.CPU_SECONDS, self.cpu_s)
        families.add(d.CPUS, 2)
        families.add(d.WORKERS, 1)
        return families.all()

    async def wait_for_looks(self, count: int) -> None:
        for _ in range(count):
            await self._looked.get()

    def sampler(self) -> Sampler:
        return Sampler(self.collect, lambda: self.now_s)

    def pass_time(self, seconds: float, *, busy: float = 0.0) -> None:
        self.now_s += seconds
        self.cpu_s += seconds * busy


def test_the_window_is_the_last_minute() -> None:
    server = Server()
    sampler = server.sampler()

    async def run() -> Window:
        for _ in range(30):
            await sampler.sample()
            server.pass_time(EVERY_S)
        return await sampler.window()

    window = asyncio.run(run())

    assert WINDOW_S <= window.seconds <= WINDOW_S + EVERY_S
    assert len(sampler.hour.since(0).at_ms) == 29


def test_who_asks_often_is_answered_from_one_look() -> None:
    server = Server()
    sampler = server.sampler()

    async def run() -> tuple[int, int]:
        await sampler.sample()
        server.pass_time(FRESH_S)
        await asyncio.gather(*(sampler.window() for _ in range(50)))
        at_once = server.looks
        server.pass_time(FRESH_S)
        await sampler.window()
        return at_once, server.looks

    assert asyncio.run(run()) == (2, 3)


def test_the_hour_has_what_was_measured_in_each_step() -> None:
    server = Server()
    sampler = server.sampler()

    async def run() -> None:
        for busy in (0.0, 0.5, 2.0):
            await sampler.sample()
            server.pass_time(EVERY_S, busy=busy)
        await sampler.sample()

    asyncio.run(run())

    history = sampler.hour.since(0)
    charts = {series.name: series for series in history.series}
    assert history.every_s == EVERY_S
    assert charts["processor"].values == (0.0, 25.0, 100.0)
    assert charts["processor"].target == 60
    assert charts["lag_p95"].values == (None, None, None)
    assert {series.metric for series in history.series} <= {metric.name for metric in d.METRICS}


def test_the_hour_gives_only_what_is_newer() -> None:
    hour = Hour()
    for at_ms in range(1000, 1000 + 2 * MOST):
        hour.add(Window([take([], (), 0, 0), take([], (), 1, at_ms)]))

    assert len(hour.since(0).at_ms) == MOST
    assert hour.since(0).at_ms[-1] == 999 + 2 * MOST
    assert hour.since(996 + 2 * MOST).at_ms == tuple(range(997 + 2 * MOST, 1000 + 2 * MOST))
    nothing_new = hour.since(999 + 2 * MOST)
    assert nothing_new.at_ms == ()
    assert [series.values for series in nothing_new.series] == [()] * len(LINES)


def test_a_look_that_fails_costs_one_value_and_not_the_others() -> None:
    server = Server()
    server.broken = True
    sampler = Sampler(server.collect, every_s=0.001)

    async def run() -> None:
        running = asyncio.create_task(sampler.run())
        await server.wait_for_looks(3)
        assert sampler.hour.since(0).at_ms == ()
        server.broken = False
        await server.wait_for_looks(6)
        running.cancel()

    asyncio.run(asyncio.wait_for(run(), 20))
    assert len(sampler.hour.since(0).at_ms) >= 3


def test_what_is_kept_of_the_metrics_is_bounded() -> None:
    server = Server()
    sampler = server.sampler()

    async def run() -> Window:
        for _ in range(3 * MOST_SNAPSHOTS):
            await sampler.sample()
            server.pass_time(EVERY_S, busy=1.0)
        return await sampler.window()

    assert asyncio.run(run()).increase(d.CPU_SECONDS.name) == {(): WINDOW_S + EVERY_S}
