"""Numbers of the mini-notation, exactly as they were written.

In: digits with a sign, a point, an exponent or a denominator (``-3``, ``0.25``, ``1e3``, ``3%8``). Out: fractions.
Invariants: no number is so long that working with it takes time. Thread: any.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from gapless.play.errors import PlayError
from gapless.play.mini.tree import Number, Word
from gapless.play.pattern import Place
from gapless.play.ratio import ratio

MOST_DIGITS: Final = 30
LARGEST_EXPONENT: Final = 30


def exact_number(text: str, place: Place) -> Fraction:
    """What was written, as a fraction.

    Raises:
        PlayError: It has too many digits, or a denominator of 0.
    """
    above, _, below = text.partition("%")
    digits, _, exponent = above.lower().partition("e")
    if max(len(digits), len(below), len(exponent)) > MOST_DIGITS or (
        exponent and abs(int(exponent)) > LARGEST_EXPONENT
    ):
        raise PlayError(
            f"a number has at most {MOST_DIGITS} digits and an exponent of {LARGEST_EXPONENT}",
            place=place,
        )
    denominator = int(below) if below else 1
    if denominator == 0:
        raise PlayError("nothing can be divided by 0", place=place)
    return ratio(above) / denominator


def number(text: str, place: Place) -> Number:
    """A leaf: an ``int`` if it was written without point, exponent and denominator, else a ``float``."""
    exact = exact_number(text, place)
    is_whole = text.removeprefix("-").isdecimal()
    return Number(int(exact) if is_whole else float(exact), exact, place)


def not_a_number(word: Word) -> PlayError:
    """The error for a word where only numbers make sense."""
    return PlayError(f"'{word.text}' is not a number", place=word.place, expected=("a number",))
