"""Who may come in: keys, tickets, origins and host names.

In: the headers of a request or an upgrade. Out: nothing, or an ``AccessError`` with what to do about it.
Invariants: secrets are compared in constant time; a ticket is good once, for a minute, and their number is bounded;
a page of a foreign origin is refused whatever it carries, and so is a foreign name for a loopback address (the trick of
DNS rebinding). Thread: the event loop's.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gapless.errors import AccessError, ForbiddenError, OverloadError
from gapless.serve.address import is_loopback
from gapless.serve.realtime.secrets import ClientSecrets
from gapless.serve.stream.messages import TICKET_PARAM
from gapless.serve.workers.siblings import Siblings
from gapless.settings import Settings

TICKET_MS: Final = 60_000
MAX_TICKETS: Final = 1024

DECIDING_HEADERS: Final = frozenset({b"host", b"origin", b"authorization", b"x-api-key"})
"""All that the rules look at in a request that is no upgrade, but for its path."""

MAX_KNOWN: Final = 1024
"""Sets of such headers that are remembered."""

MAX_KNOWN_BYTES: Final = 1024
"""Of one set; without a key anybody on this machine may send what they like."""

TICKET: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

TICKETS_PATH: Final = "/inside/tickets"
"""Where a worker is asked for tickets of its own; answered inside only."""

REALTIME_PATH: Final = "/v1/realtime"
"""Where a client secret opens the door."""

KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""What OpenAI's clients in browsers put before the key, among the subprotocols."""


class Visit(msgspec.Struct, frozen=True):
    """What a request shows at the door."""

    path: str
    host: str | None = None
    """The ``Host`` header."""
    origin: str | None = None
    """The ``Origin`` header: sent by browsers, and only by them."""
    key: str | None = None
    ticket: str | None = None
    """A one-time ticket, on upgrades to a WebSocket."""
    is_upgrade: bool = False
    """Whether it wants a WebSocket."""


class Tickets:
    """Short-lived keys for browsers, whose WebSockets carry no headers.

    Args:
        worker: the one that issues them, which is the one that knows whether they were used; empty: there is one only.
    """

    def __init__(self, worker: str = "") -> None:
        self._prefix = worker and f"{worker}."
        self._expiry_ms: dict[str, int] = {}
        """In the order of issue, which is the order of expiry."""

    def issue(self, now_ms: int) -> str:
        """A new ticket.

        Raises:
            OverloadError: too many are waiting to be used.
        """
        self._forget_expired(now_ms)
        if len(self._expiry_ms) >= MAX_TICKETS:
            raise OverloadError(
                "too many tickets wait to be used; try again in a minute", retry_after_ms=TICKET_MS
            )
        ticket = f"{self._prefix}{secrets.token_urlsafe(24)}"
        self._expiry_ms[ticket] = now_ms + TICKET_MS
        return ticket

    def redeem(self, ticket: str, now_ms: int) -> bool:
        """Whether ``ticket`` is good; it is not a second time."""
        self._forget_expired(now_ms)
        return self._expiry_ms.pop(ticket, None) is not None

    def waiting(self, now_ms: int) -> int:
        """How many may still be used."""
        self._forget_expired(now_ms)
        return len(self._expiry_ms)

    def _forget_expired(self, now_ms: int) -> None:
        for ticket, expiry_ms in list(self._expiry_ms.items()):
            if expiry_ms > now_ms:
                return
            del self._expiry_ms[ticket]


