"""All open streams of a server: how many there may be, who may have one back, and how they end together.

In: wishes to open and resume. Out: live streams. Invariants: at most ``max_sessions`` streams have a connection, and at
most as many are parked (the one parked first gives way); after ``drain`` no task, thread or place at a recogniser is
held. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from gapless.errors import NotFoundError, OverloadError
from gapless.observe.traces import Record
from gapless.serve.flags.call import is_on
from gapless.serve.services import Services
from gapless.serve.stream.account import Account
from gapless.serve.stream.close import RESTART
from gapless.serve.stream.counts import StreamCounts
from gapless.serve.stream.hearing import Hearing
from gapless.serve.stream.live import LiveStream, now_ms
from gapless.serve.stream.messages import ResumeMessage, StreamOptions
from gapless.serve.stream.policy import NATIVE, Policy
from gapless.serve.stream.session import StreamSession
from gapless.serve.workers.passage import Passage, Passages
from gapless.serve.workers.siblings import Siblings

REFUSAL_RETRY_MS: Final = 2000
"""When to try again for a place."""

GRACE_S: Final = 1.0
"""What is left for farewells when the time to drain is over."""


MOST_KEEPING: Final = 256
"""Streams that wait for the store at a time; those beyond wait for one of them."""


class StreamsStats(msgspec.Struct, frozen=True):
    """How many streams there are."""

    connected: int
    """With a connection, or finishing after they lost it for good."""
    parked: int
    """Waiting for their clients to come back."""
    held_back: int
    """Not read from, because too much of their audio waits."""


class Streams:
    """The open streams.

    Args:
        services: the engine.
        siblings: the other workers, which have streams of their own; None: there are none.
        export: takes the traces of what they hear; None: nobody does.
    """

    def __init__(
        self,
        services: Services,
        siblings: Siblings | None = None,
        export: Record | None = None,
    ) -> None:
        self._services = services
        self._export = export
        self.settings: Final = services.settings
        self.draining = False
        """The server is stopping: nothing new is let in."""
        self.retiring = False
        """Another worker takes the place of this one: what is open here goes on, what is new goes there."""
        # A session says which worker has it.
        self._of_worker = "" if siblings is None else f"-{siblings.name}"
        self.passages: Final = (
            None if siblings is None else Passages(siblings, self.settings.max_frame_bytes)
        )
        """To the streams of other workers."""
        self._streams: dict[str, LiveStream] = {}
        """By session; those parked in the order in which they were."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Running streams, and connections."""
        # Of their own: finals may wait long for a store that is gone, and nobody who reads it shall wait behind them.
        self._keeping = ThreadPoolExecutor(
            min(self.settings.max_sessions, MOST_KEEPING), thread_name_prefix="gapless-finals"
        )
        self._bulk_turn = asyncio.Lock()
        """Bulk streams take turns, so that together they keep one thread from the live ones."""
        self.counts: Final = StreamCounts()

    def sessions(self) -> list[StreamSession]:
        """Of all streams that are open or parked; to be looked at, from any thread."""
        return [live.session for live in list(self._streams.values())]

    def stats(self) -> StreamsStats:
        """A snapshot; may be taken from any thread."""
        sessions = self.sessions()
        parked = sum(session.parked for session in sessions)
        return StreamsStats(
            connected=len(sessions) - parked,
            parked=parked,
            held_back=sum(not session.reading for session in sessions),
        )

    def open(
        self, options: StreamOptions, policy: Policy = NATIVE, *, client: str | None = None
    ) -> LiveStream:
        """Begin a stream.

        Args:
            options: how it is to be heard.
            policy: what its dialect does otherwise.
            client: address of who speaks; None: not known.

        Raises:
            OverloadError: there is no room for one more.
        """
        self._admit()
        name = f"s{secrets.token_hex(10)}{self._of_worker}"
        alone = not is_on("batching")
        session = StreamSession(
            name, secrets.token_urlsafe(24), self.settings, options, now_ms(), policy=policy
        )
        lag_total = None if session.bulk else self.counts.lag(policy.dialect)
        account = Account(session, client, lag_total, self._export)
        live = LiveStream(
            session,
            lambda wake: Hearing(self._services, name, wake, alone=alone, record=account.record),
            self._services.executor,
            self._keeping,
            self._bulk_turn,
            account=account,
        )
        self._streams[name] = live
        self.counts.open(policy.dialect)
        self.keep(live.run()).add_done_callback(lambda _: self._streams.pop(name, None))
        return live

    def check_open(self) -> None:
        """Refuse what is new while it cannot be served to its end.

        Raises:
            OverloadError: the server is stopping, or this worker of it.
        """
        if self.draining or self.retiring:
            raise OverloadError(
                "the server is stopping; try again in a moment", retry_after_ms=REFUSAL_RETRY_MS
            )

    def _admit(self) -> None:
        self.check_open()
        if self.stats().connected >= self.settings.max_sessions:
            raise OverloadError(
                f"all {self.settings.max_sessions} streams are taken; try again in a moment, "
                "or raise max_sessions",
                retry_after_ms=REFUSAL_RETRY_MS,
            )

    def keep(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run ``work`` as a task that ``drain`` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def find(self, request: ResumeMessage) -> LiveStream:
        """The stream that a client lost, if it can be had back.

        Raises:
            NotFoundError: no such stream, not with this token, or too late.
        """
        live = self._streams.get(request.session)
        if (
            live is None
            or not hmac.compare_digest(live.session.token.encode(), request.token.encode())
            or not live.session.resumable
        ):
            raise NotFoundError("this stream cannot be resumed any more; open a new one")
        return live

    async def exchange(self, fresh: LiveStream, wish: ResumeMessage) -> LiveStream | Passage:
        """The stream that a connection lost, in place of the one it began with; that one, if it cannot be had."""
        passages = self.passages
        try:
            if passages is not None and passages.is_elsewhere(wish.session):
                passage = await passages.resume(wish)
                fresh.session.abandon()
                fresh.touch()
                return passage
            lost = self.find(wish)
        except NotFoundError as error:
            fresh.session.refuse(error)
            fresh.touch()
            return fresh
        fresh.session.abandon()
        fresh.touch()
        lost.session.resume(wish, now_ms())
        lost.touch()
        return lost

    def park(self, live: LiveStream) -> None:
        """Bound the number of parked streams, of which ``live`` is the latest."""
        name = live.session.name
        if name not in self._streams:
            return
        self._streams[name] = self._streams.pop(name)
        parked = [live for live in self._streams.values() if live.session.parked]
        for eldest in parked[: -self.settings.max_sessions]:
            eldest.session.park_no_longer()
            eldest.touch()

    async def drain(self) -> None:
        """Let every stream finish what it heard, for as long as the settings allow; then end them all."""
        self.draining = True
        for live in self._streams.values():
            live.session.shut_down()
            live.touch()
        await self._settle(self.settings.drain_ms / 1000)
        for live in self._streams.values():
            live.session.abandon(RESTART)
            live.touch()
        await self._settle(GRACE_S)
        for task in self._tasks:
            task.cancel()
        await self._settle(GRACE_S)
        self._keeping.shutdown(wait=False)

    async def _settle(self, timeout_s: float) -> None:
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=timeout_s)
