"""Which sound server to use.

In: a name, or nothing. Out: the first of them that runs. Invariants: no server's module is loaded before its turn
comes. Thread: any.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple, Protocol, cast

from gapless.audio.device.server import SoundServer
from gapless.errors import ConfigError, DeviceError, MissingDependencyError


class _Kind(NamedTuple):
    module: str
    name: str
    """Of the class in that module, and for people."""


KINDS: Final = (
    _Kind("gapless.audio.device.pipewire", "PipeWire"),
    _Kind("gapless.audio.device.pulse", "PulseAudio"),
    _Kind("gapless.audio.device.jack", "Jack"),
    _Kind("gapless.audio.device.portaudio", "PortAudio"),
)
"""The one with the least latency first; PortAudio speaks to what others do not."""


class _Server(Protocol):
    """A class of sound servers."""

    def running(self) -> bool:
        """Whether one answers."""
        ...

    def __call__(self) -> SoundServer:
        """Use it.

        Raises:
            MissingDependencyError: what it needs is not installed.
        """
        ...


def find_server(wanted: str | None = None) -> SoundServer:
    """The sound server that runs here.

    Args:
        wanted: "pipewire", "pulseaudio", "jack" or "portaudio", in any case; None for the first that runs.

    Raises:
        ConfigError: ``wanted`` is none of them.
        DeviceError: none runs.
        MissingDependencyError: the wanted one runs, but what it needs is not installed.
    """
    kinds = [kind for kind in KINDS if wanted is None or kind.name.lower() == wanted.lower()]
    if not kinds:
        names = ", ".join(kind.name.lower() for kind in KINDS)
        raise ConfigError(f"there is no sound server {wanted!r}; take one of {names}")
    lacking = list[str]()
    for kind in kinds:
        server = cast("_Server", getattr(import_module(kind.module), kind.name))
        if not server.running():
            continue
        try:
            return server()
        except MissingDependencyError as error:
            if wanted is not None:
                raise
            lacking.append(error.message)
    looked = ", ".join(kind.name for kind in kinds)
    hint = "; ".join(lacking) or "start one (on Linux: systemctl --user start pipewire wireplumber)"
    raise DeviceError(f"no sound server runs here (looked for: {looked}); {hint}")
