"""The quick way: what goes through it, what does not, and that nobody can tell but by the clock."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from msgspec.structs import replace
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gapless.infer.inference import Inference
from gapless.serve.access import Access
from gapless.serve.quick.answers import LARGEST_BODY_BYTES, WireAnswers
from gapless.serve.quick.door import QuickDoor
from gapless.serve.quick.protocol import QuickHttp
from gapless.settings import Settings
from gapless.testing.models import FixedModels, FunctionModel, double
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

LONG_WAY = b"the application"


class Remembers:
    """A door behind which "known" is known; it notes who asked."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def may_pass(self, scope: dict[str, Any]) -> bool:
        return bool(scope["path"] == "/quick")

    def answer(self, question: bytes) -> bytes | None:
        self.seen.append(question)
        return b"remembered" if question == b"known" else None

    def asked(self, scope: dict[str, Any], question: bytes) -> Awaitable[bytes | ASGIApp] | None:
        made = MADE.get(question)
        return None if made is None else made()

    def answered(self, scope: dict[str, Any], seconds: float) -> None:
        assert seconds > 0


async def slowly() -> bytes:
    await asyncio.sleep(0.2)
    return b"made"


async def otherwise() -> ASGIApp:
    return Response(b"an application of its own", status_code=422)


MADE: dict[bytes, Callable[[], Awaitable[bytes | ASGIApp]]] = {
    b"slow": slowly,
    b"odd": otherwise,
}
"""What is not remembered, but made for who asks."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent."""
    assert scope["type"] == "http"
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LONG_WAY + b" got " + body[:64]})


@pytest.fixture(scope="module")
def door() -> Remembers:
    return Remembers()


@contextmanager
def serving(door: Remembers) -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=partial(QuickHttp, door=door),  # type: ignore[arg-type]  # made like a class
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run([listening]))
    thread.start()
    yield server, listening.getsockname()
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def address(door: Remembers) -> Iterator[tuple[str, int]]:
    with serving(door) as (_, address):
        yield address


