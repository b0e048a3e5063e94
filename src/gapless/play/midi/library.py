"""MIDI ports, through python-rtmidi.

In: the name of a port, or a part of it. Out: an open port. Invariants: nothing is loaded before it is asked for; a
port that goes away never raises where messages are sent: it is counted. Thread: one at a time; a port's callback runs
on the library's own.

On Linux both of the systems there are, ALSA's sequencer and JACK, are looked through.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, final

from gapless.errors import DeviceError, MissingDependencyError

CLIENT: Final = "Gapless"
VIRTUAL: Final = "virtual"
"""A port of our own, that others join."""
SEQUENCER: Final = Path("/dev/snd/seq")
"""Without it ALSA's library complains at length."""

Direction = Literal["input", "output"]
Heard: TypeAlias = Callable[[bytes, int], None]
"""Takes a message, and when it came, in nanoseconds of ``time.monotonic_ns``."""


class Port(NamedTuple):
    """One that others have."""

    name: str
    system: str
    """``alsa``, ``jack``, ``core`` or ``windows``."""


def ports(direction: Direction) -> list[Port]:
    """All that can be played to, or heard.

    Raises:
        MissingDependencyError: python-rtmidi is not installed.
    """
    found = []
    for system, client in _clients(direction):
        found += [Port(name, system) for name in client.get_ports()]
        client.delete()
    return found


@final
class OutPort:
    """A port to send to; close it.

    Args:
        name: of a port, or a part of it; ``virtual``: a port of our own.

    Raises:
        MissingDependencyError: python-rtmidi is not installed.
        DeviceError: there is no such port.
    """

    def __init__(self, name: str) -> None:
        self._port = _open("output", name)
        self.failed = 0
        """Messages that could not be sent."""

    def send(self, message: bytes) -> None:
        """Send one now."""
        try:
            self._port.send_message(message)
        except Exception:  # noqa: BLE001  the library has errors of its own for each system
            self.failed += 1

    def close(self) -> None:
        """Give it back. Idempotent."""
        with suppress(Exception):
            self._port.close_port()
            self._port.delete()


@final
class InPort:
    """A port to listen to; close it.

    Args:
        name: of a port, or a part of it; ``virtual``: a port of our own.
        heard: is called on the library's thread; must not wait.

    Raises:
        MissingDependencyError: python-rtmidi is not installed.
        DeviceError: there is no such port.
    """

    def __init__(self, name: str, heard: Heard) -> None:
        self._heard = heard
        self._port = _open("input", name, self._called)

    def _called(self, event: tuple[list[int], float], _: object) -> None:
        self._heard(bytes(event[0]), time.monotonic_ns())

    def close(self) -> None:
        """Give it back; the callback is not called any more. Idempotent."""
        with suppress(Exception):
            self._port.cancel_callback()
            self._port.close_port()
            self._port.delete()


def _rtmidi() -> Any:
    try:
        return importlib.import_module("rtmidi")
    except ImportError as error:
        raise MissingDependencyError(
            "MIDI takes the package python-rtmidi; install it with: pip install 'gapless[midi]'"
        ) from error


def _clients(direction: Direction) -> Iterator[tuple[str, Any]]:
    """A client of each system that runs here."""
    rtmidi = _rtmidi()
    make = rtmidi.MidiIn if direction == "input" else rtmidi.MidiOut
    for system in rtmidi.get_compiled_api():
        name = rtmidi.get_api_name(system)
        if name == "dummy" or (
            name == "alsa" and sys.platform == "linux" and not SEQUENCER.exists()
        ):
            continue
        with suppress(rtmidi.RtMidiError, SystemError):
            yield name, make(rtapi=system, name=CLIENT)


def _open(direction: Direction, name: str, called: Callable[..., None] | None = None) -> Any:
    known: list[str] = []
    for _, client in _clients(direction):
        names = client.get_ports()
        known += names
        matching = [place for place, one in enumerate(names) if name.lower() in one.lower()]
        exact = [place for place, one in enumerate(names) if name == one]
        if name != VIRTUAL and not matching:
            client.delete()
            continue
        if called is not None:
            # The clock is left out by default.
            client.ignore_types(sysex=True, timing=False, active_sense=True)
            client.set_callback(called)
        try:
            if name == VIRTUAL:
                client.open_virtual_port(direction)
            else:
                client.open_port((exact or matching)[0], direction)
        except Exception as error:
            client.delete()
            raise DeviceError(
                f"the MIDI {direction} {name!r} cannot be opened: {error}; another program may "
                "have it"
            ) from error
        return client
    there_are = f"there are: {', '.join(known)}" if known else "there are none; plug one in"
    raise DeviceError(f"there is no MIDI {direction} {name!r}; {there_are}")
