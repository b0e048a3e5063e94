"""Units called: their arguments as signals.

In: a unit and values. Out: a sound, or an effect that waits for one. Invariants: a unit gets as many inputs as it has,
the right half of a stereo sound (``in2``) being left to the graph. Thread: one program is made by one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.kinds import bare
from gapless.play.language.transforming import Asked
from gapless.play.language.values import Sound, Steps, UnitStep
from gapless.play.program import Number, Signal

if TYPE_CHECKING:
    from gapless.play.sound.unit import Input, Unit

RIGHT: Final = "in2"
"""The input for the right half of the sound that comes in."""


def effect_of(asked: Asked, unit: Unit) -> Steps:
    """A unit behind ``#``, or as an argument of a transform.

    Raises:
        PlayError: its arguments are wrong, or it changes no sound.
    """
    if not unit.is_effect and not (unit.inputs and unit.inputs[0].default is None):
        message = f"{unit.name} makes a sound and changes none"
        raise PlayError(message, place=asked.place, expected=("an effect such as lpf 800", "'+'"))
    inputs = _signals(asked, unit, unit.inputs[1:])
    return Steps((UnitStep(unit.name, inputs, asked.place),), asked.place)


def sound_of(asked: Asked, unit: Unit) -> Sound | Steps:
    """A unit with all its arguments; an effect whose sound is not among them waits for it.

    Raises:
        PlayError: its arguments are wrong.
    """
    shown = [one for one in unit.inputs if one.name != RIGHT]
    if unit.is_effect and "in" not in asked.keywords:
        first = asked.given[0].value if asked.given else None
        is_sound = first is not None and (bare(first) is None or isinstance(first, Sound))
        if not is_sound and len(asked.given) < len(shown):
            return effect_of(asked, unit)
    inputs = _signals(asked, unit, unit.inputs)
    return Sound(asked.evaluation.rack.made(unit.name, inputs, asked.place))


def _signals(asked: Asked, unit: Unit, inputs: Sequence[Input]) -> tuple[Signal, ...]:
    """One for each input: what was given, or its default."""
    shown = [one for one in inputs if one.name != RIGHT]
    usage = " ".join((unit.name, *(one.name for one in shown)))
    by_name = dict(asked.keywords)
    for name, one in by_name.items():
        if name not in {each.name for each in shown}:
            message = f"{unit.name} has no argument called {name}"
            nearest = nearest_name(name, [each.name for each in shown])
            raise PlayError(message, place=one.place, expected=(usage,), nearest=nearest)
    free = [one for one in shown if one.name not in by_name]
    if len(asked.given) > len(free):
        message = f"{unit.name} has too many arguments"
        raise PlayError(message, place=asked.given[len(free)].place, expected=(usage,))
    by_name.update((one.name, each) for one, each in zip(free, asked.given, strict=False))
    found: list[Signal] = []
    for wanted in inputs:
        said = by_name.get(wanted.name)
        if said is not None:
            found.append(asked.evaluation.rack.signal(said.value, said.place))
        elif wanted.default is None and wanted.name != RIGHT:
            message = f"{unit.name} has no {wanted.name}: {wanted.doc}"
            raise PlayError(message, place=asked.place, expected=(usage,))
        else:
            found.append(Number(wanted.default or 0.0))
    return tuple(found)
