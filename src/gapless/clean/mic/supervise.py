"""Keeps a virtual microphone going through everything that may happen to the devices and the sound server.

In: what became of the last step, and what the stream looks like. Out: the next step, and events in plain words.
Invariants: no I/O and no clock in here: somebody else does the steps and says what time it is; every failure is
followed by a wait that doubles up to ``RETRY_MOST_MS``; the virtual device is left only with the server, so that
applications keep their choice. Thread: one at a time.

    no server --Find--> server --Make--> virtual device --Look, Open--> running --Use--> running
        ^                                     ^                            |
        |                                     +-----------Close------------+  the device or the stream is gone
        +---------------------------------Leave----------------------------+  the server or the virtual device is gone
"""

from __future__ import annotations

from collections import deque
from typing import Final, TypeAlias

import msgspec

from gapless.audio.device.server import Device, Direction
from gapless.clean.mic.device_choice import choose_device, find_device
from gapless.clean.mic.report import EventKind, Kind

RETRY_FIRST_MS: Final = 250
RETRY_MOST_MS: Final = 5_000
LOOK_MS: Final = 2_000
"""Time between looks at the devices, while all is well."""
LOOK_WAITING_MS: Final = 1_000
"""The same while a device is waited for."""
FAILED_LOOKS: Final = 3
"""Looks in a row that fail before the server counts as gone, if no stream says otherwise."""
REFUSED_MS: Final = 10_000
"""How long a device that could not be opened is passed over."""
MOST_EVENTS: Final = 64
"""Events that nobody has taken; the oldest make room."""


class Find(msgspec.Struct, frozen=True):
    """Look for the sound server."""


class Make(msgspec.Struct, frozen=True):
    """Make the virtual device."""


class Look(msgspec.Struct, frozen=True):
    """See whether the virtual device is still there, and which devices there are."""


class Open(msgspec.Struct, frozen=True):
    """Open a stream between a device and the virtual one."""

    device: str


class Use(msgspec.Struct, frozen=True):
    """Let the open stream go on with another device."""

    device: str


class Close(msgspec.Struct, frozen=True):
    """Close the stream."""


class Leave(msgspec.Struct, frozen=True):
    """Close the stream and the virtual device, and forget the server."""


Step: TypeAlias = Find | Make | Look | Open | Use | Close | Leave


class Found(msgspec.Struct, frozen=True):
    """What became of ``Find`` or ``Make``: what is there now."""

    name: str
    label: str = ""
    """What people see of a virtual device."""


class Looked(msgspec.Struct, frozen=True):
    """What a ``Look`` saw."""

    virtual_alive: bool
    devices: tuple[Device, ...] = ()


class StreamSeen(msgspec.Struct, frozen=True):
    """What the open stream looks like."""

    alive: bool
    device: str
    """Name of the device that it hears or plays on; empty: none at the moment."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened, for people."""

    kind: EventKind
    text: str


