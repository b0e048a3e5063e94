"""A Redis of one's own, on a socket in a private folder.

In: nothing. Out: an empty server that keeps nothing on the disk, and its URL. Invariants: those of ``PrivateServer``;
nothing listens on the network. Thread: one at a time.
"""

from __future__ import annotations

import shutil
from typing import Final, final

from gapless.errors import MissingDependencyError
from gapless.testing.private_server import PrivateServer

PROGRAMS: Final = (("redis-server", "redis-cli"), ("valkey-server", "valkey-cli"))
"""Either will do; a server and the client of its package."""


def redis_programs() -> tuple[str, str]:
    """A server that is installed, and its client.

    Raises:
        MissingDependencyError: there is none.
    """
    for server, client in PROGRAMS:
        if shutil.which(server) and shutil.which(client):
            return server, client
    raise MissingDependencyError(
        "neither Redis nor Valkey is installed; on Debian add redis-server"
    )


@final
class RedisServer(PrivateServer):
    """A server; a context manager. Killed and started again, it is empty.

    Args:
        settings: of the server, by name; ``{"maxmemory": "10mb"}`` for instance.
    """

    def __init__(self, *, settings: dict[str, str] | None = None) -> None:
        super().__init__()
        self._socket: Final = self.dir / "redis.sock"
        self._settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "dir": str(self.dir),
            "save": "",
            "appendonly": "no",
        } | (settings or {})

    @property
    def url(self) -> str:
        """What leads to it."""
        return f"unix://{self._socket}"

    def flush(self) -> None:
        """Forget everything."""
        self._client("FLUSHALL")

    def _start_programs(self) -> None:
        server, _ = redis_programs()
        options = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        self.run(server, *options)
        self._wait_until(lambda: self._client("PING") == "PONG\n", "a Redis that answers")

    def _client(self, *command: str) -> str | None:
        _, client = redis_programs()
        return self.ask(client, "-s", str(self._socket), *command)
