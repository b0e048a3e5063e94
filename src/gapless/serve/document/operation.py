"""One entry of the table behind ``/openapi.json``.

In: what one method at one address does. Out: frozen structs. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Answer(Struct, frozen=True):
    """What comes back when all is well."""

    status: int
    description: str
    content: dict[str, tuple[Any, ...]] = {}
    """Media types and the types, one or the other, of what they hold."""
    headers: dict[str, str] = {}
    """Names and meanings."""


class Socket(Struct, frozen=True):
    """What is said over a WebSocket."""

    subprotocol: str
    client: Any
    """Type of the client's text messages."""
    server: Any
    """Type of the server's."""
    close_codes: dict[int, str]


class Operation(Struct, frozen=True, kw_only=True):
    """One method at one address."""

    method: Literal["get", "post", "put", "delete"]
    path: str
    name: str
    """The operation's id, for programs."""
    group: str
    summary: str
    description: str
    answers: tuple[Answer, ...]
    errors: dict[int, str] = {}
    """Statuses of refusals, besides those that every operation has."""
    path_parameters: dict[str, str] = {}
    header_parameters: dict[str, str] = {}
    """Headers that may be sent, and what they do."""
    query: type[Struct] | None = None
    form: type[Struct] | None = None
    body: type[Struct] | None = None
    """What the JSON of a request holds. Beside a form: either may be sent."""
    socket: Socket | None = None
    is_open: bool = False
    """No key is asked for."""
    samples: dict[str, str] = {}
    """Languages and a few lines to try."""

    @property
    def types(self) -> list[Any]:
        """All types that it speaks of."""
        kinds = [
            kind for answer in self.answers for held in answer.content.values() for kind in held
        ]
        kinds += [fields for fields in (self.form, self.query, self.body) if fields is not None]
        if self.socket is not None:
            kinds += [self.socket.client, self.socket.server]
        return kinds

    @property
    def all_errors(self) -> dict[int, str]:
        """Statuses of all refusals, in order."""
        key = {} if self.is_open else {401: "No key, or a wrong one."}
        return dict(sorted({**key, 403: "A foreign origin or host name.", **self.errors}.items()))
