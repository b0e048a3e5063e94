"""Layers: a pattern together with changed copies of it.

In: patterns. Out: patterns. Invariants: ``pan`` is kept from 0 (left) to 1 (right). Thread: any (pure).

Source: TidalCycles 1.9, the reference pages "Accumulation" and "Audio effects". ``jux`` moves a pan that was given to
either side of where it was, and takes the middle where none was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

from gapless.play.pattern import Pattern, stack
from gapless.play.transforms.arguments import (
    CHANGE,
    INTEGER,
    NUMBER,
    TIME,
    count,
    number,
    parameters,
    patterned,
    time,
)
from gapless.play.transforms.contract import Change, Parameter, Transform
from gapless.play.transforms.controls import given, read, scaled

MIDDLE: Final = 0.5
GHOST_STEP: Final = Fraction(1, 8)
"""In cycles; ghosts come 1.5, 2.5 and 4 of them late."""


def _superimpose(change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return stack([pattern, change(pattern)])


def _off(shift: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda by: stack([pattern, change(pattern.late(by))]), (time, shift))


def _layer(changes: Sequence[Change], pattern: Pattern[Any]) -> Pattern[Any]:
    return stack([change(pattern) for change in changes])


def _stutter(times: Pattern[Any], shift: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(many: int, by: Fraction) -> Pattern[Any]:
        return stack([pattern.late(k * by) for k in range(many)])

    return patterned(make, (count, times), (time, shift))


def _faded(
    pattern: Pattern[Any], times: int, shift: Fraction, gain: Callable[[int], float]
) -> Pattern[Any]:
    copies = [pattern.late(k * shift).map(scaled(gain=gain(k))) for k in range(1, times)]
    return stack([pattern, *copies])


def _echo(
    times: Pattern[Any], shift: Pattern[Any], feedback: Pattern[Any], pattern: Pattern[Any]
) -> Pattern[Any]:
    def make(many: int, by: Fraction, share: float) -> Pattern[Any]:
        share = max(-1.0, min(1.0, share))
        return _faded(pattern, many, by, lambda k: share**k)

    return patterned(make, (count, times), (time, shift), (number, feedback))


def _stut(
    times: Pattern[Any], feedback: Pattern[Any], shift: Pattern[Any], pattern: Pattern[Any]
) -> Pattern[Any]:
    def make(many: int, share: float, by: Fraction) -> Pattern[Any]:
        return _faded(pattern, many, by, lambda k: (many - k) / many * (1 - share) + share)

    return patterned(make, (count, times), (number, feedback), (time, shift))


def _panned(by: float) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return given(pan=max(0.0, min(1.0, read(value, "pan", MIDDLE) + by)))(value)

    return change


def juxtaposed(pattern: Pattern[Any], changed: Pattern[Any], width: float) -> Pattern[Any]:
    """One pattern to the left, the other to the right; a width of 1 is all the way."""
    return stack([pattern.map(_panned(-width / 2)), changed.map(_panned(width / 2))])


def _jux(change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return juxtaposed(pattern, change(pattern), 1.0)


def _jux_by(width: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    changed = change(pattern)
    return patterned(lambda wide: juxtaposed(pattern, changed, wide), (number, width))


def _ghost(pattern: Pattern[Any]) -> Pattern[Any]:
    def faint(one: Pattern[Any]) -> Pattern[Any]:
        return one.map(lambda value: given(end=0.2)(scaled(gain=0.7, speed=1.25)(value)))

    near = stack([pattern, faint(pattern).late(GHOST_STEP * Fraction(3, 2))])
    return stack([near, faint(near).late(GHOST_STEP * Fraction(5, 2))])


_CHANGE: Final = parameters(change=CHANGE)

FAMILY: Final = (
    Transform("superimpose", _CHANGE, _superimpose, "A changed copy on top."),
    Transform("off", parameters(cycles=TIME, change=CHANGE), _off, "A changed copy, later."),
    Transform("layer", (Parameter("changes", CHANGE, many=True),), _layer, "Changed copies only."),
    Transform(
        "stutter",
        parameters(times=INTEGER, cycles=TIME),
        _stutter,
        "So many copies, each so many cycles after the last.",
    ),
    Transform(
        "echo",
        parameters(times=INTEGER, cycles=TIME, feedback=NUMBER),
        _echo,
        "So many copies, each later and quieter than the last by a factor from -1 to 1.",
    ),
    Transform(
        "stut",
        parameters(times=INTEGER, feedback=NUMBER, cycles=TIME),
        _stut,
        "As echo, with the feedback first and an even fade.",
    ),
    Transform("jux", _CHANGE, _jux, "As it is on the left, changed on the right."),
    Transform(
        "juxBy",
        parameters(width=NUMBER, change=CHANGE),
        _jux_by,
        "As jux, not all the way to the sides: 0 is none, 1 all.",
    ),
    Transform("ghost", (), _ghost, "Three faint copies soon after."),
)
