"""uvicorn's HTTP with a quick way: a remembered answer leaves in the turn of the loop that read its question.

In: bytes of a connection. Out: the answer in one write, or uvicorn's usual way through ASGI. Invariants: whatever is
not plainly the common case (pipelining, a peer that does not read, ``Expect``, a connection that closes, a server that
stops) takes the usual way, untouched. Thread: the event loop's.

A task, an event and two messages for each request cost more than everything that a remembered answer needs itself, and
a sixth of what a new one does (measured: ``gapless bench api``). uvicorn starts its task at the end of the headers, in
``_start_asgi_task``; here a request that may be quick waits there for the end of its body. What is not remembered gets
a task that asks and writes; middleware and messages are for answers that are not plain.
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import Any, Final, Protocol, final

from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gapless.serve.quick.answers import LARGEST_BODY_BYTES

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"


class Door(Protocol):
    """Says what may be quick; see ``QuickDoor``."""

    def may_pass(self, scope: dict[str, Any]) -> bool:
        """Whether a request of this ASGI scope may be answered without the application."""
        ...

    def answer(self, question: bytes) -> bytes | None:
        """The body of the answer; None: the application is asked."""
        ...

    def asked(self, scope: dict[str, Any], question: bytes) -> Awaitable[bytes | ASGIApp] | None:
        """The body of an answer, or an application that gives it, when it is made; None: the application is asked."""
        ...

    def answered(self, scope: dict[str, Any], seconds: float) -> None:
        """A question was answered, in this time."""
        ...


@final
class QuickHttp(HttpToolsProtocol):
    """One connection.

    Args:
        door: says what may be quick.
        others: as for uvicorn's protocol.
    """

    def __init__(self, *others: Any, door: Door, **named: Any) -> None:
        super().__init__(*others, **named)
        self._door: Final = door
        self._waiting: tuple[RequestResponseCycle, Any] | None = None
        """A request whose body is not complete, and the application that gets it if it cannot be quick."""
        self._began_s = 0.0
        """When its headers were complete."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if (
            cycle is self.cycle
            and cycle.more_body
            and cycle.keep_alive
            and not cycle.waiting_for_100_continue
            and not self.flow.write_paused
            and self._door.may_pass(cycle.scope)  # type: ignore[arg-type]  # a dict with known keys
        ):
            self._waiting = cycle, app
            self._began_s = perf_counter()
        else:
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """See uvicorn; a body that grows too large is the application's to refuse or to read."""
        super().on_body(body)
        if self._waiting is not None and len(self._waiting[0].body) > LARGEST_BODY_BYTES:
            self._take_long_way()

    def on_message_complete(self) -> None:
        """See uvicorn; now it can be answered."""
        if self._waiting is None:
            super().on_message_complete()
            return
        cycle = self._waiting[0]
        question = bytes(cycle.body)
        answer = self._door.answer(question)
        super().on_message_complete()
        if answer is not None:
            self._waiting = None
            # Behind all that is read in this turn of the loop: a write wakes who waits, and waking many together is
            # cheaper (measured: half as many more answers a second).
            self.loop.call_soon(self._give, cycle, answer)
            return
        making = self._door.asked(cycle.scope, question)  # type: ignore[arg-type]  # a dict with known keys
        if making is None:
            self._take_long_way()
            return
        self._waiting = None
        task = self.loop.create_task(self._give_when_made(cycle, making))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _give_when_made(
        self, cycle: RequestResponseCycle, making: Awaitable[bytes | ASGIApp]
    ) -> None:
        answer = await making
        if isinstance(answer, bytes):
            self._give(cycle, answer)
        else:
            await cycle.run_asgi(answer)  # type: ignore[arg-type]  # uvicorn types scopes

    def _take_long_way(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            super()._start_asgi_task(*waiting)

    def _give(self, cycle: RequestResponseCycle, answer: bytes) -> None:
        self._door.answered(cycle.scope, perf_counter() - self._began_s)  # type: ignore[arg-type]  # as above
        if not cycle.keep_alive or cycle.disconnected or self.flow.write_paused:
            whole = Response(answer, media_type="application/json")
            super()._start_asgi_task(cycle, whole)  # type: ignore[arg-type]  # as above
            return
        head = [HEAD % len(answer)]
        for name, value in self.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        head += (b"\r\n", answer)
        self.transport.write(b"".join(head))
        cycle.response_started = cycle.response_complete = True
        self.on_response_complete()
