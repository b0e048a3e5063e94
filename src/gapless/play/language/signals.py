"""Patterns within signals, changed where they are.

In: a signal, a transform. Out: the signal with its patterns changed. Invariants: buses are left as they are, for others
read them, too. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from gapless.play.errors import PlayError
from gapless.play.language.allowance import gated
from gapless.play.language.values import Change
from gapless.play.pattern import Place
from gapless.play.program import Made, Played, Signal, Stepped


def has_pattern(signal: Signal) -> bool:
    """Whether there is one in it that a transform could change."""
    return next(patterns_in((signal,)), None) is not None


def patterns_in(signals: Iterable[Signal]) -> Iterator[Stepped | Played]:
    """All patterns that they are made of, each once; those of buses not."""
    waiting = list(signals)
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Stepped | Played):
            yield one
        if isinstance(one, Made):
            waiting.extend(one.inputs)


def signal_changed(
    signal: Signal, change: Change, make: Callable[[str, tuple[Signal, ...], Place], Made]
) -> Signal:
    """A signal whose patterns are changed.

    Args:
        signal: whose.
        change: how.
        make: a unit's signal, of its name, inputs and place.

    Raises:
        PlayError: there is none in it, or none that can go through an effect.
    """
    if not has_pattern(signal):
        message = f"there is no pattern in this sound that {change.name} could change"
        expected = ('a pattern, such as s "bd sn" or "300 500"',)
        raise PlayError(message, place=change.place, expected=expected)
    if change.effects or change.names:
        message = f"{change.name} brings effects or voice parameters, and this is a sound already"
        expected = ("it behind the pattern itself: s ... $ " + change.name,)
        raise PlayError(message, place=change.place, expected=expected)
    known: dict[int, Signal] = {}

    def visit(one: Signal) -> Signal:
        if id(one) not in known:
            made = one
            if isinstance(one, Stepped):
                made = Stepped(gated(change.apply(one.pattern), change.place))
            elif isinstance(one, Played):
                made = replace(one, pattern=gated(change.apply(one.pattern), change.place))
            elif isinstance(one, Made):
                inputs = tuple(visit(each) for each in one.inputs)
                made = make(one.unit, inputs, one.place or change.place)
            known[id(one)] = made
        return known[id(one)]

    return visit(signal)
