"""What workers ask of one another, besides what everybody may ask.

In: requests and upgrades over the Unix socket of this worker. Out: streams of its own, resumed; whether a ticket of its
own is good. Invariants: nothing of this is answered to anybody else. Thread: the event loop's.
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gapless.errors import ProtocolError
from gapless.serve.access import TICKETS_PATH, Tickets
from gapless.serve.stream.connection import Connection
from gapless.serve.stream.endpoint import NativeDialect
from gapless.serve.stream.live import now_ms
from gapless.serve.stream.messages import ResumeMessage
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.websocket import WebSocketChannel
from gapless.serve.workers.passage import RESUME_HEADER, RESUME_PATH
from gapless.serve.workers.siblings import Siblings


def routes(siblings: Siblings, streams: Streams, tickets: Tickets) -> list[Route | WebSocketRoute]:
    """The addresses that only the other workers have."""

    async def redeem(request: Request) -> Response:
        _check_inside(request, siblings)
        is_good = tickets.redeem(request.path_params["ticket"], now_ms())
        return Response(status_code=204 if is_good else 404)

    async def resume(websocket: WebSocket) -> None:
        _check_inside(websocket, siblings)
        wish = _wish(websocket.headers.get(RESUME_HEADER, ""))
        live = streams.find(wish)
        await websocket.accept()
        live.session.resume(wish, now_ms())
        live.touch()
        connection = Connection(WebSocketChannel(websocket), streams, NativeDialect(websocket))
        await streams.keep(connection.run(live))

    return [
        Route(f"{TICKETS_PATH}/{{ticket}}", redeem, methods=["POST"]),
        WebSocketRoute(RESUME_PATH, resume),
    ]


def _check_inside(connection: HTTPConnection, siblings: Siblings) -> None:
    if not siblings.is_inside(connection.scope):
        raise HTTPException(404)


def _wish(text: str) -> ResumeMessage:
    try:
        return msgspec.json.decode(unquote(text), type=ResumeMessage)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"no wish to resume: {error}; send the header of a worker") from error
