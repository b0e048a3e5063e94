"""A Triton server that is a function, and gRPC channels to it without gRPC's network.

In: a function from method and request to an answer. Out: what the Triton backend takes for connections. Invariants: as
with real channels, a call on one that was closed raises. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

import grpc

from gapless.infer.triton.connection import Connection, Message

Answer: TypeAlias = Callable[[str, Message], Message]
"""From a method's name and a request to the answer; raises ``Status`` for any other outcome."""


class Status(grpc.RpcError):  # type: ignore[misc]  # gRPC has no types
    """What a call fails with.

    Args:
        name: as gRPC has it: UNAVAILABLE...
        details: what the server says.
    """

    def __init__(self, name: str, details: str = "") -> None:
        super().__init__(name, details)
        self._code: Final = grpc.StatusCode[name]
        self._details: Final = details

    def code(self) -> grpc.StatusCode:
        """The status."""
        return self._code

    def details(self) -> str:
        """What was said."""
        return self._details


@final
class FakeTriton:
    """See the module's head.

    Args:
        answer: answers calls; may be changed at any time.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[tuple[int, str, Message]] = []
        """The channel, the method and the request of every call so far."""
        self.opened: list[int] = []
        """The numbers of all channels."""
        self.open: set[int] = set()
        """Those that were not closed."""

    def connect(self, number: int) -> Connection:
        """Open a channel, as ``connection.connector`` would."""
        self.opened.append(number)
        self.open.add(number)
        return Connection(_Channel(self, number), "the model m on the fake server", 1000)

    def call(self, number: int, method: str, request: Message) -> Message:
        """A call over a channel."""
        if number not in self.open:
            raise ValueError("Cannot invoke RPC on closed channel!")
        # What a caller does with its request afterwards is no concern of the server's.
        copy = type(request).FromString(request.SerializeToString())
        self.calls.append((number, method, copy))
        return self.answer(method, copy)


class _Channel:
    """What of ``grpc.Channel`` the backend uses."""

    def __init__(self, server: FakeTriton, number: int) -> None:
        self._server = server
        self._number = number

    def unary_unary(self, path: str, **_: Any) -> _Method:
        return _Method(self._server, self._number, path.rpartition("/")[2])

    def close(self) -> None:
        self._server.open.discard(self._number)


class _Method:
    """A method over a channel, and a call that is over before anybody waits for it."""

    def __init__(self, server: FakeTriton, number: int, name: str) -> None:
        self._server = server
        self._number = number
        self._name = name

    def __call__(self, request: Message, timeout: float) -> Message:
        del timeout
        return self._server.call(self._number, self._name, request)

    def future(self, request: Message, timeout: float) -> _Future:
        return _Future(lambda: self(request, timeout))


class _Future:
    def __init__(self, result: Callable[[], Message]) -> None:
        self.result = result
