"""Which requests may take the quick way, and what they are answered.

In: what a request shows before its body is here; its body. Out: whether to wait for the body; an answer from memory, or
one that is being made, or nothing. Invariants: a request takes the quick way only if one with the same headers was let
in by the rules of access before; pages of other origins never do, for their answers need headers of their own; what is
not answered with 200 is answered, counted and logged as on the long way. Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, TypeAlias, final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gapless.serve.access import Access
from gapless.serve.flags.calls import call_of
from gapless.serve.flags.flags import Flags
from gapless.serve.infer_messages import INFER_PATHS
from gapless.serve.inferences.notice import Noticed, request_id_of, warned
from gapless.serve.metrics.requests import Requests
from gapless.serve.middleware import Boundary
from gapless.serve.quick.answers import WireAnswers

OK: Final = 200

Ask: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Makes the JSON that answers a question; raises what was wrong with it."""

Outer: TypeAlias = Callable[[ASGIApp], ASGIApp]
"""Puts around an application what compresses its answers."""


@final
class QuickDoor:
    """See the module's head.

    Args:
        answers: what is remembered; None: nothing may be answered from there.
        access: the rules.
        flags: say for whom there is a quick way; None: for everybody.
        requests: where what is answered here is counted; None: nowhere.
        ask: answers what is not remembered; None: such questions take the long way.
        large_bytes: from this size on ``compressed`` is asked for an answer's application; 0: never.
        compressed: see ``Outer``.
    """

    def __init__(
        self,
        answers: WireAnswers | None,
        access: Access,
        flags: Flags | None = None,
        requests: Requests | None = None,
        *,
        ask: Ask | None = None,
        large_bytes: int = 0,
        compressed: Outer | None = None,
    ) -> None:
        self._requests: Final = requests or Requests()
        # Both addresses mean the same, and are counted as one.
        self._count: Final = self._requests.of("POST", INFER_PATHS[0])
        self._flags: Final = flags
        self._answers: Final = answers
        self._access: Final = access
        self._ask: Final = ask
        self._large_bytes: Final = large_bytes
        self._compressed: Final = compressed

    def may_pass(self, scope: dict[str, Any]) -> bool:
        """Whether a request of this ASGI scope may be answered here."""
        return (
            scope["path"] in INFER_PATHS
            and scope["method"] == "POST"
            and self._access.knows(scope["headers"])
            and not any(name == b"origin" for name, _ in scope["headers"])
            and (self._flags is None or self._flags.plain or _is_wanted(self._flags, scope))
        )

    def answer(self, question: bytes) -> bytes | None:
        """The body of the answer, if it is remembered."""
        return None if self._answers is None else self._answers.find(question)

    def asked(self, scope: dict[str, Any], question: bytes) -> Awaitable[bytes | ASGIApp] | None:
        """The body of an answer that is being made, or an application that gives another one; None: the long way."""
        # What a session has switched off is for the long way to know.
        is_plain = self._flags is None or self._flags.plain
        return None if self._ask is None or not is_plain else self._put(self._ask, scope, question)

    def answered(self, scope: dict[str, Any], seconds: float) -> None:
        """A question was answered, in this time."""
        self._count.add(OK, seconds)
        if self._flags is not None and not self._flags.plain:
            sides = call_of(scope, self._flags).sides
            self._flags.observe(sides, failed=False, seconds=seconds)

    async def _put(self, ask: Ask, scope: dict[str, Any], question: bytes) -> bytes | ASGIApp:
        began_s = perf_counter()
        outcome: ASGIApp
        with Noticed(request_id_of(scope)) as notice:
            try:
                body = await ask(question)
            except Exception as error:  # noqa: BLE001 - the boundary tells what became of it
                outcome = _raising(error)
            else:
                is_large = 0 < self._large_bytes <= len(body)
                if not is_large and not notice.unsaved:
                    return body
                outcome = Response(body, media_type="application/json")
                if notice.unsaved:
                    outcome = warned(outcome)
                if is_large and self._compressed is not None:
                    outcome = self._compressed(outcome)
        return Boundary(outcome, self._requests, self._count, began_s)


def _raising(error: Exception) -> ASGIApp:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
        raise error

    return broken


def _is_wanted(flags: Flags, scope: dict[str, Any]) -> bool:
    call = call_of(scope, flags)
    return call.is_on("answers") and call.is_on("quick")
