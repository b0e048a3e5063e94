"""Words that people type, as questions to SQLite's full-text index.

In: any text. Out: an FTS5 expression. Invariants: no text is ever read as query syntax. Thread: any (pure functions).
Source: https://sqlite.org/fts5.html, "Full-text Query Syntax".
"""

from __future__ import annotations

from gapless.store.text import keepable


def match_expression(text: str) -> str | None:
    """All words of ``text`` in any order, the last one as a beginning; None if there is none to look for."""
    # A word of punctuation alone has nothing that the index knows; as the last word it would also take the place of
    # the one that may be a beginning.
    words = [word for word in keepable(text).split() if any(map(str.isalnum, word))]
    if not words:
        return None
    # Between quotes only the quote itself means something. A word such as "don't" becomes a phrase of two.
    return " ".join('"' + word.replace('"', '""') + '"' for word in words) + "*"
