"""Hear what a microphone hears.

In: a device. Out: mono float32 blocks in order, at the device's rate. Invariants: at most ``MAX_WAITING_MS``
of sound waits to be taken; what comes on top is dropped and counted in ``lost_samples``; a device
that falls silent for good is an error, never an endless wait. Thread: PortAudio calls ``hear`` on
its own, everything else is one thread's.

This is the listening path, where a late block costs nothing but time. The low-delay path of the
virtual microphone has no Python in its callback.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples, ms_to_samples
from gapless.errors import DeviceError, MissingDependencyError

MAX_WAITING_MS: Final = 10_000
STALL_S: Final = 5.0
"""A microphone that gives nothing for this long is lost."""


class InputDevice(msgspec.Struct, frozen=True):
    """A device that one can listen to."""

    name: str
    rate_hz: int
    """The rate it works at when it is not asked for another."""
    channels: int
    default: bool


class InputStream(Protocol):
    """What we use of a ``sounddevice.InputStream``."""

    def start(self) -> None:
        """Begin to call back."""
        ...

    def close(self) -> None:
        """Stop, and let go of the device."""
        ...


class SoundLibrary(Protocol):
    """What we use of the module ``sounddevice``; ``gapless.testing`` has one without devices."""

    PortAudioError: type[Exception]

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        """All devices, or the one that is asked for."""
        ...

    def InputStream(  # noqa: N802  the name that sounddevice gave it
        self,
        *,
        samplerate: int,
        blocksize: int,
        device: str | int | None,
        channels: int,
        dtype: str,
        callback: Callable[[npt.NDArray[np.float32], int, Any, Any], None],
        finished_callback: Callable[[], None],
    ) -> InputStream:
        """Open a device; the callback runs on the library's own thread."""
        ...


class Microphone:
    """An open microphone: iterate over it for its blocks. Made by ``open_microphone``."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz: Final = rate_hz
        self._lock = threading.Condition()
        """Guards all fields below."""
        self._blocks: deque[Samples] = deque()
        self._waiting_samples = 0
        self._lost_samples = 0
        self._finished = False
        self._closed = False

    @property
    def lost_samples(self) -> int:
        """Samples that were dropped because nobody took them in time."""
        with self._lock:
            return self._lost_samples

    def __iter__(self) -> Iterator[Samples]:
        """Blocks as they are heard, until the microphone is closed.

        Raises:
            DeviceError: the device is gone.
        """
        while (block := self._next()) is not None:
            yield block

    def _next(self) -> Samples | None:
        with self._lock:
            heard = self._lock.wait_for(lambda: self._blocks or self._finished, STALL_S)
            if self._blocks:
                block = self._blocks.popleft()
                self._waiting_samples -= len(block)
                return block
            if self._closed:
                return None
            reason = "stopped" if heard else f"has given nothing for {STALL_S:.0f} s"
            raise DeviceError(f"the microphone {reason}; check that it is plugged in and not muted")

    def hear(self, frames: npt.NDArray[np.float32], _n: int, _time: Any, _status: Any) -> None:
        """Keep a block: float32 [n, channels]. Called by the library."""
        block = frames.mean(axis=1, dtype=np.float32)
        with self._lock:
            if self._waiting_samples + len(block) > ms_to_samples(MAX_WAITING_MS, self.rate_hz):
                self._lost_samples += len(block)
                return
            self._blocks.append(block)
            self._waiting_samples += len(block)
            self._lock.notify()

    def finish(self) -> None:
        """No block will follow. Called by the library."""
        with self._lock:
            self._finished = True
            self._lock.notify()

    def close(self) -> None:
        """End the iteration once what was heard has been taken."""
        with self._lock:
            self._closed = self._finished = True
            self._lock.notify()


def list_devices(library: SoundLibrary | None = None) -> list[InputDevice]:
    """Every device that one can listen to.

    Raises:
        MissingDependencyError: PortAudio or its Python package is not installed.
        DeviceError: PortAudio cannot tell.
    """
    library = library or load_library()
    with translated(library):
        devices = [info for info in library.query_devices() if info["max_input_channels"] > 0]
        default = library.query_devices(kind="input")["name"] if devices else None
    return [
        InputDevice(
            info["name"],
            round(info["default_samplerate"]),
            info["max_input_channels"],
            info["name"] == default,
        )
        for info in devices
    ]


@contextmanager
def open_microphone(
    device: str | None = None,
    *,
    rate_hz: int | None = None,
    block_ms: int = 20,
    library: SoundLibrary | None = None,
) -> Iterator[Microphone]:
    """Listen to a microphone for as long as the context lasts.

    Args:
        device: its name, a part of it, or its number; None for the system's choice.
        rate_hz: None for the device's own rate.
        block_ms: length of a block.
        library: stands in for ``sounddevice``.

    Raises:
        MissingDependencyError: PortAudio or its Python package is not installed.
        DeviceError: no such device, or it cannot be opened.
    """
    library = library or load_library()
    which = int(device) if device is not None and device.isdecimal() else device
    with translated(library):
        info = library.query_devices(which, "input")
        microphone = Microphone(rate_hz or round(info["default_samplerate"]))
        stream = library.InputStream(
            samplerate=microphone.rate_hz,
            blocksize=ms_to_samples(block_ms, microphone.rate_hz),
            device=which,
            channels=min(2, info["max_input_channels"]),
            dtype="float32",
            callback=microphone.hear,
            finished_callback=microphone.finish,
        )
    try:
        with translated(library):
            stream.start()
        yield microphone
    finally:
        microphone.close()
        stream.close()


def load_library() -> SoundLibrary:
    """The module ``sounddevice``.

    Raises:
        MissingDependencyError: it, or the PortAudio library under it, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingDependencyError(
            "microphones need the package sounddevice; add it with: pip install 'gapless[device]'"
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            "microphones need the PortAudio library; add it with: apt install libportaudio2"
        ) from error
    return cast("SoundLibrary", sounddevice)


@contextmanager
def translated(library: SoundLibrary) -> Iterator[None]:
    """Turn PortAudio's errors into ours."""
    try:
        yield
    except (library.PortAudioError, ValueError) as error:
        raise DeviceError(
            f"the microphone cannot be used ({error}); see what there is with: "
            "gapless listen --list-devices"
        ) from error
