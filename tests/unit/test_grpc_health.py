"""Health without a network: what is told, when it changes, and callers who never say what they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

import grpc
import grpc.aio
import pytest

from gapless.errors import (
    DeadlineError,
    GaplessError,
    NotFoundError,
    OverloadError,
    ProtocolError,
    TooLargeError,
)
from gapless.infer.wire import messages
from gapless.serve.kserve.grpc_call import MAX_MESSAGE_BYTES, read_small, serialised
from gapless.serve.kserve.grpc_health import MAX_READING, Health

SOON_S = 0.001
NEVER_S = 3600.0


class Call:
    """A call with one request, or with one that never arrives."""

    def __init__(self, request: Any = None) -> None:
        self._request = request
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def read(self) -> Any:
        if self._request is None:
            await asyncio.Event().wait()
        return self._request

    async def write(self, message: bytes) -> None:
        kind = messages.HealthCheckResponse
        self.told.put_nowait(kind.ServingStatus.Name(kind.FromString(message).status))

    def time_remaining(self) -> float | None:
        return None

    def peer(self) -> str:
        return "here"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, str], ...]) -> None:
        raise AssertionError(trailing_metadata)

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, str], ...]
    ) -> NoReturn:
        raise AssertionError(details)


class Server:
    """What health is asked of."""

    def __init__(self, *, read_s: float = NEVER_S, look_s: float = NEVER_S) -> None:
        self.is_ready = True
        self.stopping = asyncio.Event()
        self.health = Health(lambda: self.is_ready, self.stopping, read_s=read_s, look_s=look_s)


def asking_for(service: str) -> Call:
    return Call(messages.HealthCheckRequest(service=service).SerializeToString())


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def refused(call: Awaitable[None]) -> GaplessError:
    with pytest.raises(GaplessError) as error:
        await call
    return error.value


def test_a_check_says_what_is_so_now() -> None:
    async def test() -> None:
        server = Server()
        told = []
        for ready in (True, False):
            server.is_ready = ready
            call = asking_for("")
            await server.health.check(call)
            told.append(call.told.get_nowait())
        assert told == ["SERVING", "NOT_SERVING"]
        assert isinstance(await refused(server.health.check(asking_for("x"))), NotFoundError)

    run(test)


def test_a_watcher_is_told_of_every_change_and_of_nothing_else() -> None:
    async def test() -> None:
        server = Server(look_s=SOON_S)
        call = asking_for(messages.SERVICE)
        watching = asyncio.create_task(server.health.watch(call))
        assert await call.told.get() == "SERVING"
        server.is_ready = False
        assert await call.told.get() == "NOT_SERVING"
        server.is_ready = True
        assert await call.told.get() == "SERVING"
        server.stopping.set()
        assert await call.told.get() == "NOT_SERVING"
        await watching
        assert call.told.empty()

    run(test)


def test_a_caller_who_never_says_what_it_asks_is_sent_away() -> None:
    async def test() -> None:
        server = Server(read_s=SOON_S)
        assert isinstance(await refused(server.health.check(Call())), DeadlineError)
        assert isinstance(await refused(server.health.watch(Call())), DeadlineError)
        assert isinstance(await refused(server.health.check(Call(grpc.aio.EOF))), ProtocolError)
        assert isinstance(await refused(server.health.check(Call(b"\xff"))), ProtocolError)

    run(test)


def test_the_number_of_callers_who_have_not_asked_yet_is_bounded() -> None:
    async def test() -> None:
        server = Server()
        silent = [asyncio.create_task(server.health.check(Call())) for _ in range(MAX_READING)]
        await asyncio.sleep(0)
        assert isinstance(await refused(server.health.check(asking_for(""))), OverloadError)
        for task in silent:
            task.cancel()
        await asyncio.wait(silent)

        call = asking_for("")
        await server.health.check(call)
        assert call.told.get_nowait() == "SERVING"

    run(test)


def test_a_message_that_carries_no_tensors_is_small_and_readable() -> None:
    kind = messages.ModelReadyRequest

    assert read_small(kind, kind(name="m").SerializeToString()).name == "m"
    with pytest.raises(TooLargeError, match="send less"):
        read_small(kind, kind(name="m" * 100_000).SerializeToString())
    with pytest.raises(ProtocolError, match="is no message"):
        read_small(kind, b"\xff")


def test_an_answer_that_may_not_be_sent_is_not_made() -> None:
    class Huge:
        def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
            return MAX_MESSAGE_BYTES + 1

    with pytest.raises(TooLargeError, match="ask for fewer rows or outputs"):
        serialised(Huge())
