"""Which outputs are silent, as commands of the language.

In: statements; names of outputs. Out: names, commands. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gapless.play.prompt.entry import Kept

NOTHING: Final = "unhush"
"""What makes a program of definitions alone, or of nothing, a good one; it acts on nothing."""


def outputs_of(kept: Iterable[Kept]) -> tuple[str, ...]:
    """What statements make heard, by the names that a program gives it."""
    names = [one.name for one in kept]
    if named := [name for name in names if name == "out" or _number(name, "o")]:
        return tuple(named)
    if "~master" in names or "~out" in names:
        return ("out",)
    return tuple(name[1:] for name in names if _number(name, "~d"))


def entered_outputs(entered: Iterable[Kept]) -> frozenset[str]:
    """Outputs that statements are, or may be."""
    names = {one.name for one in entered}
    main = {"out"} if names & {"~master", "~out"} else set[str]()
    return frozenset(main | {name.removeprefix("~") for name in names})


def commands_for(hushed: frozenset[str], outputs: Iterable[str]) -> list[str]:
    """Commands that make these outputs silent and no others."""
    there = list(outputs)
    numbers = {name: _number(name, name[:1]) for name in there}
    if hushed >= set(there):
        return ["hush"] if there else [NOTHING]
    if "out" in there and "out" in hushed:
        # It has no number, and is silent only with all.
        return ["hush", *(f"unhush{numbers[name]}" for name in there if name not in hushed)]
    return [f"hush{numbers[name]}" for name in there if name in hushed] or [NOTHING]


def _number(name: str, sign: str) -> str:
    """Of ``o1`` or ``~d1``; empty: it has none."""
    number = name.removeprefix(sign)
    return number if name.startswith(sign) and number.isdecimal() else ""
