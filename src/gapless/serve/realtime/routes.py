"""The addresses of OpenAI's Realtime dialect.

In: upgrades at ``GET /v1/realtime``; requests for secrets at ``POST /v1/realtime/client_secrets``, and at
``POST /v1/realtime/transcription_sessions`` as the beta has it. Out: sessions, and secrets that open them.
Invariants: a secret opens sessions here and nothing else. Thread: the event loop's.
"""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gapless.errors import ProtocolError
from gapless.serve.access import REALTIME_PATH, Access, upgrade_key
from gapless.serve.realtime.config import Config, SessionTerms, shown, updated
from gapless.serve.realtime.dialect import RealtimeDialect
from gapless.serve.stream.live import now_ms
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.websocket import websocket_route
from gapless.settings import Settings

SUBPROTOCOL: Final = "realtime"
BETA_SUBPROTOCOL: Final = "openai-beta.realtime-v1"
BETA_HEADER: Final = "realtime=v1"

SESSION_MS: Final = 3_600_000
"""How long a session lasts at most: an hour, as OpenAI's."""

POLICY: Final = Policy(dialect="openai", idle_timeout_ms=SESSION_MS)
"""Clients keep connections for later, and send nothing meanwhile."""

SECRET_S: Final = 600
"""How long a secret is good where nothing is said."""

Asked = TypeVar("Asked")


class SecretExpiry(Struct, frozen=True, kw_only=True):
    """When a secret is to expire."""

    anchor: Literal["created_at"] = "created_at"
    """From when on it is counted."""
    seconds: Annotated[int, Meta(ge=10, le=7200)] = SECRET_S
    """How long."""


class SecretRequest(Struct, frozen=True, kw_only=True):
    """What a secret is asked for."""

    expires_after: SecretExpiry = SecretExpiry()
    """How long it is good."""
    session: dict[str, Any] = {}
    """What sessions are like that it opens, as in ``session.update``."""


class ClientSecret(Struct, frozen=True, kw_only=True):
    """Opens sessions at ``/v1/realtime`` until it expires, in place of the key."""

    value: str
    expires_at: int
    """Unix time in seconds."""


class SecretAnswer(ClientSecret, frozen=True, kw_only=True):
    """A secret, and what sessions are like that it opens."""

    session: dict[str, Any]


class BetaSecretWish(Struct, frozen=True, kw_only=True):
    """How a secret is to be, in the beta."""

    expires_at: SecretExpiry = SecretExpiry()
    """How long it is good."""


class BetaSecretRequest(Struct, frozen=True, kw_only=True):
    """What a secret is asked for, in the beta: the other fields are those of the session."""

    client_secret: BetaSecretWish = BetaSecretWish()
    """How the secret is to be."""


def routes(streams: Streams, access: Access) -> list[Route | WebSocketRoute]:
    """The dialect's addresses."""
    settings = streams.settings

    def make_dialect(websocket: WebSocket) -> RealtimeDialect:
        return _dialect(websocket, access, settings)

    async def create_secret(request: Request) -> Response:
        asked = await _body(request, SecretRequest)
        config = updated(Config(), asked.session)
        secret = _issue(access, config, asked.expires_after)
        session = shown(config, None, _terms(settings), beta=False)
        return _json(
            SecretAnswer(value=secret.value, expires_at=secret.expires_at, session=session)
        )

    async def create_beta_session(request: Request) -> Response:
        session = await _body(request, dict[str, Any])
        asked = _convert(session, BetaSecretRequest)
        config = updated(Config(), session)
        secret = _issue(access, config, asked.client_secret.expires_at)
        return _json({**shown(config, None, _terms(settings), beta=True), "client_secret": secret})

    return [
        websocket_route(
            REALTIME_PATH, streams, make_dialect, policy=POLICY, subprotocols=(SUBPROTOCOL,)
        ),
        Route(f"{REALTIME_PATH}/client_secrets", create_secret, methods=["POST"]),
        Route(f"{REALTIME_PATH}/transcription_sessions", create_beta_session, methods=["POST"]),
    ]


def _dialect(websocket: WebSocket, access: Access, settings: Settings) -> RealtimeDialect:
    """What the upgrade asks for, on top of what its secret does."""
    config = access.secrets.find(upgrade_key(websocket.scope), now_ms()) or Config()
    model = websocket.query_params.get("model", "")
    if model:
        config = updated(config, {"audio": {"input": {"transcription": {"model": model}}}})
    if websocket.query_params.get("intent", "transcription") != "transcription":
        raise ProtocolError(
            "only transcription is served here; connect with intent=transcription", param="intent"
        )
    beta = (
        websocket.headers.get("openai-beta", "").strip() == BETA_HEADER
        or BETA_SUBPROTOCOL in websocket.scope["subprotocols"]
    )
    return RealtimeDialect(_terms(settings), config, beta=beta)


def _terms(settings: Settings) -> SessionTerms:
    return SessionTerms(
        id=f"sess_{secrets.token_hex(12)}",
        expires_at=int(time.time()) + SESSION_MS // 1000,
        ends_ms=now_ms() + SESSION_MS,
        max_event_bytes=settings.max_frame_bytes,
    )


def _issue(access: Access, config: Config, expiry: SecretExpiry) -> ClientSecret:
    value = access.secrets.issue(config, expiry.seconds * 1000, now_ms())
    return ClientSecret(value=value, expires_at=int(time.time()) + expiry.seconds)


async def _body(request: Request, kind: type[Asked]) -> Asked:
    body = await request.body()
    try:
        return _convert(msgspec.json.decode(body or b"{}"), kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"the body is no JSON ({error}); send an object") from error


def _convert(body: object, kind: type[Asked]) -> Asked:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at ")
        param = path.strip("`").removeprefix("$").removeprefix(".") or None
        raise ProtocolError(
            f"{param or 'the body'} is not usable: {sentence}; /docs says what is allowed",
            param=param,
        ) from error


def _json(body: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")
