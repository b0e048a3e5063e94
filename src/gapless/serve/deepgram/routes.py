"""Deepgram's address, ``/v1/listen``: live over a WebSocket, recordings over ``POST``.

In: upgrades and requests. Out: connections served, answers. Invariants: a query that cannot be followed is refused
before the upgrade. Thread: the event loop's.
"""

from __future__ import annotations

import uuid
from typing import Final

from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gapless.serve.deepgram.dialect import IDLE_MS, DeepgramDialect
from gapless.serve.deepgram.query import read_query
from gapless.serve.deepgram.recorded import iso_now, read_wish
from gapless.serve.recordings import RecordingEndpoint
from gapless.serve.services import Services
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.websocket import websocket_route
from gapless.serve.uploads import Uploads

PATH: Final = "/v1/listen"

POLICY: Final = Policy(dialect="deepgram", idle_timeout_ms=IDLE_MS)


def routes(services: Services, streams: Streams, uploads: Uploads) -> list[Route | WebSocketRoute]:
    """``/v1/listen``."""

    def make_dialect(websocket: WebSocket) -> DeepgramDialect:
        asked = read_query(websocket.query_params.multi_items())
        return DeepgramDialect(asked, str(uuid.uuid4()), iso_now())

    return [
        websocket_route(
            PATH, streams, make_dialect, policy=POLICY, subprotocols=("token", "bearer")
        ),
        Route(PATH, RecordingEndpoint(services, uploads, read_wish), methods=["POST"]),
    ]
