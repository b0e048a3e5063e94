"""Which requests may take the quick way, and what they are answered.

In: what a request shows before its body is here; its body. Out: whether to wait for the body; an answer, or nothing.
Invariants: a request takes the quick way only if one with the same headers was let in by the rules of access before;
pages of other origins never do, for their answers need headers of their own. Thread: the event loop's.
"""

from __future__ import annotations

from typing import Any, Final, final

from gapless.serve.access import Access
from gapless.serve.flags.calls import call_of
from gapless.serve.flags.flags import Flags
from gapless.serve.infer_messages import INFER_PATHS
from gapless.serve.metrics.requests import Requests
from gapless.serve.quick.answers import WireAnswers

OK: Final = 200


@final
class QuickDoor:
    """See the module's head.

    Args:
        answers: what is remembered.
        access: the rules.
        flags: say for whom there is a quick way; None: for everybody.
        requests: where what is answered here is counted; None: nowhere.
    """

    def __init__(
        self,
        answers: WireAnswers,
        access: Access,
        flags: Flags | None = None,
        requests: Requests | None = None,
    ) -> None:
        # Both addresses mean the same, and are counted as one.
        self._count: Final = (requests or Requests()).of("POST", INFER_PATHS[0]).add
        self._flags: Final = flags
        self._answers: Final = answers
        self._access: Final = access
        self.open = True
        """Whether anything may take the quick way now."""

    def may_pass(self, scope: dict[str, Any]) -> bool:
        """Whether a request of this ASGI scope may be answered here."""
        return (
            self.open
            and scope["path"] in INFER_PATHS
            and scope["method"] == "POST"
            and self._access.knows(scope["headers"])
            and not any(name == b"origin" for name, _ in scope["headers"])
            and (self._flags is None or self._flags.plain or _is_wanted(self._flags, scope))
        )

    def answer(self, question: bytes) -> bytes | None:
        """The body of the answer, if it is remembered."""
        return self._answers.find(question)

    def answered(self, scope: dict[str, Any], seconds: float) -> None:
        """A question was answered, in this time."""
        self._count(OK, seconds)
        if self._flags is not None and not self._flags.plain:
            sides = call_of(scope, self._flags).sides
            self._flags.observe(sides, failed=False, seconds=seconds)


def _is_wanted(flags: Flags, scope: dict[str, Any]) -> bool:
    call = call_of(scope, flags)
    return call.is_on("answers") and call.is_on("quick")
