"""Values joined by ``#``: an effect, or more that is said of voices.

In: a value and a step. Out: a value. Invariants: voices stay voices. Thread: one program is made by one thread.
"""

from __future__ import annotations

from dataclasses import replace

from gapless.play.errors import PlayError
from gapless.play.language.arithmetic import arithmetic, united
from gapless.play.language.rack import DEEPEST_SIGNAL, Rack
from gapless.play.language.values import (
    FunctionStep,
    MergeStep,
    Sound,
    Step,
    Steps,
    UnitStep,
    Value,
    Voices,
    told,
)


def joined(rack: Rack, left: Value, step: Step) -> Value:
    """What stands before ``#`` with what stands behind it.

    Raises:
        PlayError: they do not go together.
    """
    if isinstance(left, Steps):
        if len(left.steps) >= DEEPEST_SIGNAL:
            message = f"no more than {DEEPEST_SIGNAL} effects and parameters can be one chain"
            raise PlayError(message, place=step.place)
        return Steps((*left.steps, step), left.place)
    match step:
        case FunctionStep():
            return step.apply(left)
        case UnitStep():
            return _effect(rack, left, step)
        case MergeStep():
            return _merge(rack, left, step)


def _effect(rack: Rack, left: Value, step: UnitStep) -> Value:
    match left:
        case Voices():
            return replace(left, after=(*left.after, step))
        case Sound():
            return Sound(rack.through((step,), left.signal))
    message = f"{step.unit} needs a sound in front of it, not {told(left)}"
    expected = ('s "bd" # ...', "saw 110 # ...")
    raise PlayError(message, place=step.place, expected=expected)


def _merge(rack: Rack, left: Value, step: MergeStep) -> Value:
    if isinstance(left, Sound) and left.cyclic is None and step.operator == "#":
        if step.unit is not None:
            return _effect(rack, left, step.unit)
        what = step.name or told(step.value)
        message = f"{what} is for voices, and this sound has none"
        raise PlayError(message, place=step.place, expected=('s "~bus" # ...', "an effect"))
    if step.operator != "#":
        return arithmetic(rack, step.operator, left, step.value, step.place)
    wanted: tuple[str, ...] = ('s "bd sn" # ...', 'note "c e" # ...')
    if isinstance(left, Voices):
        if isinstance(step.value, Voices):
            return united(rack, "#", left, step.value, step.place)
        wanted = ("gain 0.8", 'note "c e"', "an effect")
        left = step.value
    message = f"{told(left)} does not say what it is for"
    raise PlayError(message, place=step.place, expected=wanted)
