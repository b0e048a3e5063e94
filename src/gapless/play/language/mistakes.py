"""All that is wrong with a program, at once.

In: mistakes. Out: one error. Invariants: they are in the order of the text. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from gapless.play.errors import PlayError

MOST_SHOWN: Final = 10
"""Mistakes that are drawn; of more only the number is told."""


@final
class ProgramError(PlayError):
    """Why a program cannot be understood: the first mistake, and all of them as ``mistakes``; mend them where they are.

    Args:
        mistakes: at least one.
        source: the program's text.
        name: what it is called.
    """

    def __init__(self, mistakes: Sequence[PlayError], source: str, name: str) -> None:
        self.mistakes: Final = tuple(sorted(mistakes, key=lambda one: one.place[:2]))
        self.source: Final = source
        self.name: Final = name
        first = self.mistakes[0]
        super().__init__(
            first.text, place=first.place, expected=first.expected, nearest=first.nearest
        )

    def shown(self, source: str, name: str) -> str:
        """All of them, each in its line."""
        rows = [one.shown(source, name) for one in self.mistakes[:MOST_SHOWN]]
        more = len(self.mistakes) - MOST_SHOWN
        if more > 0:
            rows.append(f"and {more} more")
        return "\n".join(rows)

    def __str__(self) -> str:
        return self.shown(self.source, self.name)
