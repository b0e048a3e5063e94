"""What a program says besides sounds: tempo, mix, hushed outputs, the time.

In: statements. Out: what they mean. Invariants: what means nothing is a mistake or a remark at its place. Thread: any
(pure).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, get_args

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language import tree
from gapless.play.language.evaluate import Evaluation
from gapless.play.language.values import Num, told
from gapless.play.program import OutMix, Remark, Transport

FASTEST_CPS: Final = 100
"""Cycles per second."""
BEATS_PER_BAR: Final = 4
_METER = re.compile(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16|32)\s*")
_HUSH = re.compile(r"(un)?hush(\d*)")
_EXAMPLES: Final = {"tempo": "tempo: 0.5", "cps": "cps: 0.5", "bpm": "bpm: 120"}
_OUTMIXES: Final[Mapping[str, OutMix]] = {name: name for name in get_args(OutMix)}


def cps_of(setting: tree.Setting | None, evaluation: Evaluation) -> Fraction:
    """Cycles per second.

    Raises:
        PlayError: it is no number, or out of bounds.
    """
    if setting is None:
        return Fraction(1, 2)
    value = evaluation.value(setting.value)
    if not isinstance(value, Num):
        message = f"{setting.name} is a number, not {told(value)}"
        raise PlayError(message, place=setting.value.place, expected=(_EXAMPLES[setting.name],))
    cps = value.value
    if setting.meter is not None and setting.name != "bpm":
        message = f"{setting.name} has no meter"
        raise PlayError(message, place=setting.meter.place, expected=('bpm: 120 "3/4"',))
    if setting.name == "bpm":
        cps = value.value / 60 / _beats(setting.meter)
    if not 0 < cps <= FASTEST_CPS:
        message = f"{setting.name} is more than 0 and at most {FASTEST_CPS} cycles per second"
        raise PlayError(message, place=setting.value.place, expected=(_EXAMPLES[setting.name],))
    return cps


def _beats(meter: tree.Quoted | None) -> int:
    """Per bar."""
    if meter is None:
        return BEATS_PER_BAR
    match = _METER.fullmatch(meter.text)
    if match is None or int(match[1]) == 0:
        raise PlayError("this is no meter", place=meter.place, expected=('"4/4"', '"3/4"'))
    return int(match[1])


def outmix_of(setting: tree.Setting | None) -> OutMix:
    """How outputs are summed.

    Raises:
        PlayError: there is no such way.
    """
    if setting is None:
        return "none"
    word = setting.value.name if isinstance(setting.value, tree.Name) else ""
    found = _OUTMIXES.get(word)
    if found is None:
        raise PlayError(
            "there is no such outmix",
            place=setting.value.place,
            expected=tuple(_OUTMIXES),
            nearest=nearest_name(word, _OUTMIXES),
        )
    return found


def hushed_by(
    commands: Sequence[tree.Command], outputs: Iterable[str]
) -> tuple[frozenset[str], list[Remark]]:
    """Outputs that are silent; and what is to be said of commands that mean none."""
    hushed: set[str] = set()
    remarks = []
    for command in commands:
        if command.name == "panic":
            hushed.update(outputs)
        match = _HUSH.fullmatch(command.name)
        if match is None:
            continue
        number = match[2]
        meant = {name for name in outputs if not number or name in (f"o{number}", f"d{number}")}
        if number and not meant:
            text = f"there is no output o{number} that {command.name} could mean"
            remarks.append(Remark(text, command.place))
        hushed = hushed - meant if match[1] else hushed | meant
    return frozenset(hushed), remarks


def transport_of(command: tree.Command) -> Transport | None:
    """What a command does to the time; None: nothing."""
    cycles = command.value.value if command.value else Fraction(0)
    match command.name:
        case "resetCycles" | "panic":
            return Transport(command.name, place=command.place)
        case "setCycle" | "nudge":
            return Transport(command.name, cycles, command.place)
        case _:
            return None
