"""The mini-notation: a line of text that is a pattern, as in TidalCycles.

In: ``"bd*2 <sn cp>"``. Out: a pattern. Invariants: the same text at the same place is parsed once; the errors of this
room are ``PlayError``. Thread: any.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final

from gapless.play.mini.number import not_a_number
from gapless.play.mini.parse import parse
from gapless.play.mini.to_pattern import EXACT, Maker
from gapless.play.mini.tree import Number, Word, leaves
from gapless.play.pattern import Pattern, Place

__all__ = ["mini", "mini_numbers"]

START: Final = Place(1, 1, 0)
"""Of a text that is not part of another."""
MOST_KEPT: Final = 1024
"""Texts whose patterns are remembered."""


def _written(leaf: Word | Number) -> str | int | float:
    return leaf.text if isinstance(leaf, Word) else leaf.value


_WRITTEN: Final[Maker[str | int | float]] = Maker(_written, lambda number: number)


@lru_cache(maxsize=MOST_KEPT)
def mini(text: str, at: Place | None = None) -> Pattern[str | int | float]:
    """The pattern that a text describes.

    Args:
        text: In mini-notation; nothing is a rest.
        at: The place of its first character in the file it is from, so that the places of events and errors are
            places in that file.

    Returns:
        A pattern of words (``str``), whole numbers (``int``) and other numbers (``float``); the last of an event's
        ``spans`` is the leaf that its value was read from.

    Raises:
        PlayError: The text cannot be understood, or asks for too much.
    """
    return _WRITTEN.make(parse(text, at or START))


@lru_cache(maxsize=MOST_KEPT)
def mini_numbers(text: str, at: Place | None = None) -> Pattern[Fraction]:
    """As ``mini``, for texts of numbers: exact, so that ``1%3`` is a third.

    Raises:
        PlayError: As ``mini``; or there is a word in it.
    """
    tree = parse(text, at or START)
    for leaf in leaves(tree):
        if isinstance(leaf, Word):
            raise not_a_number(leaf)
    return EXACT.make(tree)
