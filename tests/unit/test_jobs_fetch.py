"""Recordings from elsewhere are fetched from public addresses only, and cost no more than allowed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    TooLargeError,
)
from gapless.jobs.fetch import Address, FetchLimits, check_url, fetch, is_public

LIMITS = FetchLimits(max_bytes=100_000, total_s=20, silent_s=5, redirects=2)


class Site(BaseHTTPRequestHandler):
    """Says what its path asks for."""

    protocol_version = "HTTP/1.1"
    stopped = threading.Event()

    def do_GET(self) -> None:
        kind, _, detail = self.path.strip("/").partition("/")
        if kind == "bytes":
            self._answer(200, {"content-length": detail}, b"x" * int(detail))
        elif kind == "endless":
            self._answer(200, {"connection": "close"}, b"x" * 200_000)
        elif kind == "short":
            self._answer(200, {"content-length": "1000", "connection": "close"}, b"x" * 10)
        elif kind == "redirect":
            self._answer(302, {"location": detail or "/redirect", "content-length": "0"}, b"")
        elif kind == "drip":
            self._answer(200, {"connection": "close"}, b"x")
            while not self.stopped.wait(0.02):
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
        elif kind == "host":
            host = (self.headers["host"] or "").encode()
            self._answer(200, {"content-length": str(len(host))}, host)
        else:
            self._answer(int(kind), {"content-length": "0"}, b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    """Clients hang up here, which is no error."""

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    Site.stopped.clear()
    with running(Quiet(("127.0.0.1", 0), Site)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
        Site.stopped.set()


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def anywhere(_: Address) -> bool:
    return True


def whole(url: str, limits: FetchLimits = LIMITS) -> bytes:
    return b"".join(fetch(url, limits, anywhere))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_addresses_at_home_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:220:1::", "64:ff9b::5db8:d70e"])
def test_others_are(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}/bytes/5", "http://localhost:{port}/bytes/5", "http://[::1]:{port}/"],
)
def test_this_machine_is_not_asked(site: str, url: str) -> None:
    with pytest.raises(ForbiddenError) as refused:
        list(fetch(url.format(port=site.rpartition(":")[2]), LIMITS))
    assert refused.value.param == "url"


def test_a_redirect_does_not_lead_home(site: str) -> None:
    def only_first(_: Address, asked: list[int] = []) -> bool:  # noqa: B006 - counts its calls
        asked.append(1)
        return len(asked) == 1

    with pytest.raises(ForbiddenError):
        list(fetch(f"{site}/redirect/{site}/bytes/5", LIMITS, only_first))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "talk.wav",
        "file:///etc/passwd",
        "ftp://example.org/a.wav",
        "gopher://example.org/",
        "http://",
        "http://user@example.org/a.wav",
        "http://:word@example.org/a.wav",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://[::1/",
        "http://example.org/a b",
        "http://example.org/\r\nx: y",
        "http://exämple.org/",
        f"http://example.org/{'x' * 2100}",
    ],
)
def test_urls_that_cannot_be_used_are_refused(url: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_url(url)
    assert refused.value.param == "url"


def test_bytes_come_whole_over_redirects_and_with_the_host_that_was_named(site: str) -> None:
    assert whole(f"{site}/bytes/90000") == b"x" * 90_000
    assert whole(f"{site}/redirect//bytes/7") == b"x" * 7
    assert whole(site.replace("127.0.0.1", "localhost") + "/host").startswith(b"localhost:")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("bytes/100001", TooLargeError),
        ("endless", TooLargeError),
        ("short", ConnectionLostError),
        ("redirect", ProtocolError),
        ("redirect/ftp://example.org/", ProtocolError),
        ("404", NotFoundError),
        ("403", NotFoundError),
        ("204", NotFoundError),
        ("429", ConnectionLostError),
        ("503", ConnectionLostError),
    ],
)
def test_what_goes_wrong_is_said(site: str, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        whole(f"{site}/{path}")


@pytest.mark.long
def test_a_server_that_drips_for_ever_is_cut_off(site: str) -> None:
    limits = FetchLimits(max_bytes=10**9, total_s=0.3, silent_s=5)
    with pytest.raises(DeadlineError):
        whole(f"{site}/drip", limits)


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.server_close()
    with pytest.raises(ConnectionLostError):
        whole(f"http://127.0.0.1:{server.server_port}/")
