"""What runs a stream: its jobs in threads, its turns, and its end when something breaks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import structlog.testing

from gapless.listen.recogniser.contract import Wake
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.live import LiveStream, now_ms
from gapless.serve.stream.messages import StreamOptions
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import Finished, FinishJob, Heard, Job, Opened, OpenJob, Result
from gapless.settings import Settings

Answer = TypeVar("Answer")


class QuickHearing(Hearing):
    """Answers at once, and does ``during`` in the thread in which it is asked."""

    def __init__(self, during: Callable[[Job], None]) -> None:
        self.during = during
        self.closed = 0
        self.wake: Wake = lambda: None
        self.waits = False

    @property
    def busy(self) -> bool:
        return self.waits

    def quick(self, job: Job | None = None) -> bool:
        return False

    def keep(self, heard: Heard) -> Heard:
        return heard

    def do(self, job: Job) -> Result:
        self.during(job)
        if isinstance(job, OpenJob):
            return Opened("quick", keeps=False)
        if isinstance(job, FinishJob):
            return Finished(0, None)
        return Heard((), 0, 0, waiting=self.waits)

    def step(self) -> Heard:
        self.waits = False
        return Heard((), 0, 0, waiting=False)

    def close(self) -> None:
        self.closed += 1


def run(main: Callable[[ThreadPoolExecutor], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(20):
            return await main(executor)

    with ThreadPoolExecutor(4) as executor:
        return asyncio.run(bounded())


def stream(
    executor: ThreadPoolExecutor,
    hearing: QuickHearing,
    turn: asyncio.Lock | None = None,
    options: StreamOptions | None = None,
) -> LiveStream:
    session = StreamSession("s1", "t", Settings(), options or StreamOptions(), 0)

    def make_hearing(wake: Wake) -> QuickHearing:
        hearing.wake = wake
        return hearing

    return LiveStream(session, make_hearing, executor, turn or asyncio.Lock())


@pytest.mark.parametrize(("priority", "meet"), [("bulk", False), ("live", True)])
def test_bulk_streams_take_turns_and_live_ones_do_not(priority: str, meet: bool) -> None:
    """Two streams meet at a barrier inside their jobs if, and only if, they compute at the same time."""
    barrier = threading.Barrier(2)
    met: list[bool] = []

    def meet_the_other(job: Job) -> None:
        if isinstance(job, OpenJob):
            try:
                barrier.wait(20 if meet else 0.1)
                met.append(True)
            except threading.BrokenBarrierError:
                met.append(False)
                barrier.reset()

    async def main(executor: ThreadPoolExecutor) -> None:
        turn = asyncio.Lock()
        options = StreamOptions(priority="bulk" if priority == "bulk" else "live")
        streams = [stream(executor, QuickHearing(meet_the_other), turn, options) for _ in range(2)]
        for live in streams:
            live.session.disconnect(1000, 0)
        await asyncio.gather(*(live.run() for live in streams))

    run(main)

    assert met == [meet, meet]


def test_a_bug_in_a_job_ends_its_stream_and_is_logged_once() -> None:
    def break_(_: Job) -> None:
        raise RuntimeError("password=hunter2")

    async def main(executor: ThreadPoolExecutor) -> tuple[LiveStream, QuickHearing]:
        hearing = QuickHearing(break_)
        live = stream(executor, hearing)
        await live.run()
        return live, hearing

    with structlog.testing.capture_logs() as lines:
        live, hearing = run(main)

    assert live.session.close_code == 1011
    assert hearing.closed == 1
    message = live.session.next_message()
    assert "hunter2" not in str(message)
    assert [line["event"] for line in lines] == ["stream broke", "stream"]


def test_a_cancelled_stream_waits_for_its_thread_before_it_closes_the_hearing() -> None:
    entered, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def linger(_: Job) -> None:
        entered.set()
        leave.wait(20)
        order.append("job done")

    class Recorded(QuickHearing):
        def close(self) -> None:
            order.append("closed")

    async def main(executor: ThreadPoolExecutor) -> None:
        task = asyncio.create_task(stream(executor, Recorded(linger)).run())
        await asyncio.to_thread(entered.wait, 20)
        task.cancel()
        asyncio.get_running_loop().call_soon(leave.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)

    assert order == ["job done", "closed"]


def test_a_stream_goes_on_when_what_it_waits_for_is_there() -> None:
    async def main(executor: ThreadPoolExecutor) -> bool:
        hearing = QuickHearing(lambda _: None)
        live = stream(executor, hearing)
        task = asyncio.create_task(live.run())
        while live.session.next_message() is None:
            live.outbox.clear()
            await live.outbox.wait()
        hearing.waits = True
        live.session.disconnect(1000, 0)
        live.touch()
        executor.submit(hearing.wake)
        await task
        return live.session.finished

    assert run(main)


def test_a_deadline_that_comes_nearer_is_kept() -> None:
    """Idle for two minutes at most; but nobody waits so long for a client that was lost."""

    async def main(executor: ThreadPoolExecutor) -> bool:
        settings = Settings(resume_ms=1, idle_timeout_ms=120_000)
        session = StreamSession("s1", "t", settings, StreamOptions(), now_ms())
        live = LiveStream(session, lambda _: QuickHearing(lambda _: None), executor, asyncio.Lock())
        task = asyncio.create_task(live.run())
        session.receive_bytes(b"\0\0" * 160, now_ms())
        live.touch()
        while session.next_message() is None:
            live.outbox.clear()
            await live.outbox.wait()
        await asyncio.sleep(0)
        session.disconnect(1006, now_ms())
        assert session.parked
        live.touch()
        await task
        return session.finished

    assert run(main)