class Access:
    """The rules of one server.

    Args:
        settings: the key, the address that is listened on and the origins that may connect.
        open_paths: what is shown to everybody: the console's files, the health of the server.
        siblings: the other workers of the server; None: there are none.
    """

    def __init__(
        self, settings: Settings, open_paths: frozenset[str], siblings: Siblings | None = None
    ) -> None:
        self._key = settings.api_key.encode() if settings.api_key else None
        self.siblings: Final = siblings
        self.tickets: Final = Tickets("" if siblings is None else siblings.name)
        # Another key for the server is the end of the secrets that the old one gave.
        self.secrets: Final = ClientSecrets(
            None if siblings is None else hmac.digest(siblings.secret, self._key or b"", "sha256")
        )
        self._open_paths = open_paths
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.allowed_origins)
        self._hosts = frozenset(urlsplit(origin).hostname for origin in self._origins)
        self._only_loopback = is_loopback(settings.host)
        self._known: set[tuple[tuple[bytes, bytes], ...]] = set()

    def knows(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether a request with such headers may pass everywhere, because one passed that was no upgrade.

        Who asks a thousand times a second shows the same ones each time.
        """
        return _deciding(headers) in self._known

    def remember(self, scope: Scope) -> None:
        """A request has passed; those like it need not be checked again, unless its path is open to everybody."""
        if scope["path"] in self._open_paths:
            return
        shown = _deciding(scope["headers"])
        if sum(len(value) for _, value in shown) > MAX_KNOWN_BYTES:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.add(shown)

    def check(self, visit: Visit, now_ms: int) -> None:
        """Let ``visit`` pass.

        Raises:
            ForbiddenError: a foreign origin or host name.
            AccessError: no key where one is needed, or a wrong one.
        """
        self._check_host(visit)
        self._check_origin(visit)
        if self._key is None or visit.path in self._open_paths:
            return
        if visit.key is not None and hmac.compare_digest(visit.key.encode(), self._key):
            return
        if self._is_secret_good(visit, now_ms):
            return
        if visit.ticket is not None and self.tickets.redeem(visit.ticket, now_ms):
            return
        if visit.key is None and visit.ticket is None:
            raise AccessError("this server needs a key; send it as Authorization: Bearer KEY")
        raise AccessError(
            "the key or ticket is not good; check the key, or get a new ticket from POST /v1/tickets"
        )

    def _is_secret_good(self, visit: Visit, now_ms: int) -> bool:
        """Whether ``visit`` wants a Realtime session and has a secret that opens one."""
        if not visit.is_upgrade or visit.path != REALTIME_PATH:
            return False
        return self.secrets.find(visit.key, now_ms) is not None

    def _check_host(self, visit: Visit) -> None:
        if not self._only_loopback or visit.host is None:
            return
        name = _hostname(visit.host)
        if name is None or not (is_loopback(name) or name in self._hosts):
            raise ForbiddenError(
                f"this server listens on loopback and does not answer to the name {visit.host!r}; "
                "use 127.0.0.1, or add the address to allowed_origins"
            )

    def _check_origin(self, visit: Visit) -> None:
        if visit.origin is None:
            return
        origin = visit.origin.lower()
        same = visit.host is not None and urlsplit(origin).netloc == visit.host.lower()
        if not same and origin not in self._origins:
            raise ForbiddenError(
                f"pages of {visit.origin} may not connect; add that origin to allowed_origins"
            )


class AccessControl:
    """ASGI middleware: checks every request and upgrade before anything else is done for it.

    What another worker asks has been checked there.
    """

    def __init__(self, app: ASGIApp, access: Access, now_ms: Callable[[], int]) -> None:
        self._app = app
        self._access = access
        self._now_ms = now_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise what refuses it."""
        siblings = self._access.siblings
        if siblings is not None and siblings.is_inside(scope):
            pass
        elif scope["type"] == "http":
            if not self._access.knows(scope["headers"]):
                self._access.check(_visit(scope), self._now_ms())
                self._access.remember(scope)
        elif scope["type"] == "websocket":
            await self._check_upgrade(_visit(scope))
        await self._app(scope, receive, send)

    async def _check_upgrade(self, visit: Visit) -> None:
        try:
            self._access.check(visit, self._now_ms())
        except ForbiddenError:
            raise
        except AccessError:
            if visit.ticket is None or not await self._is_good_elsewhere(visit.ticket):
                raise

    async def _is_good_elsewhere(self, ticket: str) -> bool:
        """Whether the worker that issued a ticket takes it."""
        siblings = self._access.siblings
        worker, _, _ = ticket.partition(".")
        if siblings is None or siblings.path_of(worker) is None or not TICKET.fullmatch(ticket):
            return False
        reply = await siblings.request(worker, "POST", f"{TICKETS_PATH}/{ticket}")
        return reply is not None and reply.status == 204


def ticket_routes(access: Access, now_ms: Callable[[], int]) -> list[Route]:
    """``POST /v1/tickets``: the key is shown once, the ticket goes into the WebSocket's address."""

    async def issue(_: Request) -> Response:
        body = {"token": access.tickets.issue(now_ms()), "expires_in_ms": TICKET_MS}
        return Response(
            msgspec.json.encode(body),
            201,
            {"cache-control": "no-store"},
            media_type="application/json",
        )

    return [Route("/v1/tickets", issue, methods=["POST"])]


def shown_key(headers: Mapping[str, str]) -> str | None:
    """The key that headers, or gRPC's metadata, carry.

    ``authorization: Bearer KEY``; ``authorization: Token KEY``, as Deepgram's clients have it; or ``x-api-key: KEY``.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else headers.get("x-api-key")


def upgrade_key(scope: Scope) -> str | None:
    """The key of an upgrade to a WebSocket: that of its headers, or one among its subprotocols.

    OpenAI's clients in browsers put it behind ``KEY_SUBPROTOCOL``, Deepgram's offer ``token`` and then the key.
    """
    offered = scope.get("subprotocols", ())
    named = (
        name.removeprefix(KEY_SUBPROTOCOL) for name in offered if name.startswith(KEY_SUBPROTOCOL)
    )
    beside = offered[1] if len(offered) == 2 and offered[0] in ("token", "bearer") else None
    return shown_key(Headers(scope=scope)) or next(named, beside)


def _visit(scope: Scope) -> Visit:
    headers = Headers(scope=scope)
    is_upgrade = scope["type"] == "websocket"
    ticket = None
    if is_upgrade and scope["query_string"]:
        ticket = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get(TICKET_PARAM)
    return Visit(
        path=scope["path"],
        host=headers.get("host"),
        origin=headers.get("origin"),
        key=upgrade_key(scope) if is_upgrade else shown_key(headers),
        ticket=ticket,
        is_upgrade=is_upgrade,
    )


def _deciding(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    # A list is quicker than a generator, and this runs for every request.
    return tuple([pair for pair in headers if pair[0] in DECIDING_HEADERS])


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
