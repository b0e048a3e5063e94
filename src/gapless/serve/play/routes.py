"""``GET /v1/play``: a WebSocket over which programs sound.

In: upgrades. Out: players, until one side closes. Invariants: at most ``max_players`` at a time, and none while the
server stops: one more is refused before the upgrade; a place is free again when all that its player held is let go.
Thread: the event loop's.
"""

from __future__ import annotations

import secrets
from typing import final

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from gapless.errors import OverloadError, ProtocolError
from gapless.serve.play.connection import Desk, PlayConnection
from gapless.serve.play.messages import SUBPROTOCOL, PlayOptions, play_options_of
from gapless.serve.play.session import PlaySession
from gapless.serve.services import Services
from gapless.serve.stream.close import POLICY
from gapless.serve.stream.live import now_ms
from gapless.serve.stream.registry import REFUSAL_RETRY_MS, Streams
from gapless.serve.stream.websocket import WebSocketChannel, serve_elsewhere


def routes(services: Services, streams: Streams) -> list[WebSocketRoute]:
    """``/v1/play``.

    Args:
        services: the engine.
        streams: waits for players too when the server stops.
    """
    return [WebSocketRoute("/v1/play", Players(services, streams).open)]


@final
class Players:
    """Those of a server."""

    def __init__(self, services: Services, streams: Streams) -> None:
        self._services = services
        self._streams = streams
        self._open = 0

    async def open(self, websocket: WebSocket) -> None:
        """Serve one more.

        Raises:
            OverloadError: there is no room for it.
        """
        try:
            self._admit()
        except OverloadError as error:
            await serve_elsewhere(websocket, self._streams, error)
            return
        self._open += 1
        try:
            offered = SUBPROTOCOL in websocket.scope["subprotocols"]
            await websocket.accept(SUBPROTOCOL if offered else None)
        except BaseException:
            self._leave()
            raise
        # A task of its own: when the server stops, it is waited for like the streams.
        task = self._streams.keep(self._connection(websocket).run())
        task.add_done_callback(lambda _: self._leave())
        await task

    def _admit(self) -> None:
        self._streams.check_open()
        most = self._services.settings.max_players
        if self._open >= most:
            raise OverloadError(
                f"all {most} players are taken; try again when somebody stops, or raise max_players",
                retry_after_ms=REFUSAL_RETRY_MS,
            )

    def _leave(self) -> None:
        self._open -= 1

    def _connection(self, websocket: WebSocket) -> PlayConnection:
        settings = self._services.settings
        options, refusal = PlayOptions(), None
        try:
            options = play_options_of(websocket.query_params.multi_items())
        except ProtocolError as error:
            # Said in a message after the upgrade, for browsers show pages nothing of a refused one.
            refusal = error

        def open_desk() -> Desk:
            # The synthesiser is loaded when somebody plays.
            from gapless.serve.play.desk import PerformanceDesk

            return PerformanceDesk(options.rate, settings.play_samples_paths)

        session = PlaySession(f"p{secrets.token_hex(10)}", options, settings, now_ms())
        if refusal is not None:
            session.refuse(refusal, POLICY)
        return PlayConnection(
            WebSocketChannel(websocket),
            session,
            open_desk=open_desk,
            executor=self._services.executor,
            draining=lambda: self._streams.draining,
        )
