"""The application over real sockets: its door, its shapes, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog.testing
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.errors import ConfigError
from gapless.serve.access import TICKET_MS
from gapless.serve.address import check_exposure
from gapless.serve.server import Server, run_server
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

LIMIT = 10_000
SETTINGS = Settings(
    port=0, save=False, max_body_bytes=LIMIT, allowed_origins=("https://app.example",)
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with ScriptedServices(SETTINGS) as services, running_server(services) as running:
        yield running


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


def error_of(response: httpx.Response) -> dict[str, object]:
    error = response.json()["error"]
    assert isinstance(error, dict)
    return error


def test_a_server_says_that_it_lives_and_that_it_is_ready(http: httpx.Client) -> None:
    assert http.get("/health/live").json() == {"live": True}
    assert http.get("/health/ready").json() == {"ready": True, "reasons": [], "degraded": []}


def test_what_is_not_there_is_said_in_the_dialect_of_the_address(http: httpx.Client) -> None:
    for method, path, status, code in [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/nowhere", 404, "not_found"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("DELETE", "/health/live", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
    ]:
        response = http.request(method, path)
        assert (response.status_code, error_of(response)["code"]) == (status, code)
        assert set(error_of(response)) == {
            "code",
            "message",
            "param",
            "retryable",
            "retry_after_ms",
        }

    response = http.get("/v1/audio/nowhere")
    assert set(error_of(response)) == {"message", "type", "param", "code"}


def test_the_console_is_served_with_headers_that_lock_it_in(http: httpx.Client) -> None:
    page = http.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    again = http.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/index.html").content == page.content


def test_a_body_over_the_limit_is_refused_at_once_where_its_length_is_declared(
    http: httpx.Client,
) -> None:
    response = http.post("/v1/audio/transcriptions", content=bytes(LIMIT + 1))

    assert response.status_code == 413
    assert error_of(response)["code"] == "too_large"
    assert "type" in error_of(response)


def test_a_body_over_the_limit_is_refused_where_its_length_is_not_declared(
    http: httpx.Client,
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(20):
            yield bytes(LIMIT // 10)

    response = http.post(
        "/v1/audio/transcriptions",
        content=pieces(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )

    assert response.status_code == 413
    assert error_of(response)["code"] == "too_large"


def test_a_huge_body_is_refused_and_the_server_goes_on(http: httpx.Client) -> None:
    response = http.post("/v1/audio/transcriptions", content=bytes(30_000_000))

    assert response.status_code == 413
    assert http.get("/health/live").status_code == 200


def test_foreign_pages_are_refused_and_allowed_ones_get_what_browsers_ask_for(
    http: httpx.Client,
) -> None:
    foreign = http.get("/v1/models", headers={"origin": "https://evil.example"})
    allowed = http.get("/v1/models", headers={"origin": "https://app.example"})
    preflight = http.options(
        "/v1/transcripts",
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "DELETE",
            "access-control-request-headers": "authorization",
        },
    )
    rebound = http.get("/v1/models", headers={"host": "evil.example"})

    assert (foreign.status_code, error_of(foreign)["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in foreign.headers
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert rebound.status_code == 403


@pytest.mark.long
def test_a_ticket_is_given_to_who_has_the_key() -> None:
    settings = Settings(port=0, save=False, api_key="secret")
    with ScriptedServices(settings) as services, running_server(services) as server:
        refused = httpx.post(f"{server.url}/v1/tickets")
        given = httpx.post(f"{server.url}/v1/tickets", headers={"x-api-key": "secret"})
        page = httpx.get(server.url)
        models = httpx.get(f"{server.url}/v1/models")

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (given.status_code, given.json()["expires_in_ms"]) == (201, TICKET_MS)
    assert page.status_code == 200
    assert (models.status_code, models.json()["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize(("path", "is_openai"), [("/v1/models/boom", True), ("/boom", False)])
def test_a_bug_is_logged_once_and_shown_to_nobody(path: str, is_openai: bool) -> None:
    async def boom(_: Request) -> Response:
        raise RuntimeError("password=hunter2")

    with ScriptedServices(SETTINGS) as services:
        server = Server(services)
        server.config.app.router.routes.insert(0, Route(path, boom))  # type: ignore[union-attr]
        with structlog.testing.capture_logs() as lines:
            response = ask(server, path)

    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert ("type" in response.json()["error"]) is is_openai
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["request broke"]


def ask(server: Server, path: str) -> httpx.Response:
    """One request, without sockets."""
    import asyncio

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(server.config.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(main())


def test_a_request_writes_one_line() -> None:
    with ScriptedServices(SETTINGS) as services:
        server = Server(services)
        with structlog.testing.capture_logs() as lines:
            ask(server, "/v1/models/nobody")

    (line,) = lines
    assert (line["event"], line["method"], line["path"], line["status"]) == (
        "request",
        "GET",
        "/v1/models/nobody",
        404,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "voice.lan"])
def test_a_server_that_others_can_reach_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="--api-key") as refusal:
        check_exposure(Settings(host=host))
    assert refusal.value.param == "api_key"

    check_exposure(Settings(host=host, api_key="secret"))


def test_an_address_that_is_taken_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            ScriptedServices(Settings(port=port)) as services,
            pytest.raises(ConfigError, match="--port"),
        ):
            run_server(services)


@pytest.mark.long
def test_no_thread_is_left_when_a_server_has_stopped() -> None:
    before = set(threading.enumerate())
    with ScriptedServices(SETTINGS) as services, running_server(services) as server:
        httpx.get(f"{server.url}/v1/models")

    assert set(threading.enumerate()) - before == set()


PROGRAM = """
from gapless.serve.server import run_server
from gapless.settings import Settings
from gapless.testing.services import ScriptedServices

with ScriptedServices(Settings(port=0, save=False)) as services:
    run_server(services, on_ready=lambda at: print(at.url, flush=True))
print("closed in order", flush=True)
"""


@pytest.mark.long
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
def test_a_signal_stops_the_server_in_order(stop: signal.Signals, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        assert httpx.get(f"{url}/health/live").status_code == 200
        program.send_signal(stop)
        rest, _ = program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()

    assert rest.splitlines()[-1] == "closed in order"
    assert program.returncode == 0


def test_the_answer_to_a_probe_has_the_type_it_says(http: httpx.Client) -> None:
    response = http.get("/health/ready")

    assert response.headers["content-type"] == "application/json"
    assert msgspec.json.decode(response.content)["ready"] is True
