"""Uploaded recordings on their way through the engine: admitted, heard step by step, kept.

In: a recording on disk and how to hear it. Out: its events. Invariants: at most ``max_uploads`` are heard at a time, as
many as ``max_waiting_uploads`` wait, one more is refused before its body is read; whatever ends a recording early, its
place is free and its decoder closed only when the step that was running is over. Thread: the event loop's; every step
runs in the executor, so that live streams get their turn between two steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Executor
from typing import Any, Final, Generic, TypeVar, final

from starlette.types import Receive

from gapless.errors import OverloadError
from gapless.listen.events import Final as FinalEvent
from gapless.listen.recording import Progress, RecordingEvent
from gapless.settings import Settings
from gapless.store.contract import SessionRecord, Store
from gapless.transcript import Transcript

RETRY_MS: Final = 2000
"""When a refused upload may try again."""

Item = TypeVar("Item")


@final
class Uploads:
    """Who is being heard and who waits. Used on one event loop."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._executor = executor
        self._most = settings.max_uploads + settings.max_waiting_uploads
        self._admitted = 0
        self._places = asyncio.Semaphore(settings.max_uploads)
        self._closing: set[asyncio.Task[None]] = set()
        """Recordings that were given up and still hold their place: the event loop keeps no reference itself."""

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Stand in the queue, from before the body is read until all is answered.

        Raises:
            OverloadError: the queue is full.
        """
        if self._admitted >= self._most:
            raise OverloadError(
                f"{self._admitted} recordings are being transcribed or wait for it; "
                f"try again in {RETRY_MS // 1000} s",
                retry_after_ms=RETRY_MS,
            )
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    @contextlib.asynccontextmanager
    async def place(
        self, events: Callable[[], Generator[Item, None, None]]
    ) -> AsyncIterator[AsyncIterator[Item]]:
        """Wait for a place, and hold it while ``events`` are made."""
        await self._places.acquire()
        steps = Steps(events, self._executor)
        try:
            yield steps
        finally:
            # A task of its own: the place is given back in order even if the request is cancelled once more.
            closing = asyncio.create_task(self._leave(steps))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.shield(closing)

    async def _leave(self, steps: Steps[Item]) -> None:
        try:
            await steps.close()
        finally:
            self._places.release()


@final
class Steps(Generic[Item]):
    """A blocking generator for an event loop: each step is a call in the executor, one at a time."""

    def __init__(
        self, start: Callable[[], Generator[Item, None, None]], executor: Executor
    ) -> None:
        self._start = start
        self._executor = executor
        self._items: Generator[Item, None, None] | None = None
        """Made by the first step, and touched by steps only."""
        self._step: asyncio.Future[list[Item]] | None = None

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        self._step = asyncio.get_running_loop().run_in_executor(self._executor, self._advance)
        # A thread cannot be cancelled: who stops waiting here leaves the step to close().
        items = await asyncio.shield(self._step)
        if not items:
            raise StopAsyncIteration
        return items[0]

    async def close(self) -> None:
        """Let the step that is running end, then close the generator. Idempotent."""
        if self._step is not None:
            await asyncio.wait({self._step})
            if not self._step.cancelled():
                self._step.exception()  # seen: whoever gave up does not care
        await asyncio.get_running_loop().run_in_executor(self._executor, self._finish)

    def _advance(self) -> list[Item]:
        """The next item, or nothing at the end (StopIteration does not pass through a future)."""
        if self._items is None:
            self._items = self._start()
        for item in self._items:
            return [item]
        return []

    def _finish(self) -> None:
        items, self._items = self._items, None
        if items is not None:
            items.close()


def kept(
    events: Generator[RecordingEvent, None, None], store: Store, session: SessionRecord
) -> Generator[RecordingEvent, None, None]:
    """``events``, each final on disk before it is passed on. Blocks.

    A recording that cannot be read leaves no trace; one that is given up halfway keeps what was said until then.

    Raises:
        StoreError: something cannot be kept.
    """
    heard_ms = 0
    begun = False
    with contextlib.closing(events):
        try:
            for event in events:
                if not begun:
                    store.begin_session(session)
                    begun = True
                if isinstance(event, FinalEvent):
                    store.add_utterance(session.id, event.utterance)
                elif isinstance(event, Progress):
                    heard_ms = event.heard_ms
                elif isinstance(event, Transcript):
                    heard_ms = event.duration_ms
                yield event
        finally:
            if begun:
                store.end_session(session.id, ended_at_ms=unix_ms(), audio_ms=heard_ms)


async def last(events: AsyncIterator[RecordingEvent]) -> Transcript:
    """The transcript that a recording ends with."""
    transcript = None
    async for event in events:
        if isinstance(event, Transcript):
            transcript = event
    if transcript is None:
        raise AssertionError("a recording ends with its transcript")
    return transcript


def unix_ms() -> int:
    """Now, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, but stop it as soon as the client hangs up. The request's body must have been read."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_hung_up(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        working.cancel()
        await asyncio.wait({working, gone})
    if not working.cancelled():
        working.result()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
