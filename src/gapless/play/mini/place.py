"""Where a piece of a pattern stands in the file that the pattern is a part of.

In: the pattern's text, its own place, a piece of it. Out: a place. Invariants: the text is in the file as it is here,
its line breaks included. Thread: any.
"""

from __future__ import annotations

from gapless.play.pattern import Place


def place_in(text: str, at: Place, begin: int, length: int) -> Place:
    """The place of ``length`` characters from ``begin`` on, if the first character of the text is ``at``."""
    before = text[:begin]
    lines = before.count("\n")
    if lines:
        return Place(at.line + lines, begin - before.rindex("\n"), length)
    return Place(at.line, at.column + begin, length)