class Supervisor:
    """Decides what to do next. It begins with nothing: no server, no virtual device, no stream.

    Args:
        kind: what other programs see.
        wanted: the device that was asked for, or a part of its name; None: the default.
        last: the device used last.
    """

    def __init__(self, kind: Kind, wanted: str | None = None, last: str | None = None) -> None:
        self.kind: Final = kind
        self.wanted = wanted
        self.last = last
        self.server = ""
        """Name of the server; empty: there is none."""
        self.virtual = ""
        """Name of the virtual device; empty: there is none."""
        self.label = ""
        """What people see of it."""
        self._direction: Final[Direction] = "input" if kind == "microphone" else "output"
        self._devices: tuple[Device, ...] = ()
        self._asked: str | None = None
        """The device that the open stream was told to use; None: no stream is open."""
        self._deaf = False
        """The stream has no device at the moment."""
        self._used: Device | None = None
        """The device used last, until its loss was told."""
        self._leave = self._reopen = False
        self._look_at_ms = self._retry_at_ms = 0
        self._retry_ms = RETRY_FIRST_MS
        self._failed_looks = 0
        self._refused: tuple[str, int] | None = None
        """A device that could not be opened, and until when it is passed over."""
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._said: Event | None = None

    @property
    def device(self) -> Device | None:
        """The device that the open stream was told to use."""
        return next((each for each in self._devices if each.name == self._asked), None)

    @property
    def hearing(self) -> bool:
        """Sound goes through: a stream is open and has its device."""
        return self._asked is not None and not self._deaf

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    def want(self, device: str | None) -> None:
        """Use another device from now on; None: the default."""
        self.wanted = device
        self._look_at_ms = 0
        self._refused = None

    def reopen(self) -> None:
        """Close the stream and open it again, for another block size."""
        self._reopen = self._asked is not None

    def next_step(self, now_ms: int, seen: StreamSeen | None) -> Step | None:
        """What is to be done now; None: nothing.

        Args:
            now_ms: the time; never goes back.
            seen: the open stream; None: there is none.
        """
        if self._leave:
            return Leave()
        if not self.server or not self.virtual:
            if now_ms < self._retry_at_ms:
                return None
            return Make() if self.server else Find()
        if self._asked is not None and seen is not None:
            if not seen.alive:
                self._say("lost", "the stream has ended; it is opened again")
            if self._reopen or not seen.alive:
                return Close()
            self._notice_device(now_ms, seen)
        return Look() if now_ms >= self._look_at_ms else self._towards_device(now_ms)

    def did(self, step: Step, now_ms: int, result: Found | Looked | None = None) -> None:
        """A step succeeded.

        Args:
            step: which.
            now_ms: the time.
            result: ``Found`` after ``Find`` and ``Make``, ``Looked`` after ``Look``.
        """
        match step, result:
            case Find(), Found(name):
                self.server = name
                self._say("server", f"{name} is here")
            case Make(), Found(name, label):
                self.virtual, self.label = name, label
                self._calm()
                self._look_at_ms = now_ms
                self._say("virtual", f"other programs can pick “{label}” as their {self.kind} now")
            case Look(), Looked():
                self._saw(result, now_ms)
            case ((Open(device) | Use(device)), _):
                self._now_using(device, now_ms)
            case Close(), _:
                if not self._reopen:
                    self._look_at_ms = now_ms
                self._asked, self._deaf, self._reopen = None, False, False
            case Leave(), _:
                self.server = self.virtual = ""
                self._asked, self._deaf, self._leave, self._reopen = None, False, False, False
                self._devices, self._failed_looks = (), 0
                self._wait(now_ms)

    def failed(self, step: Step, now_ms: int, reason: str) -> None:
        """A step failed.

        Args:
            step: which.
            now_ms: the time.
            reason: a sentence that says why and what to do.
        """
        self._wait(now_ms)
        match step:
            case Find():
                self._say("waiting", reason)
            case Make():
                self.server = ""
                self._say("waiting", reason)
            case Look():
                self._failed_looks += 1
                self._look_at_ms = self._retry_at_ms
                if self._asked is None and self._failed_looks >= FAILED_LOOKS:
                    self._lose(f"{self.server} is gone: {reason}")
            case Open(device) | Use(device):
                self._refused = (device, now_ms + REFUSED_MS)
                self._look_at_ms = now_ms
                self._say("waiting", reason)
            case _:
                self._lose(reason)

    def _notice_device(self, now_ms: int, seen: StreamSeen) -> None:
        if seen.device:
            self._deaf = False
            self._calm()
        elif not self._deaf:
            self._deaf = True
            self._look_at_ms = now_ms
            self._tell_loss()

    def _saw(self, looked: Looked, now_ms: int) -> None:
        self._failed_looks = 0
        if not looked.virtual_alive:
            self._lose(f"“{self.label}” is gone, as after a restart of {self.server}")
            return
        self._devices = looked.devices
        if self._used is not None and self._used.name not in {each.name for each in self._devices}:
            self._tell_loss()
        chosen = self._choose(now_ms)
        content = chosen is not None and (self.wanted is None or self._is_wanted(chosen))
        self._look_at_ms = now_ms + (LOOK_MS if content else LOOK_WAITING_MS)
        if chosen is None:
            what = "microphone" if self._direction == "input" else "output"
            self._say("waiting", f"there is no {what}; plug one in, it is used at once")

    def _towards_device(self, now_ms: int) -> Step | None:
        chosen = self._choose(now_ms)
        if chosen is None or now_ms < self._retry_at_ms:
            return None
        if self._asked is None:
            return Open(chosen.name)
        if chosen.name == self._asked and not self._deaf:
            return None
        # A stream can change what it hears, not where it plays.
        return Use(chosen.name) if self._direction == "input" else Close()

    def _choose(self, now_ms: int) -> Device | None:
        refused: frozenset[str] = frozenset()
        if self._refused is not None and now_ms < self._refused[1]:
            refused = frozenset({self._refused[0]})
        return choose_device(
            self._devices, self._direction, wanted=self.wanted, last=self.last, refused=refused
        )

    def _now_using(self, device: str, now_ms: int) -> None:
        self._asked = self.last = device
        self._deaf = self._reopen = False
        # Until the stream is seen to have the device, another try has to wait.
        self._wait(now_ms)
        verb = "hearing" if self._direction == "input" else "playing on"
        self._used = chosen = self.device
        if chosen is None or self.wanted is None or self._is_wanted(chosen):
            self._say("device", f"{verb} {self._label(device)}")
        else:
            self._say(
                "device",
                f"“{self.wanted}” is not there: {verb} {self._label(device)} until it is back",
            )

    def _is_wanted(self, device: Device) -> bool:
        return self.wanted is not None and find_device([device], self.wanted) is not None

    def _label(self, name: str) -> str:
        return next((each.description for each in self._devices if each.name == name), name)

    def _tell_loss(self) -> None:
        if self._used is not None:
            self._say("lost", f"{self._used.description} is gone")
        self._used = None

    def _lose(self, text: str) -> None:
        self._leave = True
        self._say("lost", text)

    def _wait(self, now_ms: int) -> None:
        self._retry_at_ms = now_ms + self._retry_ms
        self._retry_ms = min(2 * self._retry_ms, RETRY_MOST_MS)

    def _calm(self) -> None:
        self._retry_ms = RETRY_FIRST_MS
        self._retry_at_ms = 0

    def _say(self, kind: EventKind, text: str) -> None:
        """Tell it once, however often it is tried in vain."""
        event = Event(kind, text)
        if event != self._said:
            self._events.append(event)
            self._said = event
