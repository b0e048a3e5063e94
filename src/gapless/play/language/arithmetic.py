"""Values calculated with: numbers, patterns, controls, sounds.

In: values and an operator. Out: a value. Invariants: a sound stays a sound, voices stay voices as long as they can; no
number and no word grows without bounds. Thread: one program is made by one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from gapless.play.controls import NUMBERS
from gapless.play.errors import PlayError
from gapless.play.language.allowance import gated, gated_pair
from gapless.play.language.kinds import bare
from gapless.play.language.parameters import control
from gapless.play.language.rack import Rack
from gapless.play.language.values import (
    Num,
    Sound,
    Steps,
    UnitStep,
    Value,
    Voices,
    Words,
    literals_of,
    told,
)
from gapless.play.notes import number_of
from gapless.play.pattern import Pattern, Place
from gapless.play.program import Signal
from gapless.play.structure import OPERATORS

UNITS_OF: Final[Mapping[str, str]] = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
"""What calculates with sounds."""
LARGEST: Final = 10**15
"""Of a number that is calculated while a program is read; larger ones of patterns are not exact."""
LONGEST_WORD: Final = 256
"""That is put together of others; the rest is cut off."""


def arithmetic(rack: Rack, operator: str, left: Value, right: Value, place: Place) -> Value:
    """Two values calculated with.

    Args:
        rack: of the program.
        operator: as it is written; without a bar it also is for sounds.
        left: one.
        right: the other.
        place: of both.

    Raises:
        PlayError: they cannot be.
    """
    if isinstance(left, Num) and isinstance(right, Num):
        return Num(_calculated(operator.strip("|"), left, right, place), place)
    if isinstance(left, Steps) and operator in UNITS_OF:
        # Behind lpf 300 * 0.5 what comes out of the effect is meant.
        step = UnitStep(UNITS_OF[operator], (rack.signal(right, place),), place)
        return Steps((*left.steps, step), left.place)
    one, other = bare(left), bare(right)
    if one is not None and other is not None:
        pattern = operated(operator, one.pattern, other.pattern, place)
        if isinstance(left, Sound) or isinstance(right, Sound):
            return Sound(_calculating(rack, operator, left, right, place), pattern)
        return Words(pattern, literals_of(one, other))
    voices = _of_voices(rack, operator, left, right, place)
    return voices or Sound(_calculating(rack, operator, left, right, place))


def _of_voices(rack: Rack, operator: str, left: Value, right: Value, place: Place) -> Voices | None:
    """Controls calculated with; None: sounds are meant."""
    if not isinstance(left, Voices):
        return None
    words = bare(right)
    if isinstance(right, Voices):
        # Two that sound are mixed; one that only says something is added to what the other says.
        if operator in UNITS_OF and "s" in left.names & right.names:
            return None
        return united(rack, operator, left, right, place)
    if words is not None and operator not in UNITS_OF:
        pattern = operated(operator, left.pattern, words.pattern, place)
        return replace(left, pattern=pattern, bus=None, within=0)
    if words is None or len(left.names) > 1 or not left.names <= NUMBERS.keys():
        return None
    # It says but one thing of voices, so that is meant: note "0 4" + 12.
    (name,) = left.names
    return united(rack, operator, left, Voices(control(name, words.pattern), left.names), place)


def united(rack: Rack, operator: str, left: Voices, right: Voices, place: Place) -> Voices:
    """What two patterns of controls say together."""
    right = rack.folded(right)
    return Voices(
        operated(operator, left.pattern, right.pattern, place),
        left.names | right.names,
        left.effects | right.effects,
        left.after,
    )


def operated(operator: str, left: Pattern[Any], right: Pattern[Any], place: Place) -> Pattern[Any]:
    """Two patterns joined, at a bounded cost."""
    if operator in UNITS_OF or (operator[0] == operator[-1] == "|"):
        left, right = gated_pair(left, right, place)
    else:
        left, right = gated(left, place), gated(right, place)
    found = OPERATORS[operator](left, right)
    return found.map(_bounded) if "+" in operator or "*" in operator else found


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bounded(one) for key, one in value.items()}
    if isinstance(value, str):
        return value[:LONGEST_WORD]
    if isinstance(value, int | Fraction):
        return float(value) if value.numerator**2 > LARGEST**2 * value.denominator**2 else value
    return value


def _calculating(rack: Rack, operator: str, left: Value, right: Value, place: Place) -> Signal:
    unit = UNITS_OF.get(operator)
    if unit is None:
        message = f"{operator} joins patterns, not {told(left)} and {told(right)}"
        plain_one = operator.strip("|")
        expected: tuple[str, ...] = (plain_one,) if plain_one in UNITS_OF else ()
        if isinstance(left, Steps):
            # It binds before #, which brought the effect here.
            message = f"{operator} joins what is said of voices, and before it stands an effect"
            expected = (
                f"{operator} before the effect",
                f"brackets: (... # lpf 300) {operator} ...",
            )
        raise PlayError(message, place=place, expected=expected)
    return rack.made(unit, (rack.signal(left, place), rack.signal(right, place)), place)


def negative(rack: Rack, value: Value, place: Place) -> Value:
    """``-value``."""
    if isinstance(value, Num):
        return Num(-value.value, place)
    words = bare(value)
    if words is None:
        return Sound(rack.made("neg", (rack.signal(value, place),), place))

    def turn(one: Any) -> Any:
        number = number_of(one)
        return None if number is None else -number

    turned = gated(words.pattern, place).map(turn).keep(lambda event: event.value is not None)
    if isinstance(value, Sound):
        return Sound(rack.made("neg", (value.signal,), place), turned)
    return Words(turned, words.literals)


def _calculated(operator: str, left: Num, right: Num, place: Place) -> Fraction:
    match operator:
        case "+":
            found = left.value + right.value
        case "-":
            found = left.value - right.value
        case "*":
            found = left.value * right.value
        case "/":
            if not right.value:
                raise PlayError("nothing can be divided by 0", place=right.place)
            found = left.value / right.value
        case ">":
            found = right.value
        case _:
            found = left.value
    if abs(found.numerator) > LARGEST**2 or found.denominator > LARGEST**2 or abs(found) > LARGEST:
        raise PlayError("this number is too large, or has too many places", place=place)
    return found
