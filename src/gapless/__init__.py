"""Gapless: a self-hosted real-time voice engine.

    import gapless

    transcript = gapless.transcribe("talk.mp3")              # a whole recording

    for event in gapless.listen(blocks, rate_hz=48_000):     # live audio, recognised in this process
        print(event)

    async with gapless.Client("ws://127.0.0.1:8000") as client:  # live audio, recognised by a server
        ...

Invariants: importing this package imports none of its libraries; a name brings what it needs when it is first used.
What ``__all__`` names is public; all else may change from version to version.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gapless import errors
from gapless.errors import GaplessError

if TYPE_CHECKING:
    from gapless.api import listen, transcribe
    from gapless.client import Client
    from gapless.engine import Engine
    from gapless.listen.events import (
        Failed,
        Final,
        Flushed,
        ListenEvent,
        Partial,
        SpeechEnd,
        SpeechStart,
    )
    from gapless.listen.recording import Progress
    from gapless.settings import Settings, load_settings
    from gapless.transcript import Transcript, Utterance, Word

    __version__: str

__all__ = [
    "Client",
    "Engine",
    "Failed",
    "Final",
    "Flushed",
    "GaplessError",
    "ListenEvent",
    "Partial",
    "Progress",
    "Settings",
    "SpeechEnd",
    "SpeechStart",
    "Transcript",
    "Utterance",
    "Word",
    "__version__",
    "errors",
    "listen",
    "load_settings",
    "transcribe",
]

_HOMES = {
    "gapless.api": ("transcribe",),
    "gapless.client": ("Client",),
    "gapless.engine": ("Engine",),
    "gapless.listen.events": (
        "Failed",
        "Final",
        "Flushed",
        "ListenEvent",
        "Partial",
        "SpeechEnd",
        "SpeechStart",
    ),
    "gapless.listen.recording": ("Progress",),
    "gapless.settings": ("Settings", "load_settings"),
    "gapless.transcript": ("Transcript", "Utterance", "Word"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # or every misspelt name would pass the type checker

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            value: Any = version("gapless")
        elif name in _HOME_OF:
            value = getattr(import_module(_HOME_OF[name]), name)
        else:
            raise AttributeError(f"module 'gapless' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """``gapless.listen`` is always the function, although a package of that name lies beside it.

    The import system binds a sub-package to its parent as soon as anything imports it; this property is what keeps
    the order of imports from deciding which of the two a caller gets. ``from gapless.listen.events import ...`` does
    not go through the attribute.
    """

    @property
    def listen(self) -> Any:
        from gapless.api import listen

        return listen

    @listen.setter
    def listen(self, package: ModuleType) -> None:
        """Let the import system's binding pass."""


sys.modules[__name__].__class__ = _Package
