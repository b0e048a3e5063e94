"""What runs a stream: its jobs in threads, its turns, and its end when something breaks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import structlog.testing

from gapless.listen.events import Final, ListenEvent, Partial, SpeechStart
from gapless.listen.recogniser.contract import Wake
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.live import LiveStream, now_ms
from gapless.serve.stream.messages import (
    FinalMessage,
    PartialMessage,
    ServerMessage,
    SpeechStartMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import Finished, FinishJob, Heard, Job, Opened, OpenJob, Result
from gapless.settings import Settings
from gapless.transcript import Utterance

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

    def keeps(self, heard: Heard) -> bool:
        return any(isinstance(event, Final) for event in heard.events)

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

    return LiveStream(session, make_hearing, executor, executor, turn or asyncio.Lock())


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
        live = LiveStream(
            session, lambda _: QuickHearing(lambda _: None), executor, executor, asyncio.Lock()
        )
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


class SlowStore(QuickHearing):
    """Hears an utterance with every job but the first and the last, and waits with keeping until it is told."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.there = threading.Event()
        self.heard = 0
        self.jobs = threading.Semaphore(0)
        self.kept: list[str] = []

    def do(self, job: Job) -> Result:
        if isinstance(job, OpenJob | FinishJob):
            return super().do(job)
        self.heard += 1
        self.jobs.release()
        utt = f"u{self.heard}"
        events: tuple[ListenEvent, ...] = (
            SpeechStart(utt, 0),
            Partial(utt, "so", 0, 0, 1),
            Final(Utterance(utt, "so far", 0, 1)),
        )
        return Heard(events, 0, 0, waiting=False)

    async def hears(self) -> None:
        """Wait for the next job."""
        assert await asyncio.to_thread(self.jobs.acquire, timeout=20)

    def keep(self, heard: Heard) -> Heard:
        self.there.wait(20)
        self.kept += [event.utterance.utt for event in heard.events if isinstance(event, Final)]
        return heard


@pytest.mark.long
def test_a_stream_is_heard_while_the_store_is_gone_and_its_finals_come_in_order_when_it_is_back() -> (
    None
):
    said: list[ServerMessage] = []

    async def until(live: LiveStream, kind: type[ServerMessage], count: int) -> None:
        while sum(isinstance(message, kind) for message in said) < count:
            live.outbox.clear()
            while (message := live.session.next_message()) is not None:
                said.append(message)
                if sum(isinstance(message, kind) for message in said) >= count:
                    return
            await live.outbox.wait()

    async def main(executor: ThreadPoolExecutor) -> SlowStore:
        hearing = SlowStore()
        live = stream(executor, hearing)
        task = asyncio.create_task(live.run())
        for number in range(1, 4):
            live.session.receive_bytes(b"\0\0" * 160, now_ms())
            live.touch()
            await until(live, PartialMessage, number)
        assert hearing.kept == []
        assert not any(isinstance(message, FinalMessage) for message in said)
        hearing.there.set()
        await until(live, FinalMessage, 3)
        live.session.disconnect(1000, now_ms())
        live.touch()
        await task
        return hearing

    hearing = run(main)

    finals = [message.utt for message in said if isinstance(message, FinalMessage)]
    starts = [message.utt for message in said if isinstance(message, SpeechStartMessage)]
    assert finals == starts == ["u1", "u2", "u3"]
    assert hearing.kept[:3] == finals
    assert hearing.closed == 1


@pytest.mark.long
def test_what_is_said_before_a_stream_ends_is_kept_although_the_store_is_slow() -> None:
    async def main(executor: ThreadPoolExecutor) -> SlowStore:
        hearing = SlowStore()
        live = stream(executor, hearing)
        task = asyncio.create_task(live.run())
        live.session.receive_bytes(b"\0\0" * 160, now_ms())
        live.touch()
        await hearing.hears()
        live.session.disconnect(1000, now_ms())
        live.touch()
        await hearing.hears()
        assert not task.done()
        hearing.there.set()
        await task
        return hearing

    assert run(main).kept == ["u1", "u2"]
