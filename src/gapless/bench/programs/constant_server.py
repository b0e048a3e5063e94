"""A server that answers everybody the same: ``python -m gapless.bench.programs.constant_server PORT``.

In: a port. Out: "ok" to whoever gets anything over HTTP, until it is terminated. Thread: main, on an event loop.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def answer(_: Request) -> PlainTextResponse:
    """Say ok."""
    return PlainTextResponse("ok")


def main() -> None:
    """Serve."""
    application = Starlette(routes=[Route("/{path:path}", answer)])
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
