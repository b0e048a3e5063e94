"""One connection: frames between a client and whichever stream it has, through the dialect that the client speaks.

In: a channel, a dialect, a stream. Out: the same, closed. Invariants: nothing is decided here, and nothing computed;
the tasks of a connection end with it; what is to be answered at once goes before what the session has to say; a client
that does not read what it is answered is cut off. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from gapless.serve.stream.channel import Channel, Gone
from gapless.serve.stream.close import LOST, POLICY
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.live import LiveStream, now_ms
from gapless.serve.stream.messages import ErrorMessage
from gapless.serve.stream.registry import Streams
from gapless.serve.workers.passage import Passage

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a client that does not read is asked politely."""

MAX_REPLIES: Final = 1000
"""Answers that may wait for a client that does not read."""


class Connection:
    """See the module's head.

    Args:
        channel: to the client.
        streams: where it may find the stream that it lost.
        dialect: what it speaks.
    """

    def __init__(self, channel: Channel, streams: Streams, dialect: Dialect) -> None:
        self._channel = channel
        self._streams = streams
        self._dialect = dialect
        self._replies: deque[Frame] = deque()
        """To be sent before anything that the session says."""

    async def run(self, first: LiveStream) -> None:
        """Serve until one side closes."""
        self._reply(first, self._dialect.greet(first.session))
        live: LiveStream | Passage | None = first
        while isinstance(live, LiveStream):
            live = await self._attach(live)
        if live is not None:
            await live.carry(self._channel)

    async def _attach(self, live: LiveStream) -> LiveStream | Passage | None:
        """Carry ``live`` until it ends or the connection does; return the stream to go on with."""
        cut = live.attach()
        reader = asyncio.create_task(self._read(live))
        writer = asyncio.create_task(self._write(live))
        waiter = asyncio.create_task(cut.wait())
        tasks = (reader, writer, waiter)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._lose(live, LOST)
            raise
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, Gone):
                self._lose(live, LOST)
                raise end
        if isinstance(ends[0], Passage):
            return ends[0]
        if cut.is_set():
            await self._close(live.session.close_code or POLICY)
            return None
        if isinstance(ends[0], LiveStream):
            return ends[0]
        if ends[1] is not None:  # the writer did not get to its end
            self._lose(live, ends[0].code if isinstance(ends[0], Gone) else LOST)
        return None

    async def _read(self, live: LiveStream) -> LiveStream | Passage:
        """Pass frames to the session, until the client wants another one: return that."""
        session = live.session
        while True:
            while not session.reading:
                live.room.clear()
                await live.room.wait()
            frame = await self._channel.receive()
            self._reply(live, self._dialect.receive(frame, session, now_ms()))
            live.touch()
            if session.wish is not None:
                return await self._streams.exchange(live, session.wish)

    async def _write(self, live: LiveStream) -> None:
        """Send what there is to say, and close when the session says so."""
        session = live.session
        while True:
            if self._replies:
                await self._channel.send(self._replies.popleft())
                continue
            message = session.next_message()
            if message is not None:
                for frame in self._dialect.say(message):
                    await self._channel.send(frame)
                live.sent(message)
                if isinstance(message, ErrorMessage):
                    self._streams.counts.reject(session.dialect, message.code)
            elif session.close_code is not None:
                await self._channel.close(*self._dialect.farewell(session.close_code))
                return
            else:
                live.outbox.clear()
                await live.outbox.wait()

    def _reply(self, live: LiveStream, frames: Iterable[Frame]) -> None:
        self._replies.extend(frames)
        if self._replies:
            live.outbox.set()
        if len(self._replies) > MAX_REPLIES:
            self._replies.clear()
            live.session.cut_off()
            live.touch()

    def _lose(self, live: LiveStream, code: int) -> None:
        live.session.disconnect(code, now_ms())
        self._streams.park(live)
        live.touch()

    async def _close(self, code: int) -> None:
        with suppress(TimeoutError, Gone):  # whoever does not read is not told
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._channel.close(*self._dialect.farewell(code))
