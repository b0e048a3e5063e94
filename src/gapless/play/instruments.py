"""Which instruments a pattern asks for that are no samples: buses, and units by their names.

In: a pattern. Out: names. Invariants: a pattern may say anything at any time, so its first cycles are looked at; what
only comes later is not known, and is told when it comes. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gapless.play.pattern import Pattern
from gapless.play.program import Controls
from gapless.play.sound.catalogue import INSTRUMENTS
from gapless.play.sound.unit import Unit

LOOK_CYCLES: Final = 32
TONES: Final = frozenset({"sine", "saw", "square", "tri", "pulse", "noise"})
"""Units that the bank has voices for, which cost less."""


def instruments_of(
    pattern: Pattern[Controls],
    units: Mapping[str, Unit],
    buses: Mapping[str, Any],
    words: frozenset[str] | None = None,
) -> tuple[str, ...]:
    """What its events are played on, in the order of the names: ``~x`` for a bus, or the name of a unit.

    Args:
        pattern: of a program.
        units: the catalogue.
        buses: of the program, by name.
        words: that its text has; what is none of them is not looked for.
    """
    known = (*(f"~{name}" for name in buses), *(INSTRUMENTS - TONES))
    possible = {name for name in known if words is None or name in words}
    found: set[str] = set()
    for cycle in range(LOOK_CYCLES):
        if found == possible:
            break
        said = (str(event.value.get("s", "")) for event in pattern.query(cycle, cycle + 1))
        found |= {name for name in said if is_instrument(name, units, buses)}
    return tuple(sorted(found))


def is_instrument(name: str, units: Mapping[str, Unit], buses: Mapping[str, Any]) -> bool:
    """Whether it is a bus, or a unit that is played as it is and is no tone of the bank."""
    if name.startswith("~"):
        return name[1:] in buses
    return name in INSTRUMENTS and name in units and name not in TONES
