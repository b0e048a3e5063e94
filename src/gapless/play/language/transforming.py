"""Transforms called: their arguments as patterns, and what they make of them.

In: a transform and values. Out: a value: changed, or a ``Change`` that waits for what it is to change. Invariants: the
effects and voice parameters that the arguments bring are known of the result. Thread: one program is made by one
thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gapless.play.errors import PlayError
from gapless.play.language import allowance
from gapless.play.language.allowance import CHANGE_WORK, PAIRS, gated
from gapless.play.language.changing import change_of, changed
from gapless.play.language.kinds import WANTED, pattern_of
from gapless.play.language.rack import Rack
from gapless.play.language.values import (
    Change,
    Items,
    Literal,
    Sound,
    UnitStep,
    Value,
    Voices,
    Words,
    literals_of,
    told,
)
from gapless.play.pattern import Pattern, Place
from gapless.play.program import MOST_EFFECTS
from gapless.play.transforms.arguments import MOST
from gapless.play.transforms.contract import Kind, Parameter, Transform

if TYPE_CHECKING:
    from gapless.play.language.evaluate import Evaluation
    from gapless.play.sound.unit import Unit

MULTIPLYING: Final = frozenset(("chop", "ply"))
"""Transforms that make several events of one without asking again."""


class Given(NamedTuple):
    """An argument that is there."""

    value: Value
    place: Place


class Asked(NamedTuple):
    """A function that is called by a name that everyone knows."""

    evaluation: Evaluation
    name: str
    given: list[Given]
    keywords: dict[str, Given]
    place: Place

    @property
    def unit(self) -> Unit | None:
        """Of that name."""
        return self.evaluation.units.get(self.name)


class Brought(NamedTuple):
    """What arguments bring into what is made of them."""

    effects: frozenset[int]
    names: frozenset[str]
    literals: tuple[Literal, ...]
    has_voices: bool


def transformed(
    rack: Rack, transform: Transform, given: Sequence[Given], place: Place, unit: UnitStep | None
) -> Value:
    """What a transform makes of its arguments.

    Args:
        rack: of the program.
        transform: which.
        given: its arguments; one more is what it changes.
        place: of the call.
        unit: the effect of the same name and arguments, if there is one.

    Raises:
        PlayError: there are too many or too few of them, or one is of a wrong kind.
    """
    target: Given | None = None
    wanted = len(transform.parameters)
    given = _gathered(transform, given)
    if transform.changes and len(given) == wanted + 1:
        *given, target = given
    if len(given) != wanted:
        raise wrong_count(transform, given, place)
    summed = _sum_of_sounds(rack, transform, given, place)
    if summed is not None:
        return summed
    given = _folded(rack, given)
    arguments = [
        _argument(rack, transform, parameter, one)
        for parameter, one in zip(transform.parameters, given, strict=True)
    ]
    brought = _brought(transform, given, arguments)
    plain = [_unwrapped(one) for one in arguments]
    if not transform.changes:
        pattern = transform.apply(*plain)
        if brought.has_voices:
            return Voices(pattern, brought.names, brought.effects)
        return Words(pattern, brought.literals)
    apply: Callable[[Pattern[Any]], Pattern[Any]] = partial(_apply, transform, plain, place)
    change = Change(
        apply, transform.name, place, brought.effects, brought.names, brought.literals, unit
    )
    return change if target is None else changed(rack, target.value, change)


def _apply(
    transform: Transform, arguments: list[Any], place: Place, pattern: Pattern[Any]
) -> Pattern[Any]:
    weigh = None
    if transform.name in MULTIPLYING:
        arguments = list(arguments)
        arguments[0], weigh = _multiplying(arguments[0])
    with allowance.change(place):
        return transform.apply(*arguments, gated(pattern, place, weigh))


def _multiplying(times: Pattern[Any]) -> tuple[Pattern[Any], Callable[[int], int]]:
    """How often each event is heard, and what so many of them come to."""
    greatest = 1

    def note(value: Any) -> Any:
        nonlocal greatest
        greatest = max(greatest, min(math.ceil(abs(value)), MOST))
        return value

    return times.map(note), lambda count: count * greatest


def _gathered(transform: Transform, given: Sequence[Given]) -> Sequence[Given]:
    """``stack a b`` as ``stack [a, b]``."""
    parameters = transform.parameters
    if transform.changes or not parameters or not parameters[-1].many:
        return given
    first = len(parameters) - 1
    rest = given[first:]
    if not rest or (len(rest) == 1 and isinstance(rest[0].value, Items)):
        return given
    items = Items(tuple(one.value for one in rest), rest[0].place)
    return [*given[:first], Given(items, rest[0].place)]


def _sum_of_sounds(
    rack: Rack, transform: Transform, given: Sequence[Given], place: Place
) -> Value | None:
    """Sounds stacked are sounds added; voices with more effects of their own than one pattern can have, too."""
    if transform.name != "stack" or not isinstance(given[0].value, Items):
        return None
    items = given[0].value.items
    effects = sum(len(one.effects) + bool(one.after) for one in items if isinstance(one, Voices))
    has_sound = any(isinstance(one, Sound) and one.cyclic is None for one in items)
    if not has_sound and effects <= MOST_EFFECTS:
        return None
    signal = rack.signal(items[0], place)
    for one in items[1:]:
        signal = rack.made("add", (signal, rack.signal(one, place)), place)
    return Sound(signal)


def _folded(rack: Rack, given: Sequence[Given]) -> list[Given]:
    """Voices among the arguments as patterns alone."""

    def fold(value: Value) -> Value:
        if isinstance(value, Voices):
            return rack.folded(value)
        if isinstance(value, Items):
            return Items(tuple(fold(one) for one in value.items), value.place)
        return value

    return [Given(fold(one.value), one.place) for one in given]


def _argument(rack: Rack, transform: Transform, parameter: Parameter, given: Given) -> Any:
    what = f"{transform.name}'s {parameter.name}"
    if parameter.many:
        items = given.value.items if isinstance(given.value, Items) else (given.value,)
        return [_single(rack, parameter.kind, what, Given(one, given.place)) for one in items]
    return _single(rack, parameter.kind, what, given)


def _single(rack: Rack, kind: Kind, what: str, given: Given) -> Any:
    if kind is Kind.CHANGE:
        return change_of(rack, given.value, what, given.place)
    if isinstance(given.value, Items):
        message = f"{what} is {told(given.value)}"
        raise PlayError(message, place=given.value.place, expected=(WANTED[kind],))
    pattern = pattern_of(given.value, kind, what, given.place)
    return gated(pattern, given.place, None if kind is Kind.PATTERN else _compared)


def _compared(count: int) -> int:
    """What so many events of an argument cost: each makes a pattern, and may be compared with all of another."""
    return count * CHANGE_WORK + count * count // PAIRS


def _unwrapped(argument: Any) -> Any:
    """Changes as functions."""
    if isinstance(argument, list):
        return [_unwrapped(one) for one in argument]
    if not isinstance(argument, Change):
        return argument
    # What it makes may be asked for thousands of cycles, which it need not pass on one by one.
    return lambda pattern: gated(argument.apply(pattern), argument.place, levels=0)


def _brought(transform: Transform, given: Sequence[Given], arguments: Sequence[Any]) -> Brought:
    values: list[Value] = []
    for parameter, one in zip(transform.parameters, given, strict=True):
        if parameter.kind is Kind.PATTERN:
            values += one.value.items if isinstance(one.value, Items) else (one.value,)
    flat = [one for each in arguments for one in (each if isinstance(each, list) else [each])]
    sources: list[Voices | Change] = [one for one in flat if isinstance(one, Change)]
    voices = [one for one in values if isinstance(one, Voices)]
    if voices and len(voices) < len(values):
        message = f"{transform.name} is given voices and bare numbers or words together"
        expected = ('s "bd" or note "c e" around each',)
        raise PlayError(message, place=given[0].place, expected=expected)
    sources += voices
    return Brought(
        frozenset().union(*(one.effects for one in sources)),
        frozenset().union(*(one.names for one in sources)),
        literals_of(*(one for one in (*values, *sources) if isinstance(one, Words | Change))),
        bool(voices),
    )


def wrong_count(transform: Transform, given: Sequence[Given], place: Place) -> PlayError:
    """The mistake of too many or too few arguments."""
    wanted = len(transform.parameters)
    if len(given) > wanted:
        place = given[wanted].place
        message = f"{transform.name} has too many arguments"
    else:
        missing = transform.parameters[len(given)]
        message = f"{transform.name} has no {missing.name}: it needs {WANTED[missing.kind]}"
    return PlayError(message, place=place, expected=(usage_of(transform),))


def usage_of(transform: Transform) -> str:
    """How it is written."""
    names = [parameter.name for parameter in transform.parameters]
    return " ".join((transform.name, *names, *(("$ pattern",) if transform.changes else ())))
