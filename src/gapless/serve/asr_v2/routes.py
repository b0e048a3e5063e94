"""The addresses of the ASR v2 dialect.

In: upgrades and requests. Out: connections served, answers. Thread: the event loop's.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gapless.errors import ProtocolError
from gapless.listen.recogniser.shelf.shelf import DEFAULT_NAMES
from gapless.serve.asr_v2.batch import read_wish
from gapless.serve.asr_v2.dialect import CONTROLS, AsrV2Dialect
from gapless.serve.recordings import RecordingEndpoint, Wish
from gapless.serve.services import Services
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.websocket import websocket_route
from gapless.serve.uploads import Uploads

MAX_OPAQUE_CHARS: Final = 1000

POLICY: Final = Policy(dialect="asr_v2")


def routes(services: Services, streams: Streams, uploads: Uploads) -> list[Route | WebSocketRoute]:
    """``/v2/decode/stream/{model}`` and ``/v2/decode/batch/{model}``."""

    def wish(request: Request) -> Wish:
        return read_wish(request, _model(request.path_params["model"]))

    return [
        websocket_route("/v2/decode/stream/{model}", streams, _make_dialect, policy=POLICY),
        Route(
            "/v2/decode/batch/{model}",
            RecordingEndpoint(services, uploads, wish),
            methods=["POST"],
        ),
    ]


def _make_dialect(websocket: WebSocket) -> AsrV2Dialect:
    query = websocket.query_params
    control, opaque = query.get("control", ""), query.get("opaque")
    if control not in CONTROLS:
        raise ProtocolError(
            f"control = {control[:100]!r} is not known; leave it out, or say v2b", param="control"
        )
    if opaque is not None and len(opaque) > MAX_OPAQUE_CHARS:
        raise ProtocolError(
            f"opaque is longer than {MAX_OPAQUE_CHARS} characters; shorten it", param="opaque"
        )
    return AsrV2Dialect(_model(websocket.path_params["model"]), CONTROLS[control], opaque)


def _model(name: str) -> str | None:
    return None if name in DEFAULT_NAMES else name[:200]
