"""Values changed by transforms: ``$``.

In: values. Out: changes, and what they make. Invariants: voices stay voices; a sound is changed in the patterns that it
has. Thread: one program is made by one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from gapless.play.errors import PlayError
from gapless.play.language import allowance
from gapless.play.language.arithmetic import operated
from gapless.play.language.kinds import WANTED, bare
from gapless.play.language.parameters import with_effect
from gapless.play.language.rack import Rack
from gapless.play.language.signals import has_pattern, signal_changed
from gapless.play.language.values import (
    Change,
    FunctionStep,
    MergeStep,
    Sound,
    Step,
    Steps,
    UnitStep,
    Value,
    Voices,
    Words,
    literals_of,
    told,
)
from gapless.play.pattern import Pattern, Place
from gapless.play.transforms.contract import Kind

LONGEST_NAME: Final = 60
"""Of what a change is called in messages."""


def change_of(rack: Rack, value: Value, what: str, place: Place) -> Change:
    """A value as a transform.

    Args:
        rack: of the program.
        value: a transform, or steps such as those of ``(# lpf 300)``.
        what: the argument, for the message.
        place: of it.

    Raises:
        PlayError: it is none.
    """
    if isinstance(value, Change):
        return value
    if not isinstance(value, Steps):
        expected: tuple[str, ...] = (WANTED[Kind.CHANGE],)
        if isinstance(value, Voices):
            expected = ("(# ...) around it", *expected)
        raise PlayError(f"{what} is {told(value)}", place=place, expected=expected)
    changes: list[Change] = []
    effects: list[UnitStep] = []
    for step in value.steps:
        if isinstance(step, UnitStep):
            effects.append(step)
            continue
        changes.append(_merging(rack, step))
    if effects:
        index = rack.number(tuple(effects))
        name = effects[0].unit
        changes.append(Change(lambda p: with_effect(p, index), name, place, frozenset((index,))))
    return composed(changes[::-1], place)


def _merging(rack: Rack, step: MergeStep | FunctionStep) -> Change:
    place = step.place
    if isinstance(step, FunctionStep):
        message = "a function cannot be an argument of a transform: write out what it does"
        raise PlayError(message, place=place)
    operator = step.operator
    if isinstance(step.value, Voices):
        right = rack.folded(step.value)
        return Change(
            lambda p: operated(operator, p, right.pattern, place),
            "#",
            place,
            right.effects,
            right.names,
        )
    words = bare(step.value)
    if words is None or operator == "#":
        message = f"{told(step.value)} cannot be joined to a pattern here"
        raise PlayError(message, place=place, expected=("gain 0.8", 'note "c e"'))
    return Change(lambda p: operated(operator, p, words.pattern, place), operator, place)


def composed(changes: Sequence[Change], place: Place) -> Change:
    """One after the other, the last first."""
    if len(changes) == 1:
        return changes[0]

    def apply(pattern: Pattern[Any]) -> Pattern[Any]:
        with allowance.change(place):
            for change in reversed(changes):
                pattern = change.apply(pattern)
        return pattern

    names = " . ".join(change.name for change in changes)
    return Change(
        apply,
        names if len(names) <= LONGEST_NAME else f"{names[:LONGEST_NAME]} ...",
        place,
        frozenset().union(*(change.effects for change in changes)),
        frozenset().union(*(change.names for change in changes)),
        literals_of(*changes),
    )


def changed(rack: Rack, value: Value, change: Change) -> Value:
    """What a transform makes of a value.

    Raises:
        PlayError: there is nothing in it to change.
    """
    match value:
        case Voices():
            return Voices(
                change.apply(value.pattern),
                value.names | change.names,
                value.effects | change.effects,
                value.after,
            )
        case Steps():
            return _steps_changed(rack, value, change)
        case Sound(cyclic=None):
            if change.unit is not None:
                return Sound(rack.through((change.unit,), value.signal))
            return Sound(signal_changed(value.signal, change, rack.made))
    words = bare(value)
    if words is None:
        message = f"{change.name} changes patterns, not {told(value)}"
        raise PlayError(message, place=change.place)
    if change.effects or change.names:
        message = "numbers and words cannot go through an effect or have a voice parameter"
        expected = ('s "bd" or note "c e" around the pattern',)
        raise PlayError(message, place=change.place, expected=expected)
    return Words(change.apply(words.pattern), literals_of(words, change))


def _steps_changed(rack: Rack, steps: Steps, change: Change) -> Steps:
    """The patterns that effects and voice parameters are given."""
    found: list[Step] = []
    for step in steps.steps:
        match step:
            case UnitStep():
                inputs = tuple(
                    signal_changed(one, change, rack.made) if has_pattern(one) else one
                    for one in step.inputs
                )
                is_same = not any(map(has_pattern, step.inputs))
                found.append(step if is_same else replace(step, inputs=inputs))
            case MergeStep():
                value = changed(rack, step.value, change)
                found.append(replace(step, value=value, unit=None))
            case FunctionStep():
                found.append(step)
    if all(one is other for one, other in zip(found, steps.steps, strict=True)):
        message = f"there is no pattern behind # that {change.name} could change"
        expected = ("brackets, for $ binds before #: (a # b) $ c",)
        raise PlayError(message, place=change.place, expected=expected)
    return Steps(tuple(found), steps.place)
