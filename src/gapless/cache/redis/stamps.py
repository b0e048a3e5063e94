"""What of a namespace or version is valid: numbers that change when it is invalidated.

In: invalidations, and what Redis says. Out: fields to set, and stamps. Invariants: a stamp that was read before an
invalidation never comes again; no key is looked for to delete it: what has another stamp is overwritten, or ends with
its lifetime. Thread: any.

Redis has one hash with a random number of 8 bytes for each namespace, and for each version in it. Random, not counted:
were the hash lost, a count would begin again, and old answers would be valid once more. The numbers are in what is
kept, not in its key, so that one round trip brings both, and servers need not tell each other.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Final, final

from gapless.cache.contract import Namespace
from gapless.cache.second import Scope

NUMBER_BYTES: Final = 8

MOST_WAITING: Final = 1024
"""Invalidations that Redis was not told of yet; of more, each invalidates its whole namespace."""


def fields_of(scope: Scope) -> tuple[bytes, bytes]:
    """The fields of a scope: the namespace's, the version's."""
    return scope.namespace.encode(), f"{scope.namespace}:{scope.version}".encode()


def new_number() -> bytes:
    """A number that never was."""
    return secrets.token_bytes(NUMBER_BYTES)


@final
class Stamps:
    """Invalidations on their way to Redis."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._waiting: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def invalidate(self, namespace: Namespace, version: str | None) -> None:
        """Nothing that was stamped before is valid."""
        whole, one = fields_of(Scope(namespace, version or ""))
        with self._lock:
            full = len(self._waiting) >= MOST_WAITING
            self._waiting[whole if version is None or full else one] = new_number()

    def waiting(self) -> dict[bytes, bytes]:
        """What Redis is to be told before it is asked anything."""
        with self._lock:
            return dict(self._waiting)

    def told(self, numbers: dict[bytes, bytes]) -> None:
        """Redis has them."""
        with self._lock:
            for field, number in numbers.items():
                if self._waiting.get(field) == number:
                    del self._waiting[field]


def stamp_of(scope: Scope, numbers: dict[bytes, bytes]) -> bytes | None:
    """The stamp of a scope; None if a number of it is not known."""
    found = [numbers.get(field, b"") for field in fields_of(scope)]
    stamp = b"".join(found)
    return stamp if all(len(number) == NUMBER_BYTES for number in found) else None


def unique_fields(scopes: Iterable[Scope]) -> list[bytes]:
    """The fields of many scopes, each once."""
    return list(dict.fromkeys(field for scope in scopes for field in fields_of(scope)))
