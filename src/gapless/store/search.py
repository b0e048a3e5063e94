"""Words that people type, as questions to SQLite's full-text index, and its answers as ranges of characters.

In: any text; text with marks around what matched. Out: an FTS5 expression; plain text and highlights.
Invariants: no text is ever read as query syntax; marks cannot be mistaken for text, because text is kept without them.
Thread: any (pure functions). Source: https://sqlite.org/fts5.html, "Full-text Query Syntax" and "highlight()".
"""

from __future__ import annotations

import re
from typing import Final

OPEN_MARK: Final = "\x02"
CLOSE_MARK: Final = "\x03"

UNKEEPABLE: Final = re.compile(f"[\0{OPEN_MARK}{CLOSE_MARK}\ud800-\udfff]")
"""NUL ends a text for SQLite, the marks are ours, and lone surrogates have no UTF-8."""


def keepable(text: str) -> str:
    """``text`` with what cannot be kept replaced, character for character, so that positions stay."""
    return UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def match_expression(text: str) -> str | None:
    """All words of ``text`` in any order, the last one as a beginning; None if there is none to look for."""
    # A word of punctuation alone has nothing that the index knows; as the last word it would also take the place of
    # the one that may be a beginning.
    words = [word for word in keepable(text).split() if any(map(str.isalnum, word))]
    if not words:
        return None
    # Between quotes only the quote itself means something. A word such as "don't" becomes a phrase of two.
    return " ".join('"' + word.replace('"', '""') + '"' for word in words) + "*"


def read_marks(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Text without its marks, and the half-open ranges of characters that were between them."""
    highlights: list[tuple[int, int]] = []
    position = 0
    pieces = re.split(f"[{OPEN_MARK}{CLOSE_MARK}]", marked)
    for number, piece in enumerate(pieces):
        # Marks come in pairs, so every second piece was between two of them.
        if number % 2:
            highlights.append((position, position + len(piece)))
        position += len(piece)
    return "".join(pieces), tuple(highlights)
