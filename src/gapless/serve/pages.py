"""The console: a folder of static files, held in memory.

In: ``serve/console/``. Out: one route per file, and shorter ones for the pages ``/``, ``/play`` and ``/status``.
Invariants: nothing outside the folder can be asked for, for there are no paths to join; a page may load nothing from
anywhere else, and nobody may frame it. Thread: the event loop's (files are read once, at start).
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = "console"

PAGES: Final = {"/index.html": "/", "/play.html": "/play", "/status.html": "/status"}
"""Files that have a second address, which is the one that people see."""

PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-cache",
    "permissions-policy": "microphone=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""For every page and what it loads. ``no-cache`` means: ask again each time, by entity tag."""

MEDIA_TYPES: Final = {".js": "text/javascript", ".flac": "audio/flac", ".svg": "image/svg+xml"}
"""Where machines differ in what they know of suffixes."""


def page_routes() -> list[Route]:
    """A route for every file of the console."""
    folder = resources.files("gapless.serve") / FOLDER
    routes: list[Route] = []
    for path, file in _walk(folder, "/"):
        routes.append(_route(path, file.name, file.read_bytes()))
        if path in PAGES:
            routes.append(_route(PAGES[path], file.name, file.read_bytes()))
    return routes


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("."):
            yield prefix + entry.name, entry


def _route(path: str, name: str, content: bytes) -> Route:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    suffix = "." + name.rpartition(".")[2]
    media_type = MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0]
    headers = {**PAGE_HEADERS, "etag": tag}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, answer, include_in_schema=False)
