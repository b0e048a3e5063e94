"""Recordings on their way through the engine: bounded, kept as they go, and let go of in order."""

import asyncio
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gapless.errors import InvalidAudioError, OverloadError
from gapless.listen.events import Final
from gapless.listen.recording import Progress, RecordingEvent
from gapless.serve.uploads import Steps, Uploads, kept, unless_gone
from gapless.settings import Settings
from gapless.store.contract import SessionRecord, TranscriptQuery
from gapless.store.sqlite.store import SqliteStore
from gapless.transcript import Transcript, Utterance

SESSION = SessionRecord("s1", "file", "m", started_at_ms=1_000)
HELLO = Utterance("u1", "hello", 0, 500)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "t.db")
    yield store
    store.close()


class Work:
    """A blocking iterator that says where it is, and goes on when it is let."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def __call__(self) -> Generator[int, None, None]:
        try:
            yield 1
            self.began.set()
            assert self.go_on.wait(10)
            yield 2
        finally:
            self.closed.set()


def numbers(count: int) -> Generator[int, None, None]:
    yield from range(count)


def test_steps_are_what_the_iterator_gives(executor: ThreadPoolExecutor) -> None:
    async def run() -> list[int]:
        steps = Steps(lambda: numbers(5), executor)
        items = [item async for item in steps]
        await steps.close()
        return items

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_what_a_step_raises_is_raised(executor: ThreadPoolExecutor) -> None:
    def broken() -> Generator[int, None, None]:
        yield 1
        raise InvalidAudioError("no")

    async def run() -> None:
        async for _ in Steps(broken, executor):
            pass

    with pytest.raises(InvalidAudioError):
        asyncio.run(run())


def test_who_gives_up_holds_the_place_until_the_step_is_over(executor: ThreadPoolExecutor) -> None:
    work = Work()

    async def run() -> None:
        uploads = Uploads(Settings(max_uploads=1), executor)

        async def hear() -> None:
            async with uploads.place(work) as steps:
                async for _ in steps:
                    pass

        async def next_one() -> bool:
            async with uploads.place(lambda: numbers(1)):
                return work.closed.is_set()

        hearing = asyncio.create_task(hear())
        await asyncio.to_thread(work.began.wait, 10)
        waiting = asyncio.create_task(next_one())
        hearing.cancel()
        # Cancelled again while it cleans up, as a server that stops does.
        await asyncio.sleep(0)
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing
        assert not waiting.done()
        work.go_on.set()
        assert await asyncio.wait_for(waiting, 10)

    asyncio.run(run())
    assert work.closed.is_set()


def test_one_more_than_may_wait_is_refused_and_may_come_back(executor: ThreadPoolExecutor) -> None:
    uploads = Uploads(Settings(max_uploads=1, max_waiting_uploads=1), executor)
    with uploads.admit():
        with uploads.admit():
            with pytest.raises(OverloadError) as caught, uploads.admit():
                pytest.fail("admitted")
            assert caught.value.retry_after_ms
        with uploads.admit():
            pass


def test_only_so_many_are_heard_at_a_time(executor: ThreadPoolExecutor) -> None:
    async def run() -> None:
        uploads = Uploads(Settings(max_uploads=2), executor)
        one, two, three = (uploads.place(lambda: numbers(1)) for _ in range(3))
        async with one as first, two as second:
            third = asyncio.create_task(three.__aenter__())
            assert [await anext(first), await anext(second)] == [0, 0]
            assert not third.done()
        assert await anext(await third) == 0
        await three.__aexit__(None, None, None)

    asyncio.run(run())


def test_a_recording_is_kept_as_it_is_heard(store: SqliteStore) -> None:
    def events() -> Generator[RecordingEvent, None, None]:
        yield Progress(500, 1000)
        yield Final(HELLO)
        yield Transcript((HELLO,), 1000, "m")

    for event in kept(events(), store, SESSION):
        if isinstance(event, Final):
            assert store.get("s1").utterances == (HELLO,)
    session = store.get("s1").session
    assert session.audio_ms == 1000
    assert session.ended_at_ms is not None


def test_a_recording_that_is_given_up_keeps_what_was_said(store: SqliteStore) -> None:
    closed = []

    def events() -> Generator[RecordingEvent, None, None]:
        try:
            yield Final(HELLO)
            yield Progress(700, 1000)
            yield Progress(1000, 1000)
        finally:
            closed.append(True)

    hearing = kept(events(), store, SESSION)
    assert [next(hearing), next(hearing)] == [Final(HELLO), Progress(700, 1000)]
    hearing.close()
    assert closed
    kept_session = store.get("s1")
    assert kept_session.utterances == (HELLO,)
    assert kept_session.session.audio_ms == 700
    assert kept_session.session.ended_at_ms is not None


def test_a_recording_that_cannot_be_read_leaves_no_trace(store: SqliteStore) -> None:
    def unreadable() -> Generator[RecordingEvent, None, None]:
        for _ in numbers(1):
            raise InvalidAudioError("no")
        yield Progress(0, None)

    with pytest.raises(InvalidAudioError):
        list(kept(unreadable(), store, SESSION))
    assert "s1" not in {item.session.id for item in store.list(TranscriptQuery()).items}


def test_work_stops_when_the_client_hangs_up() -> None:
    async def run() -> bool:
        hung_up = asyncio.Event()
        stopped = False

        async def receive() -> dict[str, object]:
            await hung_up.wait()
            return {"type": "http.disconnect"}

        async def work() -> None:
            nonlocal stopped
            hung_up.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped = True

        await unless_gone(receive, work())
        return stopped

    assert asyncio.run(run())


def test_work_that_fails_fails_and_work_that_ends_ends() -> None:
    async def run(*, fail: bool) -> None:
        async def receive() -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        async def work() -> None:
            if fail:
                raise InvalidAudioError("no")

        await unless_gone(receive, work())

    asyncio.run(run(fail=False))
    with pytest.raises(InvalidAudioError):
        asyncio.run(run(fail=True))
