"""Values as the patterns that a use of them needs.

In: a value, and the kind that is wanted. Out: a pattern of it. Invariants: what is known to be wrong from the text
alone is a mistake there; what turns out to be wrong only while it is asked leaves no event. Thread: any (pure).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.values import Literal, Num, Sound, Value, Voices, Words, told
from gapless.play.mini import mini_numbers
from gapless.play.notes import CHORDS, number_of, tones_of
from gapless.play.pattern import Pattern, Place, pure, silence
from gapless.play.time import exact
from gapless.play.transforms.contract import Kind

_TRUE: Final = frozenset(("t", "true"))
_FALSE: Final = frozenset(("f", "false"))

WANTED: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.NUMBER: "a number, or a pattern of them",
        Kind.TIME: "a number of cycles or a factor, such as 0.25 or 1/8",
        Kind.INTEGER: "a whole number, or a pattern of them",
        Kind.BOOLEAN: 'a pattern of t and f, such as "t f t"',
        Kind.WORD: 'a pattern of words, such as "minor"',
        Kind.PATTERN: 'a pattern, such as "bd sn"',
        Kind.CHANGE: "a transform, such as rev, (fast 2) or (# lpf 300)",
    }
)
"""What to say when something else was given."""


def plain(number: Fraction) -> int | float:
    """A number as mini-notation would give it."""
    return int(number) if number.denominator == 1 else float(number)


def bare(value: Value) -> Words | None:
    """A value as a pattern of numbers and words, if it is one without being told what it is for."""
    match value:
        case Words():
            return value
        case Num():
            return Words(pure(plain(value.value), value.place))
        case Sound(cyclic=Pattern() as cyclic):
            return Words(cyclic)
        case _:
            return None


def pattern_of(value: Value, kind: Kind, what: str, place: Place) -> Pattern[Any]:
    """A value as an argument of a kind other than ``CHANGE``.

    Args:
        value: what was given.
        kind: what is wanted.
        what: the argument, for the message: ``every's n``.
        place: of the argument.

    Raises:
        PlayError: it is something else.
    """
    if isinstance(value, Voices) and kind is Kind.PATTERN:
        return value.pattern
    if isinstance(value, Num):
        # Not by way of a float, which would not be exact.
        return numbers(pure(value.value, value.place), kind)
    words = bare(value)
    if words is None:
        message = f"{what} is {told(value)}"
        raise PlayError(message, place=place, expected=(WANTED[kind],))
    if kind is Kind.TIME and words.written is not None:
        # Exact, which 1%3 as a float is not.
        return mini_numbers(words.written.text, inside(words.written.place))
    check(words, _FITS.get(kind), what, WANTED[kind])
    return numbers(words.pattern, kind)


def inside(quoted: Place) -> Place:
    """Where the text between quotes begins."""
    return Place(quoted.line, quoted.column + 1, 0)


def numbers(pattern: Pattern[Any], kind: Kind) -> Pattern[Any]:
    """The values of a pattern as those of a kind."""
    read = _READERS.get(kind)
    return pattern if read is None else readable(pattern, read)


def readable(pattern: Pattern[Any], read: Callable[[Any], Any]) -> Pattern[Any]:
    """What can be read; the rest leaves no event."""
    if pattern.constant is not None:
        found = read(pattern.constant.value)
        return silence() if found is None else pure(found, *pattern.constant.places)
    return pattern.map(read).keep(lambda event: event.value is not None)


def check(words: Words, fits: Callable[[str], bool] | None, what: str, wanted: str) -> None:
    """Look at the words that a pattern is written with.

    Raises:
        PlayError: one of them does not fit.
    """
    for literal in words.literals if fits is not None else ():
        if fits is not None and not fits(literal.word):
            is_note = tones_of(literal.word) is not None
            note = (f'note "{literal.word}"',) if is_note else ()
            message = f'{what} cannot be "{literal.word}"'
            raise PlayError(message, place=literal.place, expected=(wanted, *note))


def is_number(word: str) -> bool:
    """Whether a word is one where no note is meant: none is."""
    del word
    return False


def check_notes(words: Words, *, chords: bool = True) -> None:
    """The same for notes, and chords if they may be some."""
    for literal in words.literals:
        if tones_of(literal.word) is None:
            raise _no_note(literal)
        if "'" in literal.word and not chords:
            message = f"{literal.word} is a chord, and only note plays chords"
            raise PlayError(message, place=literal.place, expected=(f'note "{literal.word}"',))


def _no_note(literal: Literal) -> PlayError:
    root, quote, chord = literal.word.partition("'")
    if quote and tones_of(root) is not None:
        unknown = chord.partition("'")[0]
        return PlayError(
            f"there is no chord called {unknown}",
            place=literal.place,
            nearest=nearest_name(unknown, CHORDS),
        )
    return PlayError(
        f"{literal.word} is no note",
        place=literal.place,
        expected=("a number of semitones", "a note such as ef3", "a chord such as c4'min7"),
    )


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return value in _TRUE if value in _TRUE | _FALSE else None
    number = number_of(value)
    return None if number is None else number != 0


def _time(value: Any) -> Fraction | None:
    if isinstance(value, str) or not isinstance(value, int | float | Fraction):
        return None
    return exact(value) if math.isfinite(value) else None


def _integer(value: Any) -> int | None:
    time = _time(value)
    return None if time is None else math.floor(time)


_READERS: Final[Mapping[Kind, Callable[[Any], Any]]] = MappingProxyType(
    {
        Kind.NUMBER: number_of,
        Kind.TIME: _time,
        Kind.INTEGER: _integer,
        Kind.BOOLEAN: _boolean,
        Kind.WORD: str,
        Kind.PATTERN: lambda value: plain(value) if isinstance(value, Fraction) else value,
    }
)
_FITS: Final[Mapping[Kind, Callable[[str], bool]]] = MappingProxyType(
    {
        Kind.NUMBER: is_number,
        Kind.TIME: is_number,
        Kind.INTEGER: is_number,
        Kind.BOOLEAN: lambda word: word in _TRUE | _FALSE,
    }
)
