"""What is known of the call that is being served, wherever it is asked for.

In: a session's key. Out: its side of each flag. Invariants: a call stays on the side that it was first on, whatever is
changed meanwhile. Thread: the event loop's; the call belongs to the task that serves it and to the tasks it starts.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, final

from gapless.errors import GaplessError
from gapless.serve.flags.flags import Flags
from gapless.serve.problem import problem_of
from gapless.settings.flags import FlagName


@final
class Call:
    """One request, or one connection that stays.

    Args:
        flags: of the server.
        key: the session that it belongs to.
    """

    __slots__ = ("_flags", "key", "sides")

    def __init__(self, flags: Flags, key: str) -> None:
        self._flags = flags
        self.key = key
        self.sides: dict[FlagName, bool] = {}
        """Flags that were asked for, and whether each was on."""

    def is_on(self, name: FlagName) -> bool:
        """Whether a flag is on for this call."""
        side = self.sides.get(name)
        if side is None:
            side = self.sides[name] = self._flags.is_on(name, self.key)
        return side


SERVER_ERROR: Final = 500

CURRENT: Final[ContextVar[Call | None]] = ContextVar("gapless_call", default=None)
"""The call that is being served; None where all flags are on for everybody, and nothing is compared."""


def is_on(name: FlagName) -> bool:
    """Whether a flag is on for the call that is being served."""
    call = CURRENT.get()
    return call is None or call.is_on(name)


@contextmanager
def serving(flags: Flags, key: str = "", *, stays: bool = False) -> Iterator[Call]:
    """Serve a request or a stream that comes from elsewhere than HTTP, and count it.

    Args:
        flags: of the server.
        key: the session that it belongs to; empty: one of its own.
        stays: whether it is a stream, whose length says nothing of how it fared.
    """
    call = Call(flags, key or secrets.token_hex(8))
    token = CURRENT.set(call)
    began = time.perf_counter()
    failed = False
    try:
        yield call
    except BaseException as error:
        failed = not isinstance(error, GaplessError) or problem_of(error).status >= SERVER_ERROR
        raise
    finally:
        CURRENT.reset(token)
        seconds = None if stays else time.perf_counter() - began
        flags.observe(call.sides, failed=failed, seconds=seconds)
