"""All names of the language, each with a line of help.

In: a name, or the beginning of one. Out: lines; names. Invariants: what is said comes from the catalogues. Thread: any
(pure).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gapless.play.controls import NUMBERS
from gapless.play.controls import UNITS as PACES
from gapless.play.drums import kit
from gapless.play.errors import nearest_name
from gapless.play.language.parameters import ALIASES
from gapless.play.language.sounding import RIGHT
from gapless.play.sound.catalogue import UNITS
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS

STATEMENTS: Final[Mapping[str, str]] = {
    "out": "out: SOUND. The main output.",
    "o1": "o1: SOUND. An output with a number, also d1 or out1; all are summed.",
    "fn": "fn NAME a b = EXPRESSION. A function.",
    "tempo": "tempo: N. Cycles per second, 0.5 if nothing is said; also cps.",
    "cps": "cps: N. Cycles per second, 0.5 if nothing is said; also tempo.",
    "bpm": 'bpm: N, or bpm: N "3/4". Beats per minute; four beats are a cycle.',
    "outmix": "outmix: none, gain, sqrt, tanh or hard. How outputs are summed.",
    "hush": "hush, hush1. All outputs, or one, are silent.",
    "unhush": "unhush, unhush1. They are heard again.",
    "panic": "panic. All that sounds ends at once, and outputs are silent.",
    "resetCycles": "resetCycles. Go to cycle 0.",
    "setCycle": "setCycle N. Go to a cycle.",
    "nudge": "nudge N. Go on by so many cycles.",
}
"""Words that statements begin with."""

WORDS: Final[Mapping[str, str]] = {
    "s": "s WORDS. What sounds: a drum, a folder of --samples, a wave or a ~bus.",
    "unit": f"unit WORDS. How speed counts: {', '.join(PACES)}.",
}
"""Voice parameters that are no numbers."""


def about(name: str) -> tuple[str, ...]:
    """All that a name means, a line each; empty: it means nothing."""
    return tuple(_meanings(name))


def names() -> frozenset[str]:
    """All that ``about`` knows."""
    return frozenset(
        {*STATEMENTS, *TRANSFORMS, *UNITS, *NUMBERS, *WORDS, *SIGNALS, *ALIASES, *kit.NAMES}
    )


def nearest(name: str) -> str | None:
    """The name that somebody means who wrote another; None: none is close."""
    return nearest_name(name, names())


def beginning_with(start: str, own: Iterable[str] = ()) -> list[str]:
    """Names that begin so, in order.

    Args:
        start: of the name, with ``~``, ``@`` or ``%`` if it has one.
        own: names of statements: ``~bass``, ``fn twice``.
    """
    known = {*names(), *(name.removeprefix("fn ") for name in own)}
    return sorted(name for name in known if name.startswith(start))


def _meanings(name: str) -> Iterator[str]:
    if name in ALIASES:
        yield f"{name}: another name of {ALIASES[name]}."
        yield from _meanings(ALIASES[name])
    if name in STATEMENTS:
        yield STATEMENTS[name]
    if name in TRANSFORMS:
        transform = TRANSFORMS[name]
        taken = (f"[{one.name}]" if one.many else one.name for one in transform.parameters)
        usage = " ".join((name, *taken, *(("$ PATTERN",) if transform.changes else ())))
        yield f"{usage}. {transform.doc}"
    if name in WORDS:
        yield WORDS[name]
    if name in NUMBERS:
        low, high, doc = NUMBERS[name]
        yield f"{name} NUMBERS. Of a voice: {doc} ({low:g} to {high:g})."
    if name in UNITS:
        unit = UNITS[name]
        shown = [one for one in unit.inputs if one.name != RIGHT][unit.is_effect :]
        taken = (
            one.name if one.default is None else f"{one.name}={one.default:g}" for one in shown
        )
        usage = " ".join((*(("SOUND #",) if unit.is_effect else ()), name, *taken))
        yield f"{usage}. {unit.doc}"
    elif name in SIGNALS and name not in TRANSFORMS:
        yield f"{name}. A wave, once a cycle and from 0 to 1, wherever a pattern is wanted."
    if name in kit.NAMES:
        count = kit.count_of(name)
        yield f's "{name}". A drum' + (f", {name}:0 to {name}:{count - 1}." if count > 1 else ".")
