"""ASGI middleware: compresses answers, for the sessions that have them compressed.

In: ASGI calls. Out: the same, smaller where the client accepts it. Thread: the event loop's.
"""

from __future__ import annotations

from typing import final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from gapless.serve.flags.call import is_on


@final
class Compression(GZipMiddleware):
    """See the module's head; its arguments are those of Starlette's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] == "http" and not (_is_accepted(scope) and is_on("compression")):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _is_accepted(scope: Scope) -> bool:
    # Most programs do not ask for it, and what Starlette does to find out takes longer.
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
