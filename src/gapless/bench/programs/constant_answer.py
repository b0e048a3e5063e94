"""The HTTP stack of the server with nothing behind it: ``python -m gapless.bench.programs.constant_answer FILE``.

In: a file. Out: a server on a free port that reads every request to its end and answers with the file; its address on
standard output. Invariants: the same libraries and settings as in ``serve/server.py``. Thread: main.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

BACKLOG = 8192
KEEP_ALIVE_S = 75


def main() -> None:
    """Serve until the end of this process."""
    answer = Path(sys.argv[1]).read_bytes()
    headers = [
        (b"content-length", b"%d" % len(answer)),
        (b"content-type", b"application/json"),
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as place:
        sys.stdout.write(f"http://127.0.0.1:{place.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            app,
            http="httptools",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        uvicorn.Server(config).run([place])


if __name__ == "__main__":
    main()