def exchange(address: tuple[str, int], *pieces: bytes, answers: int = 1) -> bytes:
    """Send pieces one after the other, and read until so many bodies have come, or the server closes."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            if len(pieces) > 1:
                threading.Event().wait(0.02)
        got = b""
        while got.count(b"remembered") + got.count(b"\r\n0\r\n\r\n") < answers:
            more = connection.recv(65536)
            if not more:
                break
            got += more
        return got


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


def test_what_is_remembered_is_answered_without_the_application(address: tuple[str, int]) -> None:
    got = exchange(address, post("/quick", b"known"))
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == b"remembered"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 10\r\n" in head
    assert b"\r\ndate: " in head
    assert b"server" not in head.lower() or b"uvicorn" in head


def test_what_is_not_goes_the_long_way_whole(address: tuple[str, int]) -> None:
    assert LONG_WAY + b" got other" in exchange(address, post("/quick", b"other"))
    assert LONG_WAY + b" got known" in exchange(address, post("/slow", b"known"))
    assert LONG_WAY + b" got " in exchange(address, post("/quick", b""))


@pytest.mark.long
def test_a_body_may_come_in_pieces(address: tuple[str, int]) -> None:
    whole = post("/quick", b"known")
    for cut in (1, 20, len(whole) - 5, len(whole) - 3):
        assert exchange(address, whole[:cut], whole[cut:]).endswith(b"remembered")
    assert exchange(address, *(whole[i : i + 1] for i in range(len(whole)))).endswith(b"remembered")


def test_a_connection_takes_both_ways_in_turn(address: tuple[str, int]) -> None:
    with httpx.Client(base_url="http://{}:{}".format(*address)) as client:
        for _ in range(5):
            assert client.post("/quick", content=b"known").content == b"remembered"
            assert client.post("/quick", content=b"new").content == LONG_WAY + b" got new"
            assert client.get("/quick").content == LONG_WAY + b" got "


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    got = exchange(
        address,
        post("/quick", b"one") + post("/quick", b"known") + post("/slow", b"two"),
        answers=3,
    )
    one, known = got.index(b"got one"), got.find(b"known")
    assert one < known or known == -1
    assert one < got.index(b"got two")
    # Only the first is quick: what is pipelined behind it waits, and goes the long way.
    got = exchange(address, post("/quick", b"known") + post("/quick", b"known"), answers=2)
    assert got.index(b"remembered") < got.index(b"got known")


def test_what_is_made_is_answered_as_what_is_remembered(address: tuple[str, int]) -> None:
    with httpx.Client(base_url="http://{}:{}".format(*address)) as client:
        for _ in range(3):
            made = client.post("/quick", content=b"slow")
            assert (made.status_code, made.content) == (200, b"made")
            assert made.headers["content-type"] == "application/json"
            odd = client.post("/quick", content=b"odd")
            assert (odd.status_code, odd.content) == (422, b"an application of its own")
            assert client.post("/quick", content=b"known").content == b"remembered"


def test_who_is_pipelined_behind_what_is_made_waits_for_it(address: tuple[str, int]) -> None:
    questions = (b"slow", b"known", b"slow", b"odd")
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"".join(post("/quick", question) for question in questions))
        got = b""
        while b"got odd" not in got:
            got += connection.recv(65536)
    assert got.count(b"HTTP/1.1 ") == 4
    # Only what comes first on a connection is quick; the others go the long way, in their order.
    assert got.index(b"made") < got.index(b"got known") < got.index(b"got slow")


def test_a_server_that_stops_gives_what_is_being_made(door: Remembers) -> None:
    with (
        serving(door) as (server, address),
        socket.create_connection(address, timeout=10) as connection,
    ):
        connection.sendall(post("/quick", b"slow"))
        threading.Event().wait(0.05)
        server.should_exit = True
        got = b""
        while more := connection.recv(65536):
            got += more
    assert got.endswith(b"made")
    assert b"connection: close" in got


def test_who_goes_away_before_it_is_made_harms_nobody(address: tuple[str, int]) -> None:
    for _ in range(3):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(post("/quick", b"slow"))
            threading.Event().wait(0.05)
    assert exchange(address, post("/quick", b"known")).endswith(b"remembered")


def test_who_wants_to_be_told_to_continue_is(address: tuple[str, int]) -> None:
    head, body = post("/quick", b"known", "Expect: 100-continue").split(b"known")[0], b"known"
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert LONG_WAY in connection.recv(65536)


def test_a_connection_that_is_to_be_closed_is(address: tuple[str, int]) -> None:
    got = exchange(address, post("/quick", b"known", "Connection: close"), answers=2)
    assert b"connection: close" in got


def test_a_large_body_is_not_waited_for(address: tuple[str, int], door: Remembers) -> None:
    before = len(door.seen)
    large = b"x" * (8 * LARGEST_BODY_BYTES)
    assert LONG_WAY + b" got xxx" in exchange(address, post("/quick", large))
    assert len(door.seen) == before


def test_who_goes_away_in_the_middle_harms_nobody(address: tuple[str, int]) -> None:
    for _ in range(3):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(post("/quick", b"known")[:-2])
    assert exchange(address, post("/quick", b"known")).endswith(b"remembered")


@pytest.fixture
def served() -> Iterator[tuple[httpx.Client, FixedModels]]:
    models = FixedModels(remembered_double())
    settings = Settings(
        port=0, save=False, tensor_model="double", api_key="secret", compress_min_bytes=4096
    )
    with (
        Inference(models) as inference,
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
        httpx.Client(base_url=running.url, headers={"x-api-key": "secret"}) as client,
    ):
        yield client, models


def remembered_double() -> FunctionModel:
    """Twice what it is sent; with a digest, so that its answers are remembered."""
    model = double()
    return FunctionModel(replace(model.info, digest="d1"), model.run)


def question(client: httpx.Client) -> bytes:
    """A question that the model answers."""
    shape = client.get("/v1/infer").json()["inputs"][0]
    values = np.ones([abs(size) for size in shape["shape"]]).tolist()
    return httpx.Request("POST", "http://x", json={"inputs": {shape["name"]: values}}).content


def test_a_remembered_answer_is_the_same_byte_by_byte(
    served: tuple[httpx.Client, FixedModels],
) -> None:
    client, _ = served
    body = question(client)
    first, second, *others = [client.post("/v1/infer", content=body) for _ in range(6)]
    assert first.json()["cached"] is False
    assert second.json()["cached"] is True
    assert first.json()["outputs"] == second.json()["outputs"]
    assert {other.content for other in others} == {second.content}
    assert {other.headers["content-type"] for other in others} == {"application/json"}


WRONG = {
    "no JSON": b"{",
    "no question": b"{}",
    "an unknown field": b'{"inputs": {}, "more": 1}',
    "no such model": b'{"model": "nobody", "text": "a"}',
    "no such input": b'{"inputs": {"y": [1]}}',
    "ragged": b'{"inputs": {"x": [[1, 2], [3]]}}',
    "no text": b"\xff\xfe",
    "nothing": b"",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_question_is_refused_as_on_the_long_way(
    served: tuple[httpx.Client, FixedModels], body: bytes
) -> None:
    client, _ = served
    client.post("/v1/infer", content=question(client))
    quick = client.post("/v1/infer", content=body)
    long = client.post("/v1/infer", content=body, headers={"connection": "close"})
    assert 400 <= quick.status_code < 500
    assert (quick.status_code, quick.content) == (long.status_code, long.content)
    assert {*quick.headers, "connection"} == {*long.headers}
    metrics = client.get("/metrics").text
    (count,) = re.findall(
        rf'gapless_requests_total{{.*route="/v1/infer".*status="{quick.status_code}".*}} (\S+)',
        metrics,
    )
    assert float(count) == 2
    assert sum(map(float, re.findall(r"gapless_rejects_total{.*} (\S+)", metrics))) == 2


def test_a_large_new_answer_is_compressed_for_who_wants_that(
    served: tuple[httpx.Client, FixedModels],
) -> None:
    client, _ = served
    for number in range(3):  # the first goes the long way
        rows = [[number, 0, 0, 0]] * 400
        answer = client.post("/v1/infer", json={"inputs": {"x": rows}})
        assert answer.json()["outputs"]["y"] == [[2 * number, 0, 0, 0]] * 400
        assert answer.headers["content-encoding"] == "gzip"
        plain = client.post(
            "/v1/infer", json={"inputs": {"x": rows[1:]}}, headers={"accept-encoding": "identity"}
        )
        assert "content-encoding" not in plain.headers


@pytest.mark.long
def test_the_door_is_closed_to_wrong_keys(served: tuple[httpx.Client, FixedModels]) -> None:
    client, _ = served
    body = question(client)
    for _ in range(4):
        client.post("/v1/infer", content=body)
    for key in ("", "Secret", "secrets"):
        refused = httpx.post(
            client.base_url.join("/v1/infer"), content=body, headers={"x-api-key": key}
        )
        assert refused.status_code == 401
    evil = {"x-api-key": "secret", "origin": "https://evil.example"}
    assert (
        httpx.post(client.base_url.join("/v1/infer"), content=body, headers=evil).status_code == 403
    )


def test_pages_of_other_origins_never_take_the_quick_way() -> None:
    settings = Settings(allowed_origins=("https://app.example",))
    with ScriptedServices(settings) as services:
        access = Access(settings, frozenset())
        quick = QuickDoor(WireAnswers(services), access)
        plain = [(b"host", b"127.0.0.1")]
        scope = {"path": "/v1/infer", "method": "POST", "headers": plain}
        assert not quick.may_pass(scope)
        access.remember(scope)
        assert quick.may_pass(scope)
        assert not quick.may_pass({**scope, "method": "GET"})
        assert not quick.may_pass({**scope, "path": "/v1/other"})
        with_origin = {**scope, "headers": [*plain, (b"origin", b"https://app.example")]}
        access.remember(with_origin)
        assert not quick.may_pass(with_origin)
        long = {**scope, "headers": [*plain, (b"x-api-key", b"k" * 2000)]}
        access.remember(long)
        assert not quick.may_pass(long)


def test_an_answer_is_forgotten_with_its_model() -> None:
    models = FixedModels(remembered_double())
    with (
        Inference(models) as inference,
        ScriptedServices(Settings(port=0, tensor_model="double"), inference=inference) as services,
    ):
        answers = WireAnswers(services)
        held = models.acquire("double")
        info = held.model.info
        held.release()
        other = replace(info, digest="d2")
        asyncio.run(answers.keep(b"a question of its own", "double", None, info, b"a"))
        asyncio.run(answers.keep(b"a question to another", "double", None, other, b"a"))
        asyncio.run(answers.keep(b"a question to nobody", "nowhere", None, info, b"a"))
        assert answers.find(b"a question of its own") == b"a"
        assert answers.find(b"a question to another") is None
        assert answers.find(b"a question to nobody") is None
        assert answers.find(b"a question never asked") is None
