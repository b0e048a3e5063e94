"""PortAudio, through the package sounddevice: what we use of it, and its errors as ours.

In: nothing. Out: the module, and a fresh list of devices where that is possible. Invariants: PortAudio is never made to
look for devices while it has a stream of ours. Thread: one at a time.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from gapless.audio.device.microphone import load_library
from gapless.errors import DeviceError

OPEN: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Streams that PortAudio calls: while there are any, it cannot look for new devices."""


class Place(NamedTuple):
    """A device, as PortAudio counts."""

    number: int
    name: str
    channels: int
    clock: str
    """Devices of the same clock need no elastic buffer between them."""


class Route(NamedTuple):
    """Where a stream goes."""

    input: Place | None
    """None: nothing is heard."""
    output: Place
    monitor: Place | None


def portaudio() -> Any:
    """The module ``sounddevice``, with what it keeps for libraries.

    Raises:
        MissingDependencyError: it, or PortAudio, is not installed.
    """
    return load_library()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn PortAudio's errors about a device into ours."""
    try:
        yield
    except portaudio().PortAudioError as error:
        raise opening_error(name, error) from error


def opening_error(name: str, error: Exception) -> DeviceError:
    """What is said when a device does not open."""
    return DeviceError(
        f"{name} cannot be opened ({error}); see what there is, and at which rate, with: gapless devices"
    )


def look_again() -> None:
    """Let PortAudio find devices that came after it began. It may have no stream, and no JACK server that has died.

    PortAudio looks for devices only as it begins; where it was a client of a JACK server that is gone, its end would be
    that of the process (an assertion in ``Terminate`` of its pa_jack.c, version 19.7).
    """
    library = portaudio()
    library._terminate()  # noqa: SLF001  there is no other way
    library._initialize()  # noqa: SLF001
