"""A mistake in what a musician wrote, and how it is shown to them.

In: a text, and where in it something is wrong. Out: an error that can draw the line with a caret under the mistake.
Invariants: what is drawn is bounded, however long the line. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar, Final

from gapless.errors import GaplessError
from gapless.play.pattern import Place

WIDEST_LINE: Final = 100
"""Characters of a line that are shown; of a longer one, those around the mistake."""
CANDIDATES: Final = 5
"""Near names that are compared."""
SHORT_NAME: Final = 3
"""Letters of a name that is near another only if both begin alike."""
VERY_NEAR: Final = 0.7
"""Of two names, if they begin otherwise: their share of letters in common."""
MOST_EXPECTED: Final = 8
"""Things that are named as expected; a longer list helps nobody."""


class PlayError(GaplessError, ValueError):
    """A program or a pattern that cannot be understood, or that asks for too much; mend it where ``place`` says.

    Args:
        message: What is wrong, without a full stop.
        place: Where, in the text.
        expected: What could have stood there instead, as a person would name it.
        nearest: The known name that is closest to the one that is not known.
    """

    code: ClassVar[str] = "play_error"

    def __init__(
        self,
        message: str,
        *,
        place: Place,
        expected: tuple[str, ...] = (),
        nearest: str | None = None,
    ) -> None:
        self.text = message
        """What is wrong, alone."""
        self.place = place
        self.expected = expected
        self.nearest = nearest
        advice = self.advice()
        sentence = f"line {place.line}, column {place.column}: {message}"
        super().__init__(f"{sentence}: {advice}" if advice else sentence)

    def advice(self) -> str:
        """What to write instead: ``expected ..., did you mean ...?``; empty if nothing is known."""
        parts = []
        if self.expected:
            named = list(self.expected[:MOST_EXPECTED])
            if len(self.expected) > MOST_EXPECTED:
                named.append("something else")
            parts.append("expected " + one_of(named))
        if self.nearest is not None:
            parts.append(f"did you mean {self.nearest}?")
        return ", ".join(parts)

    def shown(self, source: str, name: str) -> str:
        """The mistake in its line, for a terminal.

        Args:
            source: The whole text that ``place`` is a position in.
            name: What the text is called: the name of its file.

        Returns:
            ``name:line:column: what is wrong``, the line, carets under the place, and what was expected.
        """
        rows = [f"{name}:{self.place.line}:{self.place.column}: {self.text}"]
        lines = source.split("\n")
        if 1 <= self.place.line <= len(lines):
            rows += _pointed_at(lines[self.place.line - 1].removesuffix("\r"), self.place)
        advice = self.advice()
        if advice:
            rows.append(advice)
        return "\n".join(rows)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that someone who wrote ``name`` most likely meant; None: none is close."""
    by_lower = {one.lower(): one for one in sorted(known, reverse=True)}
    lower = name.lower()
    close = get_close_matches(lower, sorted(by_lower), n=CANDIDATES)
    # Who mistypes a name seldom mistypes its first letter; of a short one nothing else is left to tell by.
    alike = [one for one in close if one[0] == lower[0]]
    if not alike and len(lower) > SHORT_NAME:
        alike = get_close_matches(lower, close, n=1, cutoff=VERY_NEAR)
    return by_lower[alike[0]] if alike else None


def one_of(names: list[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _pointed_at(line: str, place: Place) -> list[str]:
    """A line and the carets under a place in it, both no wider than ``WIDEST_LINE``."""
    begin = min(place.column - 1, len(line))
    length = max(1, min(place.length, len(line) - begin))
    first = 0 if len(line) <= WIDEST_LINE else max(0, begin - WIDEST_LINE // 2)
    seen = line[first : first + WIDEST_LINE]
    indent = "".join("\t" if letter == "\t" else " " for letter in line[first:begin])
    carets = "^" * min(length, max(1, WIDEST_LINE - len(indent)))
    return ["    " + seen, "    " + indent + carets]
