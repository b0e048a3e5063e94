"""Keys as they are pressed, without Enter.

In: the terminal of standard input. Out: characters. Invariants: nothing waits; the terminal is as it was when the
context ends; where standard input is no terminal there are no keys. Thread: main.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

MOST_KEYS: Final = 32
"""Taken at a time."""

Poll = Callable[[], str]
"""The keys pressed since the last call."""

if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def open_keys() -> Iterator[Poll]:
        """Keys for as long as the context lasts."""

        def poll() -> str:
            keys = ""
            while len(keys) < MOST_KEYS and msvcrt.kbhit():
                keys += msvcrt.getwch()
            return keys

        yield poll if sys.stdin.isatty() else lambda: ""

else:
    import os
    import select
    import termios
    import tty

    @contextmanager
    def open_keys() -> Iterator[Poll]:
        """Keys for as long as the context lasts."""
        if not sys.stdin.isatty():
            yield lambda: ""
            return
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)

        def poll() -> str:
            ready, _, _ = select.select([terminal], [], [], 0)
            return os.read(terminal, MOST_KEYS).decode(errors="ignore") if ready else ""

        # Ctrl-C stays a signal.
        tty.setcbreak(terminal)
        try:
            yield poll
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
