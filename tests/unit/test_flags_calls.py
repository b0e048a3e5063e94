"""Which session a call belongs to, which side it is on, and how it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from gapless.errors import GaplessError, OverloadError, ProtocolError
from gapless.serve.flags.call import CURRENT, is_on, serving
from gapless.serve.flags.calls import MOST_KEY_BYTES, Calls, call_of, session_key
from gapless.serve.flags.flags import Flags
from gapless.settings import Settings

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def make(folder: Path, text: str) -> Flags:
    return Flags(Settings(data_dir=str(folder), flags=text))


def serve(app: App, flags: Flags, *, kind: str = "http", session: str = "") -> None:
    """One call."""
    headers = [(b"x-session-id", session.encode())] if session else []

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    async def send(_: Message) -> None:
        pass

    asyncio.run(Calls(app, flags)({"type": kind, "headers": headers}, receive, send))


def answering(status: int, seen: list[bool]) -> App:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        seen.append(is_on("batching"))
        await send({"type": "http.response.start", "status": status})

    return app


def test_everything_is_on_where_nobody_says_otherwise(tmp_path: Path) -> None:
    seen: list[bool] = []
    serve(answering(200, seen), make(tmp_path, ""))
    assert seen == [True]
    assert is_on("batching")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_session_keeps_its_side(tmp_path: Path, kind: str) -> None:
    flags = make(tmp_path, "batching=50%")
    sides = {}
    for session in map(str, range(40)):
        seen: list[bool] = []
        for _ in range(3):
            serve(answering(200, seen), flags, kind=kind, session=session)
        assert len(set(seen)) == 1
        sides[session] = seen[0]
    assert set(sides.values()) == {True, False}
    assert all(flags.is_on("batching", session) == side for session, side in sides.items())


def test_requests_without_a_session_are_shared_out(tmp_path: Path) -> None:
    seen: list[bool] = []
    flags = make(tmp_path, "batching=50%")
    for _ in range(60):
        serve(answering(200, seen), flags)
    assert set(seen) == {True, False}


def test_a_call_stays_on_its_side_when_the_share_is_changed(tmp_path: Path) -> None:
    flags = make(tmp_path, "batching=50%")
    seen = []

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        seen.append(is_on("batching"))
        flags.write({"batching": 0.0 if seen[0] else 100.0})
        flags.look()
        seen.append(await asyncio.create_task(asked()))

    async def asked() -> bool:
        return is_on("batching")

    serve(app, flags)
    assert seen[0] == seen[1]


def test_requests_are_counted_by_side_with_failures_and_times(tmp_path: Path) -> None:
    flags = make(tmp_path, "batching=50%")
    inside = next(str(n) for n in range(100) if flags.is_on("batching", str(n)))
    outside = next(str(n) for n in range(100) if not flags.is_on("batching", str(n)))

    async def breaks(_: Scope, __: Receive, ___: Send) -> None:
        is_on("batching")
        raise RuntimeError("broken")

    async def asks_nothing(_: Scope, __: Receive, ___: Send) -> None:
        pass

    serve(answering(200, []), flags, session=inside)
    serve(answering(503, []), flags, session=inside)
    serve(answering(404, []), flags, session=outside)
    serve(answering(101, []), flags, session=outside, kind="websocket")
    serve(asks_nothing, flags, session=outside)
    with pytest.raises(RuntimeError):
        serve(breaks, flags, session=outside)

    off, on = flags.snapshot()
    assert (off.calls, off.failed, off.seconds.count) == (3, 1, 2)
    assert (on.calls, on.failed, on.seconds.count) == (2, 1, 2)
    assert CURRENT.get() is None


def test_a_key_has_a_bound(tmp_path: Path) -> None:
    assert session_key([(b"x-session-id", b"a" * 5000)]) == "a" * MOST_KEY_BYTES
    assert session_key([]) != session_key([(b"x-session-id", b"")])
    scope = {"type": "http", "headers": []}
    flags = make(tmp_path, "batching=50%")
    assert call_of(scope, flags) is call_of(scope, flags)


def test_a_call_from_elsewhere_is_counted_too(tmp_path: Path) -> None:
    flags = make(tmp_path, "batching=99.9%")
    key = next(str(n) for n in range(100) if flags.is_on("batching", str(n)))
    with serving(flags, key):
        assert is_on("batching")

    def refused(error: GaplessError) -> None:
        with serving(flags, key) as call:
            call.is_on("batching")
            raise error

    for error in (OverloadError("full; try again"), ProtocolError("wrong; send another")):
        with pytest.raises(type(error)):
            refused(error)
    (on,) = flags.snapshot()
    assert (on.calls, on.failed, on.seconds.count) == (3, 1, 3)
