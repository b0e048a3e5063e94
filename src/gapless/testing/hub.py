"""A model hub on loopback that can misbehave: cut off, stall, send wrong bytes, ignore ranges, redirect.

In: repositories as ``owner/name`` to file names to contents, and faults by file name. Out: HTTP as Hugging Face's hub
speaks it (revision, tree, file with ranges). Invariants: each fault strikes once, then the file is served as it is.
Thread: a server thread, and one for each connection; ``requests`` may be read when they have ended.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias, final

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"

LARGE_BYTES: Final = 1000
"""From here on files are in Git LFS, and the hub tells their SHA-256; of smaller ones only Git's own sum."""

Fault: TypeAlias = Literal[
    "cut",
    "stall",
    "trickle",
    "corrupt",
    "truncate",
    "500",
    "404",
    "416",
    "no_ranges",
    "odd_range",
    "no_length",
    "redirect",
]

_RANGE: Final = re.compile(r"bytes=(\d+)-")


@final
class LocalHub:
    """The hub; a context manager.

    Args:
        repositories: what it has.
    """

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        """By file name; the first strikes first, each once."""
        self.requests: list[tuple[str, int]] = []
        """Files that were asked for, and from which byte on."""
        self._released = Event()
        handler = type("Handler", (_Request,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is, for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def released(self) -> Event:
        """Set when stalled answers are to end."""
        return self._released

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Request(BaseHTTPRequestHandler):
    hub: LocalHub

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/"):
            self._describe(*path.removeprefix("/api/models/").split("/"))
            return
        owner, name, _, _, *rest = path.removeprefix("/moved").strip("/").split("/")
        file = "/".join(rest)
        content = self.hub.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self._answer(404, b"")
            return
        faults = self.hub.faults[file]
        self._send(file, content, faults.pop(0) if faults else None)

    def _describe(self, owner: str, name: str, what: str, _revision: str) -> None:
        files = self.hub.repositories.get(f"{owner}/{name}")
        if files is None:
            self._answer(404, b"{}")
        elif what == "revision":
            self._answer(200, json.dumps({"id": f"{owner}/{name}", "sha": COMMIT}).encode())
        else:
            self._answer(200, json.dumps([_entry(*file) for file in files.items()]).encode())

    def _send(self, file: str, content: bytes, fault: Fault | None) -> None:
        begun = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(begun[1]) if begun else 0
        self.hub.requests.append((file, start))
        match fault:
            case "500" | "404" | "416":
                self._answer(int(fault), b"")
                return
            case "redirect":
                self._answer(302, b"", {"Location": f"/moved{self.path}"})
                return
            case "corrupt":
                content = bytes([content[0] ^ 1]) + content[1:]
            case "truncate":
                content = content[:-1]
            case "no_ranges" | "no_length":
                start = 0
                begun = None
        if begun and start >= len(content):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start:]
        told = start + 1 if fault == "odd_range" else start
        span = {"Content-Range": f"bytes {told}-{len(content) - 1}/{len(content)}"} if begun else {}
        if fault == "no_length":
            self._head(200, None, span)
            self.wfile.write(body[:-1])
            self.close_connection = True
            return
        self._head(206 if begun else 200, len(body), span)
        half = len(body) // 2
        if fault == "cut":
            self.wfile.write(body[:half])
            self.close_connection = True
        elif fault == "stall":
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.hub.released.wait(30)
        elif fault == "trickle":
            for at in range(0, len(body), max(half // 8, 1)):
                self.wfile.write(body[at : at + max(half // 8, 1)])
                self.wfile.flush()
        else:
            self.wfile.write(body)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        if length is not None:
            headers = {**headers, "Content-Length": str(length)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _entry(path: str, content: bytes) -> dict[str, object]:
    header = b"blob %d\0" % len(content)
    entry: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": len(content),
        "oid": hashlib.sha1(header + content, usedforsecurity=False).hexdigest(),
    }
    if len(content) >= LARGE_BYTES:
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return entry
