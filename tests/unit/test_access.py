from __future__ import annotations

import pytest

from gapless.errors import AccessError, ForbiddenError, OverloadError
from gapless.serve.access import MAX_TICKETS, TICKET_MS, Access, Visit
from gapless.serve.address import is_loopback
from gapless.settings import Settings

HOST = "127.0.0.1:8000"
OPEN = frozenset({"/", "/health/live"})


def visit(
    path: str = "/v1/transcripts",
    *,
    host: str | None = HOST,
    origin: str | None = None,
    key: str | None = None,
    ticket: str | None = None,
) -> Visit:
    return Visit(path, host, origin, key, ticket)


def test_without_a_key_everybody_on_this_machine_may_come_in() -> None:
    Access(Settings(), OPEN).check(visit(), 0)


@pytest.mark.parametrize("key", [None, "", "wrong", "secre", "secrets", "geheim-ü"])
def test_where_a_key_is_set_nothing_else_opens(key: str | None) -> None:
    access = Access(Settings(api_key="secret"), OPEN)

    with pytest.raises(AccessError) as refusal:
        access.check(visit(key=key), 0)
    assert refusal.value.code == "unauthorized"
    access.check(visit(key="secret"), 0)


@pytest.mark.parametrize("path", sorted(OPEN))
def test_open_paths_need_no_key(path: str) -> None:
    Access(Settings(api_key="secret"), OPEN).check(visit(path), 0)


def test_a_ticket_is_good_once() -> None:
    access = Access(Settings(api_key="secret"), OPEN)
    ticket = access.tickets.issue(0)

    access.check(visit(ticket=ticket), TICKET_MS - 1)

    with pytest.raises(AccessError):
        access.check(visit(ticket=ticket), TICKET_MS - 1)


def test_a_ticket_is_good_for_a_minute() -> None:
    access = Access(Settings(api_key="secret"), OPEN)
    ticket = access.tickets.issue(0)

    with pytest.raises(AccessError, match="new ticket"):
        access.check(visit(ticket=ticket), TICKET_MS)


def test_the_number_of_tickets_is_bounded_and_used_or_expired_ones_make_room() -> None:
    access = Access(Settings(api_key="secret"), OPEN)
    tickets = [access.tickets.issue(0) for _ in range(MAX_TICKETS)]
    assert len(set(tickets)) == MAX_TICKETS
    with pytest.raises(OverloadError):
        access.tickets.issue(1)

    access.check(visit(ticket=tickets[5]), 1)
    access.tickets.issue(1)
    with pytest.raises(OverloadError):
        access.tickets.issue(1)
    access.tickets.issue(TICKET_MS)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:9000",
        "http://127.0.0.1",
        "null",
        "http://127.0.0.1:8000.evil.example",
        "file://",
        "",
    ],
)
def test_a_page_of_another_origin_is_refused_even_with_the_key(origin: str) -> None:
    access = Access(Settings(api_key="secret"), OPEN)

    for path in ("/v1/transcripts", "/"):
        with pytest.raises(ForbiddenError):
            access.check(visit(path, origin=origin, key="secret"), 0)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://app.lan", "HTTPS://APP.lan"])
def test_pages_of_our_own_and_of_allowed_origins_may_connect(origin: str) -> None:
    Access(Settings(allowed_origins=("https://app.lan/",)), OPEN).check(visit(origin=origin), 0)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "192.168.1.7:8000", "[::", ""]
)
def test_a_foreign_name_for_a_loopback_address_is_refused(host: str) -> None:
    with pytest.raises(ForbiddenError, match="allowed_origins"):
        Access(Settings(), OPEN).check(visit(host=host, origin=f"http://{host}"), 0)


@pytest.mark.parametrize(
    "host",
    [None, "localhost", "localhost:8000", "127.0.0.1", "[::1]:8000", "app.lan", "APP.lan:80"],
)
def test_loopback_names_and_those_of_allowed_origins_are_answered(host: str | None) -> None:
    Access(Settings(allowed_origins=("https://app.lan",)), OPEN).check(visit(host=host), 0)


def test_a_server_on_the_network_answers_to_any_name() -> None:
    access = Access(Settings(host="0.0.0.0", api_key="secret"), OPEN)

    access.check(visit(host="gapless.lan:8000", key="secret"), 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("LOCALHOST", True),
        ("a.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_only_loopback_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
