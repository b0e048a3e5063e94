"""What a program's values sound like, and the effects that its events may go through.

In: values. Out: signals. Invariants: voices are made into a signal once, however often they are used; no signal is made
of more units than can be followed by recursion, or built. Thread: one program is made by one thread.

An effect behind voices is done to all of them at once, behind their sum. Where it is an argument of a transform it is
done to some of their events, so each such effect has a number in the program, and events say by which they go.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, final

from gapless.play.errors import PlayError
from gapless.play.language.allowance import gated
from gapless.play.language.kinds import WANTED, check, is_number, numbers
from gapless.play.language.parameters import settled, with_effect, with_effects_numbered
from gapless.play.language.values import (
    Change,
    Items,
    Num,
    Sound,
    Steps,
    UnitStep,
    Value,
    Voices,
    Words,
    told,
)
from gapless.play.pattern import Place
from gapless.play.program import MOST_EFFECTS, Bus, Effect, Made, Number, Played, Signal, Stepped
from gapless.play.transforms.contract import Kind

DEEPEST_SIGNAL: Final = 120
"""Units behind each other, buses counted, so that whoever follows a signal may do it by recursion."""
MOST_UNITS: Final = 5_000
"""That a signal is made of without its buses, one that is used twice counted twice."""


class _Known(NamedTuple):
    """A signal that was made; kept, so that no other one gets its id."""

    made: Made
    depth: int
    units: int


@final
class Rack:
    """The effects of a program's events, and the signals that its values have become.

    Args:
        refer: is told of each bus that a signal reads.
    """

    def __init__(self, refer: Callable[[str], None]) -> None:
        self._refer = refer
        self._effects: list[tuple[UnitStep, ...]] = []
        self._sounded: dict[int, tuple[Voices, Signal]] = {}
        self._known: dict[int, _Known] = {}
        self._bus_depths: dict[str, int] = {}

    def made(self, unit: str, inputs: tuple[Signal, ...], place: Place) -> Made:
        """What a unit makes of signals.

        Raises:
            PlayError: it is made of too many others.
        """
        depth = 1 + max(map(self._depth, inputs), default=0)
        if depth > DEEPEST_SIGNAL:
            message = f"no more than {DEEPEST_SIGNAL} units can stand one behind the other"
            raise PlayError(message, place=place)
        known = [self._known[id(one)] for one in inputs if id(one) in self._known]
        units = 1 + sum(one.units for one in known)
        if units > MOST_UNITS:
            message = f"this sound would be made of more than {MOST_UNITS} units"
            raise PlayError(message, place=place, expected=("a ~bus for what is used twice",))
        made = Made(unit, inputs, place)
        self._known[id(made)] = _Known(made, depth, units)
        return made

    def _depth(self, signal: Signal) -> int:
        if isinstance(signal, Bus):
            return self._bus_depths.get(signal.name, 0)
        return self._known[id(signal)].depth if id(signal) in self._known else 0

    def known_as(self, bus: str, value: Value) -> None:
        """Remember how deep a bus goes."""
        deepest = self._depth(value.signal) if isinstance(value, Sound) else 0
        if isinstance(value, Voices):
            deepest = len(value.after)
        self._bus_depths[bus] = deepest + 1

    # --- values as signals ---

    def signal(self, value: Value, place: Place) -> Signal:
        """What a value sounds like.

        Raises:
            PlayError: it is no sound.
        """
        expected: tuple[str, ...]
        match value:
            case Sound():
                return value.signal
            case Num():
                return Number(float(value.value))
            case Words():
                check(value, is_number, "a signal", WANTED[Kind.NUMBER])
                return Stepped(gated(numbers(value.pattern, Kind.NUMBER), place))
            case Voices():
                return self._voices(value, place)
            case Steps():
                expected = ("a sound in front of it: saw 110 # ...",)
            case Change():
                expected = ('a pattern that it changes: ... $ s "bd sn"',)
            case Items():
                expected = ('stack [a, b], or a pattern "[a, b]"',)
        raise PlayError(f"{told(value)} makes no sound", place=place, expected=expected)

    def _voices(self, voices: Voices, place: Place) -> Signal:
        known = self._sounded.get(id(voices))
        if known is not None:
            return known[1]
        if voices.bus is not None:
            self._refer(voices.bus)
            made: Signal = Bus(voices.bus)
            made = self.through(voices.after[voices.within :], made)
        else:
            made = self.through(voices.after, self._played(voices, place))
        # The voices are kept, too, so that no other object gets their id.
        self._sounded[id(voices)] = (voices, made)
        return made

    def through(self, steps: tuple[UnitStep, ...], sound: Signal) -> Signal:
        """A sound behind a chain of effects."""
        for step in steps:
            sound = self.made(step.unit, (sound, *step.inputs), step.place)
        return sound

    def _played(self, voices: Voices, place: Place) -> Played:
        pattern = settled(voices.pattern)
        used = sorted(voices.effects)
        if len(used) > MOST_EFFECTS:
            message = f"{len(used)} effects within transforms, or within a stack, are too many"
            expected = (f"{MOST_EFFECTS} at most", "some of them behind it all with #")
            raise PlayError(message, place=place, expected=expected)
        if used:
            pattern = with_effects_numbered(pattern, {index: n for n, index in enumerate(used)})
        effects = [Effect(partial(through, self._effects[index])) for index in used]
        return Played(gated(pattern, place), tuple(effects))

    # --- effects of events ---

    def number(self, steps: tuple[UnitStep, ...]) -> int:
        """Of a chain that some events go through."""
        self._effects.append(steps)
        return len(self._effects) - 1

    def folded(self, voices: Voices) -> Voices:
        """The same with its effects done to each event, so that it can be one pattern among others."""
        if not voices.after:
            return voices
        index = self.number(voices.after)
        pattern = with_effect(voices.pattern, index)
        return Voices(pattern, voices.names, voices.effects | {index})


def through(steps: tuple[UnitStep, ...], sound: Signal) -> Signal:
    """A sound behind a chain of effects, once the program is made."""
    for step in steps:
        sound = Made(step.unit, (sound, *step.inputs), step.place)
    return sound
