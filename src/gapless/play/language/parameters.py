"""Voice parameters in a program: what patterns say of voices.

In: patterns of words and numbers. Out: patterns of controls. Invariants: names are those of ``NAMES``; numbers are
floats, and a value that is no number where one is wanted leaves no event. Thread: any (pure).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gapless.play.controls import NUMBERS
from gapless.play.language.kinds import readable
from gapless.play.notes import number_of, tones_of
from gapless.play.pattern import Event, Pattern
from gapless.play.program import Controls
from gapless.play.time import Span

NAMES: Final = frozenset((*NUMBERS, "s", "unit"))
"""Of all voice parameters."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"sound": "s", "up": "note", "crush": "bitcrush"}
)
"""Other names of voice parameters and units."""

NOTES: Final = frozenset(("note", "n"))
"""Those that may be said by the name of a note; elsewhere it is a mistake."""

TONES: Final = "tones"
"""Of how many tones a chord is, while its gain is not settled yet."""


def control(name: str, pattern: Pattern[Any]) -> Pattern[Controls]:
    """What a pattern says when it is given to a voice parameter.

    ``s "bd:3"`` says ``n``, too; ``note "c'maj"`` has an event for each tone.
    """
    if name == "s":
        return readable(pattern, _sample)
    if name == "note":
        return _chords(pattern)
    if name not in NUMBERS:
        return readable(pattern, lambda value: {name: str(value)})

    def number(value: object) -> Controls | None:
        found = number_of(value)
        return None if found is None else {name: found}

    return readable(pattern, number)


def _sample(value: object) -> Controls | None:
    if isinstance(value, dict):
        return value
    name, colon, number = str(value).partition(":")
    if not name:
        return None
    if colon and number.lstrip("-").isdigit():
        return {"s": name, "n": float(number)}
    return {"s": name}


def _chords(pattern: Pattern[Any]) -> Pattern[Controls]:
    def ask(span: Span) -> list[Event[Controls]]:
        events = []
        for event in pattern.ask(span):
            number = number_of(event.value)
            tones = (number,) if number is not None else tones_of(str(event.value))
            for tone in tones or ():
                said: Controls = {"note": tone}
                if len(tones or ()) > 1:
                    said[TONES] = len(tones or ())
                events.append(event.with_value(said))
        return events

    return Pattern(ask)


def settled(pattern: Pattern[Controls]) -> Pattern[Controls]:
    """Controls as a voice reads them: of a chord of n tones each sounds with the gain divided by the root of n."""

    def settle(said: Controls) -> Controls:
        if TONES not in said:
            return said
        found = {key: value for key, value in said.items() if key != TONES}
        found["gain"] = float(found.get("gain", 1.0)) / math.sqrt(max(1, said[TONES]))
        return found

    return pattern.map(settle)


def with_effect(pattern: Pattern[Controls], index: int) -> Pattern[Controls]:
    """Every event sent through one more effect."""
    return pattern.map(lambda said: {**said, "fx": (*said.get("fx", ()), index)})


def with_effects_numbered(
    pattern: Pattern[Controls], numbers: Mapping[int, int]
) -> Pattern[Controls]:
    """The same with other numbers for the effects, each once and in order."""

    def number(said: Controls) -> Controls:
        if "fx" not in said:
            return said
        return {**said, "fx": tuple(sorted({numbers[index] for index in said["fx"]}))}

    return pattern.map(number)
