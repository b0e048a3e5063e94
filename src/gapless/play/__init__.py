"""Patterns into sound: text -> pattern -> events -> voices -> graph -> blocks.

    from gapless.play import as_program, chain, every, gain, load, mini, note, render, rev, s, stack

    for event in mini("bd*2 <a b>").query(0, 2):
        print(event.whole, event.value)

    beat = every(4, rev, chain(s("bd sn"), gain("1 0.7")))
    tune = chain(note("c4'min7"), s("saw"))
    samples = render(as_program(stack(beat, tune)), seconds=8)

    load("song.ph").events(0, 1)  # what each output plays in the first cycle

Every transform, voice parameter and wave of the language is a name of this module. Invariants: importing it imports
neither the synthesiser nor the language; a name brings what it needs when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapless.play.errors import PlayError
    from gapless.play.face import as_pattern, as_program, chain, operate
    from gapless.play.language.load import load
    from gapless.play.mini import mini
    from gapless.play.pattern import Event, Pattern
    from gapless.play.program import Program
    from gapless.play.render import render

__all__ = [
    "Event",
    "Pattern",
    "PlayError",
    "Program",
    "as_pattern",
    "as_program",
    "chain",
    "load",
    "mini",
    "operate",
    "render",
]

_HOMES = {
    "gapless.play.errors": ("PlayError",),
    "gapless.play.face": ("as_pattern", "as_program", "chain", "operate"),
    "gapless.play.language.load": ("load",),
    "gapless.play.pattern": ("Event", "Pattern"),
    "gapless.play.program": ("Program",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'gapless.play' has no attribute {name!r}")
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    else:
        from gapless.play.face import named

        value = named(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from gapless.play.face import names

    return sorted({*globals(), *__all__, *names()})


class _Package(ModuleType):
    """Some names are always functions, although rooms of this package are called so, too.

    The import system binds a room to its package as soon as anything imports it; these properties are what keeps the
    order of imports from deciding which of the two a caller gets.
    """

    @property
    def mini(self) -> Any:
        from gapless.play.mini import mini

        return mini

    @mini.setter
    def mini(self, room: ModuleType) -> None:
        """Let the import system's binding pass."""

    @property
    def render(self) -> Any:
        from gapless.play.render import render

        return render

    @render.setter
    def render(self, room: ModuleType) -> None:
        """Let the import system's binding pass."""

    @property
    def euclid(self) -> Any:
        from gapless.play.face import named

        return named("euclid")

    @euclid.setter
    def euclid(self, room: ModuleType) -> None:
        """Let the import system's binding pass."""


sys.modules[__name__].__class__ = _Package
