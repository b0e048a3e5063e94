"""Requests, counted where they are answered.

In: the ASGI scope, the status and the time of every request; codes of refusals. Out: counts by dialect, method and
route. Invariants: a route is a template, never what a client asked for, so that there are as many counts as routes;
what no route fits is counted as ``UNMATCHED``; counting one takes about a microsecond. Thread: the event loop's, but
for ``snapshot`` and ``rejected``, which any may call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, final

import msgspec
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Scope

from gapless.observe.histogram import Histogram, HistogramSnapshot
from gapless.serve.problem import dialect_of

METHODS: Final = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})

WEBSOCKET: Final = "WEBSOCKET"
"""As a method: an upgrade."""

OTHER_METHOD: Final = "other"

UNMATCHED: Final = "unmatched"
"""As a route: refused before one was looked for, or there is none."""

GONE: Final = 499
"""As a status: the client went away before it was answered."""


class RouteSnapshot(msgspec.Struct, frozen=True):
    """What became of the requests to one route."""

    dialect: str
    method: str
    route: str
    statuses: dict[int | str, int]
    seconds: HistogramSnapshot


@final
class RouteCount:
    """Requests to one route with one method."""

    __slots__ = ("_statuses", "_times", "dialect", "method", "route")

    def __init__(self, dialect: str, method: str, route: str) -> None:
        self.dialect: Final = dialect
        self.method: Final = method
        self.route: Final = route
        self._statuses: dict[int | str, int] = {}
        self._times = Histogram()

    def add(self, status: int | str, seconds: float | None) -> None:
        """Count one.

        Args:
            status: of its answer; 0: there was none.
            seconds: that it took; None: it lasted for as long as its client wanted.
        """
        try:
            self._statuses[status] += 1
        except KeyError:
            status = status or GONE
            self._statuses[status] = self._statuses.get(status, 0) + 1
        if seconds is not None:
            self._times.add(seconds)

    def snapshot(self) -> RouteSnapshot:
        """Everything so far."""
        return RouteSnapshot(
            self.dialect, self.method, self.route, self._statuses.copy(), self._times.snapshot()
        )


@final
class Requests:
    """All requests of a server, of every protocol that has any."""

    def __init__(self) -> None:
        self._templates: dict[Any, str | dict[frozenset[str], str]] = {}
        """By the function that answers; of one that answers at several addresses, by the names of their parameters."""
        self._counts: dict[tuple[str, str, str], RouteCount] = {}
        self._quick: dict[tuple[Any, str], RouteCount] = {}
        """By the function that answers and the method, where that is enough to know the route."""
        self._rejected: Counter[tuple[str, str]] = Counter()

    def learn(self, routes: Iterable[BaseRoute]) -> None:
        """Know the routes of an application."""
        found: dict[Any, list[tuple[frozenset[str], str]]] = {}
        for route in routes:
            if isinstance(route, Route | WebSocketRoute):
                names = frozenset(route.param_convertors)
                found.setdefault(route.endpoint, []).append((names, route.path))
        for endpoint, addresses in found.items():
            self._templates[endpoint] = _template(addresses)

    def of(self, method: str, route: str, dialect: str | None = None) -> RouteCount:
        """The counts of a route, to be kept by who counts often.

        Args:
            method: one of ``METHODS``, or the name of another protocol.
            route: its template.
            dialect: what is spoken there; None: what is spoken at that address over HTTP.
        """
        key = (dialect or dialect_of(route), method, route)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = RouteCount(*key)
        return count

    def add(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that came through the application.

        Args:
            scope: as the router left it.
            status: of the answer; 0: there was none.
            seconds: that it took.
        """
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        key = (scope.get("endpoint"), method)
        count = self._quick.get(key)
        if count is None:
            count = self._find(scope, *key)
        count.add(status, seconds)

    def reject(self, dialect: str, reason: str) -> None:
        """Something was refused.

        Args:
            dialect: that was spoken.
            reason: the code of the error.
        """
        self._rejected[dialect, reason] += 1

    def snapshot(self) -> list[RouteSnapshot]:
        """All routes that were asked, by name."""
        return [count.snapshot() for _, count in sorted(self._counts.copy().items())]

    def rejected(self) -> Mapping[tuple[str, str], int]:
        """Refusals by dialect and reason."""
        return self._rejected.copy()

    def _find(self, scope: Scope, endpoint: Callable[..., Any] | None, method: str) -> RouteCount:
        if method not in METHODS and method != WEBSOCKET:
            method = OTHER_METHOD
        template = self._templates.get(endpoint)
        if template is None:
            return self.of(method, UNMATCHED, dialect_of(scope["path"]))
        if isinstance(template, str):
            count = self._quick[endpoint, method] = self.of(method, template)
            return count
        names = frozenset(scope.get("path_params", ()))
        return self.of(method, template.get(names, UNMATCHED))


def _template(addresses: list[tuple[frozenset[str], str]]) -> str | dict[frozenset[str], str]:
    """One template, where the first address stands for all that take the same parameters; else one for each kind."""
    first: dict[frozenset[str], str] = {}
    for names, path in addresses:
        first.setdefault(names, path)
    return next(iter(first.values())) if len(first) == 1 else first
