"""Events as SuperDirt takes them.

In: an event that begins. Out: ``/dirt/play`` with names and values in turn. Invariants: words are strings, numbers
floats that are finite, ``orbit`` an integer; the values are those of the program, in its own units. Thread: any (pure).

Source: the sender is ``Sound.Tidal.Stream.Process`` of TidalCycles (an event needs ``s``; it gets ``cps``,
``cycle`` and ``delta`` in seconds; names are in their order), the receiver ``connect`` in SuperDirt's ``SuperDirt.sc``.
"""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Final

from gapless.play.osc.packet import Argument, Message
from gapless.play.schedule import Heard

ADDRESS: Final = "/dirt/play"
ORBITS: Final = 12
"""That SuperDirt has when it is started as its guide says; a higher output takes one of them again."""
OURS: Final = frozenset({"fx"})
"""Controls that mean nothing to others."""
MOST_FLOAT: Final = 3.4e38
_NUMBERED = re.compile(r"o(\d{1,9})")


def play_message(heard: Heard, cps: float, rate_hz: int) -> Message | None:
    """The message for an event; None: it has no name of a sound.

    Args:
        heard: it.
        cps: cycles per second.
        rate_hz: of its samples.
    """
    name = heard.event.value.get("s")
    if not isinstance(name, str) or not name:
        return None
    number = _NUMBERED.fullmatch(heard.output)
    cycles = heard.event.part if heard.event.whole is None else heard.event.whole
    values: dict[str, Argument] = {
        "_id_": number[1] if number else heard.output,
        "cps": cps,
        "cycle": float(cycles.begin),
        "delta": (heard.end - heard.begin) / rate_hz,
        "orbit": (int(number[1]) - 1) % ORBITS if number else 0,
    }
    sound, _, behind = name.partition(":")
    if behind.isdecimal() and len(behind) <= 6:
        # SuperDirt splits ``sound``, not ``s``.
        values["n"] = float(behind)
    for key, value in heard.event.value.items():
        sent = _sent(value)
        if key not in OURS and sent is not None:
            values[key] = sent
    values["s"] = sound
    return Message(ADDRESS, tuple(one for pair in sorted(values.items()) for one in pair))


def _sent(value: object) -> str | float | None:
    """A value as it is sent; None: it is not."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= MOST_FLOAT else None
