"""Names that mean nothing: what was meant.

In: a name, and what is known. Out: the mistake. Invariants: a name whose definition has a mistake of its own is none.
Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.elsewhere import ELSEWHERE
from gapless.play.language.scope import Definitions, Role
from gapless.play.notes import CHORDS, SCALES, semitones_of
from gapless.play.pattern import Place


def no_bus(definitions: Definitions, name: str, place: Place) -> PlayError:
    """The mistake of naming a bus that is not there.

    Raises:
        BrokenError: it would be there but for a mistake in its own line.
    """
    return _nothing(definitions, "~", "bus", name, place)


def no_template(definitions: Definitions, name: str, place: Place) -> PlayError:
    """The mistake of naming a template that is not there.

    Raises:
        BrokenError: it would be there but for a mistake in its own line.
    """
    return _nothing(definitions, "@", "template", name, place)


def no_pattern(definitions: Definitions, name: str, place: Place) -> PlayError:
    """The mistake of naming a pattern that is not there.

    Raises:
        BrokenError: it would be there but for a mistake in its own line.
    """
    return _nothing(definitions, "%", "pattern", name, place)


def _nothing(definitions: Definitions, sign: str, what: str, name: str, place: Place) -> PlayError:
    definitions.expect(f"{sign}{name}")
    nearest = nearest_name(name, definitions.of(sign))
    body = '"..."' if sign == "%" else "..."
    return PlayError(
        f"there is no {what} {sign}{name}",
        place=place,
        expected=() if nearest else (f"a line {sign}{name}: {body}",),
        nearest=f"{sign}{nearest}" if nearest else None,
    )


def no_function(
    definitions: Definitions,
    name: str,
    place: Place,
    known: Mapping[Role, Iterable[str]],
    role: Role,
) -> PlayError:
    """The mistake of a name that means nothing.

    Args:
        definitions: of the program.
        name: that name.
        place: of it.
        known: names that could stand there, and behind ``#``.
        role: which of them is wanted.

    Raises:
        BrokenError: it would mean something but for a mistake in its own line.
    """
    definitions.expect(name)
    message = f"there is no function called {name}"
    if name in definitions.buses:
        return PlayError(message, place=place, nearest=f"~{name}")
    if name in ELSEWHERE:
        return PlayError(f"there is no {name} here", place=place, expected=(ELSEWHERE[name],))
    if is_word(name):
        message = f"{name} is a word of a pattern, and those stand in quotes"
        return PlayError(message, place=place, expected=(f'"{name}"',))
    nearest = nearest_name(name, known[role]) or nearest_name(name, known[Role.VALUE])
    expected: tuple[str, ...] = ()
    if nearest is None and role is Role.EFFECT:
        expected = ("an effect", "a voice parameter", "-- before what is only a comment")
    return PlayError(message, place=place, expected=expected, nearest=nearest)


def is_word(name: str) -> bool:
    """Whether it is one that patterns are made of: a drum, a note, a chord or a scale."""
    from gapless.play.drums import kit

    return name in kit.NAMES or name in CHORDS or name in SCALES or semitones_of(name) is not None
