"""Text that any database can keep.

In: any text. Out: the same, with what cannot be kept replaced. Invariants: positions of characters stay as they are.
Thread: any (pure functions).
"""

from __future__ import annotations

import re
from typing import Final

OPEN_MARK: Final = "\x02"
CLOSE_MARK: Final = "\x03"
"""Stand around what matched while a search is answered; kept text is without them."""

UNKEEPABLE: Final = re.compile(f"[\0{OPEN_MARK}{CLOSE_MARK}\ud800-\udfff]")
"""NUL ends a text for SQLite and is none for PostgreSQL, the marks are ours, and lone surrogates have no UTF-8."""


def keepable(text: str) -> str:
    """``text`` with what cannot be kept replaced, character for character."""
    return UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", text)
