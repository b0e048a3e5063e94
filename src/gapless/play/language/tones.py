"""Degrees of scales, and chords on roots: ``scale "minor" "0 .. 7"``, ``chord "min7" "c4 f3"``.

In: patterns of names and of what they are applied to. Out: a pattern that ``note`` understands. Invariants: a scale or
chord that does not exist is a mistake at its place. Thread: one program is made by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.allowance import gated
from gapless.play.language.kinds import bare, check, check_notes, is_number
from gapless.play.language.transforming import Asked
from gapless.play.language.values import Change, Value, Words, told
from gapless.play.notes import CHORDS, SCALES, scale_pattern
from gapless.play.pattern import Pattern


class _Family(NamedTuple):
    """Scales, or chords."""

    name: str
    known: Iterable[str]
    usage: str
    of: str
    """What they are applied to."""
    apply: Callable[[Pattern[Any], Pattern[Any]], Pattern[Any]]
    """Of names and of that."""
    check: Callable[[Words], None]


def _check_degrees(words: Words) -> None:
    check(words, is_number, "a degree", "a number")


def _on_roots(names: Pattern[str], roots: Pattern[Any]) -> Pattern[str]:
    # As it is written in a pattern of notes.
    return roots.left(names, lambda root, name: f"{root}'{name}")


_SCALE: Final = _Family(
    "scale", SCALES, 'scale "minor" "0 .. 7"', "degrees", scale_pattern, _check_degrees
)
_CHORD: Final = _Family("chord", CHORDS, 'chord "min7" "c4 f3"', "roots", _on_roots, check_notes)


def scaled(asked: Asked) -> Value:
    """Degrees as semitones; without degrees a transform of them.

    Raises:
        PlayError: there is no such scale, or what is scaled is no pattern.
    """
    return _applied(asked, _SCALE)


def chorded(asked: Asked) -> Value:
    """Roots as chords; without roots a transform of them.

    Raises:
        PlayError: there is no such chord, or the roots are no notes.
    """
    return _applied(asked, _CHORD)


def _applied(asked: Asked, family: _Family) -> Value:
    usage = (family.usage,)
    given = asked.given
    if len(given) > 2:
        message = f"{family.name} has too many arguments"
        raise PlayError(message, place=given[2].place, expected=usage)
    names = bare(given[0].value)
    if names is None:
        message = f"{family.name} needs the name of one"
        raise PlayError(message, place=given[0].place, expected=usage)
    for literal in names.literals:
        if literal.word not in family.known:
            nearest = nearest_name(literal.word, family.known)
            message = f"there is no {family.name} called {literal.word}"
            raise PlayError(message, place=literal.place, nearest=nearest)

    def apply(pattern: Pattern[Any]) -> Pattern[Any]:
        return family.apply(gated(names.pattern, asked.place), gated(pattern, asked.place))

    change = Change(apply, family.name, asked.place)
    if len(given) == 1:
        return change
    words = bare(given[1].value)
    if words is None:
        message = f"{family.name} needs a pattern of {family.of}, not {told(given[1].value)}"
        raise PlayError(message, place=given[1].place, expected=usage)
    family.check(words)
    return Words(change.apply(words.pattern))
