"""Voice parameters called: what they say of voices.

In: a parameter's name and values. Out: a pattern of controls; behind ``#`` the step that joins it. Invariants: a
parameter is read at a voice's onset, so it takes patterns; gain and pan, which a sound has all the time, take signals,
too, and are effects then. Thread: one program is made by one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapless.play.controls import NUMBERS
from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.arithmetic import united
from gapless.play.language.kinds import bare, check, check_notes, is_number
from gapless.play.language.parameters import NAMES, NOTES, control
from gapless.play.language.scope import Role
from gapless.play.language.transforming import Asked, Given
from gapless.play.language.values import (
    MergeStep,
    Sound,
    Steps,
    UnitStep,
    Value,
    Voices,
    told,
)
from gapless.play.pattern import Place
from gapless.play.program import Number

if TYPE_CHECKING:
    from gapless.play.language.evaluate import Evaluation


def said_of(asked: Asked, role: Role) -> Value:
    """What a parameter says: ``gain 0.8``, ``s "bd" :gain 0.8``.

    Raises:
        PlayError: its arguments are wrong.
    """
    name, given, keywords = asked.name, asked.given, asked.keywords
    usage = f'{name} "..."' if name not in NUMBERS else f"{name} 1"
    if not given:
        raise PlayError(f"{name} says nothing", place=asked.place, expected=(usage,))
    if len(given) > 1:
        message = f"{name} takes one pattern, and this is another"
        expected = (f'brackets around all of it: {name} (fast 2 "...")', "# gain 0.8 for more")
        raise PlayError(message, place=given[1].place, expected=expected)
    value = given[0].value
    if isinstance(value, Sound) and value.cyclic is None and not keywords:
        always = _unit_of(asked.evaluation, name, given[0])
        if always is not None:
            return Steps((always,), asked.place)
    found = control_of(asked.evaluation, name, value, given[0].place)
    for other, one in keywords.items():
        if other not in NAMES:
            message = f"there is no voice parameter called {other}"
            nearest = nearest_name(other, NAMES)
            raise PlayError(message, place=one.place, nearest=nearest)
        more = control_of(asked.evaluation, other, one.value, one.place)
        found = united(asked.evaluation.rack, "#", found, more, one.place)
    if role is Role.VALUE:
        return found
    unit = None if keywords else _unit_of(asked.evaluation, name, given[0])
    step = MergeStep("#", found, asked.place, name, unit)
    return Steps((step,), asked.place)


def _unit_of(evaluation: Evaluation, name: str, given: Given) -> UnitStep | None:
    """What a parameter is for a sound that has no voices."""
    if bare(given.value) is None and not isinstance(given.value, Sound):
        return None
    if name == "gain":
        signal = evaluation.rack.signal(given.value, given.place)
        return UnitStep("mul", (signal,), given.place)
    if name == "pan":
        signal = evaluation.rack.signal(given.value, given.place)
        # A voice's place goes from 0 to 1, that of a sound from -1 to 1.
        doubled = evaluation.rack.made("mul", (signal, Number(2.0)), given.place)
        centred = evaluation.rack.made("sub", (doubled, Number(1.0)), given.place)
        return UnitStep("pan2", (centred,), given.place)
    return None


def control_of(evaluation: Evaluation, name: str, value: Value, place: Place) -> Voices:
    """A value as what a parameter says.

    Raises:
        PlayError: it is no pattern, or says something that the parameter cannot mean.
    """
    if isinstance(value, Voices) and value.names == {name}:
        return value
    words = bare(value)
    if words is None:
        expected = ["a number or a pattern"]
        if isinstance(value, Sound):
            expected.append("... * signal, to change the sound all the time")
        message = f"{name} is read when a voice begins, and cannot be {told(value)}"
        raise PlayError(message, place=place, expected=tuple(expected))
    names = frozenset((name,))
    if name == "s":
        for literal in words.literals:
            if literal.word.startswith("~"):
                evaluation.plays(literal.word[1:].partition(":")[0], literal.place)
        names |= {"n"}
    elif name in NOTES:
        check_notes(words, chords=name == "note")
    elif name in NUMBERS:
        check(words, is_number, name, f"a number ({NUMBERS[name].doc})")
    return Voices(control(name, words.pattern), names)
