"""Real sound servers without a sound card, each in a private folder, and streams on them that are closed in the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.errors import MissingDependencyError
from gapless.testing.sound_programs import RATE_HZ, require_programs
from gapless.testing.sound_servers import (
    JACK_PROGRAMS,
    PIPEWIRE_PROGRAMS,
    PULSEAUDIO_PROGRAMS,
    JackServer,
    PipeWireServer,
    PulseAudioServer,
)


class Closable(Protocol):
    """A stream or a virtual device."""

    def close(self) -> Any: ...


@pytest.fixture(scope="session", autouse=True)
def sound_servers_are_installed() -> None:
    """Without them these tests cannot say anything; where they must, that is an error."""
    try:
        require_programs(*PIPEWIRE_PROGRAMS, *PULSEAUDIO_PROGRAMS, *JACK_PROGRAMS)
    except MissingDependencyError as error:
        if os.environ.get("GAPLESS_REQUIRE_AUDIO"):
            pytest.fail(error.message)
        pytest.skip(error.message)


@pytest.fixture
def pipewire() -> Iterator[PipeWireServer]:
    """PipeWire, the one that this process finds."""
    with PipeWireServer() as server, server.here():
        yield server


@pytest.fixture
def pulseaudio() -> Iterator[PulseAudioServer]:
    """PulseAudio, the one that this process finds."""
    with PulseAudioServer() as server, server.here():
        yield server


@pytest.fixture
def jackd() -> Iterator[JackServer]:
    """A JACK server with blocks of 256 frames, the one that this process finds."""
    with JackServer(frames=256) as server, server.here():
        yield server


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Closes what it is given when the test is over, the last first, while the server still runs."""
    with ExitStack() as stack:

        def later(thing: Any) -> Any:
            stack.callback(thing.close)
            return thing

        yield later


@pytest.fixture
def tone() -> Samples:
    """One second of 440 Hz at half of full scale: float32 [48000]."""
    seconds = np.arange(RATE_HZ) / RATE_HZ
    return np.asarray(0.5 * np.sin(2 * np.pi * 440 * seconds), np.float32)


@pytest.fixture
def busy_interpreter() -> Callable[[], Any]:
    """A context in which a thread never gives up the interpreter's lock by itself."""

    @contextmanager
    def busy() -> Iterator[None]:
        stop = threading.Event()

        def spin() -> None:
            garbage: list[object] = []
            while not stop.is_set():
                garbage = [[garbage] for _ in range(1000)]

        thread = threading.Thread(target=spin)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    return busy
