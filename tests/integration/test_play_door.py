"""Who may play, before anything sounds: nothing here loads the synthesiser."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

Answer = TypeVar("Answer")

KEY = {"x-api-key": "sesame"}
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = Settings(port=0, save=False, api_key="sesame", max_players=0)
    with ScriptedServices(settings) as services, running_server(services) as running:
        yield running


def run(main: Callable[[], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


def refusal(server: RunningServer, query: str = "", **options: Any) -> tuple[int, str]:
    """Status and code with which an upgrade is refused."""

    async def knock() -> tuple[int, str]:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.ws_url}/v1/play{query}", **options)
        response = refused.value.response
        return response.status_code, msgspec.json.decode(response.body)["error"]["code"]

    return run(knock)


def test_it_needs_the_key(server: RunningServer) -> None:
    assert refusal(server) == (401, "unauthorized")


def test_pages_of_others_are_refused(server: RunningServer) -> None:
    found = refusal(server, additional_headers=KEY, origin=Origin("https://elsewhere.test"))
    assert found == (403, "forbidden")


def test_who_may_come_in_is_refused_where_there_is_no_room(server: RunningServer) -> None:
    assert refusal(server, additional_headers=KEY) == (503, "overloaded")


def test_a_ticket_opens_the_door_once(server: RunningServer) -> None:
    ticket = httpx.post(f"{server.url}/v1/tickets", headers=KEY).json()["token"]
    assert refusal(server, f"?token={ticket}")[0] == 503
    assert refusal(server, f"?token={ticket}")[0] == 401


@pytest.mark.long
def test_a_query_that_cannot_be_used_is_told_after_the_upgrade() -> None:
    async def play(server: RunningServer) -> tuple[dict[str, Any], int]:
        async with connect(f"{server.ws_url}/v1/play?rate=1") as socket:
            error = msgspec.json.decode(await socket.recv())
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            return error, closed.value.rcvd.code if closed.value.rcvd else 1006

    settings = Settings(port=0, save=False)
    with ScriptedServices(settings) as services, running_server(services) as server:
        error, code = run(lambda: play(server))
    assert (error["type"], error["code"], error["fatal"]) == ("error", "invalid_request", True)
    assert "rate" in error["message"]
    assert code == 1008


def test_the_page_needs_no_key(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/play")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert response.content == httpx.get(f"{server.url}/play.html").content


@pytest.mark.long
def test_a_server_loads_no_synthesiser_before_somebody_plays() -> None:
    code = (
        "import sys, gapless.engine, gapless.cli.serve, gapless.serve.server\n"
        "print(*(name for name in sys.modules if name.startswith('gapless.play')))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == []
