"""A connection to a PulseAudio server: libpulse's own thread, and streams on it.

In: names of devices and native callbacks. Out: streams that call them. Invariants: whoever waits, waits without the
main loop's lock; a connection that is closed has no thread and calls nothing. Thread: one at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from gapless.audio.device.foreign import address_of
from gapless.audio.device.pulse_library import (
    CONTEXT_FAILED,
    CONTEXT_READY,
    FLOAT32,
    NO_AUTOSPAWN,
    STREAM_FAILED,
    STREAM_FLAGS,
    STREAM_READY,
    BufferSizes,
    SampleSpec,
    load_pulse,
)
from gapless.audio.device.pulse_watch import Watch, on_state
from gapless.errors import DeviceError

PRIORITY: Final = 5
"""Of the thread among those in real time: what the server itself has."""


class Connection:
    """A main loop's thread and its context, connected.

    Args:
        client: what the server shows to its users.

    Raises:
        MissingDependencyError: libpulse is not installed.
        DeviceError: no server answers.
    """

    def __init__(self, client: str) -> None:
        self._pulse = pulse = load_pulse()
        self._watch = Watch(address_of(pulse.pa_context_get_state), CONTEXT_READY, CONTEXT_FAILED)
        self._closed = False
        self._loop = pulse.pa_threaded_mainloop_new()
        self._context = pulse.pa_context_new(
            pulse.pa_threaded_mainloop_get_api(self._loop), client.encode()
        )
        pulse.pa_context_set_state_callback(self._context, on_state.address, self._watch.address)
        pulse.pa_threaded_mainloop_start(self._loop)
        with self.locked():
            pulse.pa_context_connect(self._context, None, NO_AUTOSPAWN, None)
        if not self._watch.wait():
            reason = self._reason()
            self.close()
            raise DeviceError(
                f"no PulseAudio server answers ({reason}); start one with: pulseaudio --start"
            )
        _prefer(self._watch.thread)

    @property
    def alive(self) -> bool:
        """Whether the server is there."""
        return not self._closed and self._watch.ready

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No callback runs within the context."""
        self._pulse.pa_threaded_mainloop_lock(self._loop)
        try:
            yield
        finally:
            self._pulse.pa_threaded_mainloop_unlock(self._loop)

    def open(  # noqa: PLR0917  two are pairs that libpulse takes apart
        self,
        kind: Literal["record", "playback"],
        device: str,
        rate_hz: int,
        sizes: BufferSizes,
        data: tuple[int, int],
        underflow: tuple[int, int] = (0, 0),
        *,
        channels: int = 1,
    ) -> PulseSide:
        """Connect a stream and wait for it.

        Args:
            kind: which way the sound goes.
            device: a source's or sink's name.
            rate_hz: of the stream; the server converts.
            sizes: buffers.
            data: address of the callback for sound or room, and of what it is given.
            underflow: the same for when the server has nothing to play.
            channels: interleaved; two are left and right. The server fits them to the device's.

        Raises:
            DeviceError: no such device, or the server is gone.
        """
        pulse = self._pulse
        watch = Watch(address_of(pulse.pa_stream_get_state), STREAM_READY, STREAM_FAILED)
        spec = SampleSpec(FLOAT32, rate_hz, channels)
        with self.locked():
            handle = pulse.pa_stream_new(self._context, kind.encode(), ctypes.byref(spec), None)
            if handle:
                pulse.pa_stream_set_state_callback(handle, on_state.address, watch.address)
                name, bounds = device.encode(), ctypes.byref(sizes)
                if kind == "record":
                    pulse.pa_stream_set_read_callback(handle, *data)
                    pulse.pa_stream_connect_record(handle, name, bounds, STREAM_FLAGS)
                else:
                    pulse.pa_stream_set_write_callback(handle, *data)
                    pulse.pa_stream_set_underflow_callback(handle, *underflow)
                    pulse.pa_stream_connect_playback(handle, name, bounds, STREAM_FLAGS, None, None)
        side = PulseSide(self, handle, watch, device)
        if not handle or not watch.wait():
            reason = self._reason()
            side.close()
            raise DeviceError(
                f"{device} cannot be opened ({reason}); see what there is with: gapless devices"
            )
        return side

    def let_go(self, handle: int) -> None:
        """Disconnect a stream; when this returns, it calls nothing."""
        pulse = self._pulse
        with self.locked():
            pulse.pa_stream_set_state_callback(handle, None, None)
            pulse.pa_stream_set_read_callback(handle, None, None)
            pulse.pa_stream_set_write_callback(handle, None, None)
            pulse.pa_stream_set_underflow_callback(handle, None, None)
            pulse.pa_stream_disconnect(handle)
            pulse.pa_stream_unref(handle)

    def close(self) -> None:
        """End the thread. Idempotent; streams are let go before."""
        if self._closed:
            return
        self._closed = True
        with self.locked():
            self._pulse.pa_context_set_state_callback(self._context, None, None)
            self._pulse.pa_context_disconnect(self._context)
            self._pulse.pa_context_unref(self._context)
        self._pulse.pa_threaded_mainloop_stop(self._loop)
        self._pulse.pa_threaded_mainloop_free(self._loop)

    def _reason(self) -> str:
        with self.locked():
            text: bytes = self._pulse.pa_strerror(self._pulse.pa_context_errno(self._context))
        return text.decode(errors="replace").lower()


class PulseSide:
    """One direction of a stream, connected to one device. Made by ``Connection.open``."""

    def __init__(self, connection: Connection, handle: int, watch: Watch, device: str) -> None:
        self._connection = connection
        self._handle = handle
        self._watch = watch
        self.device: Final = device
        """Name of the source or sink."""

    @property
    def alive(self) -> bool:
        """Whether the device is there."""
        return self._connection.alive and self._watch.ready

    def close(self) -> None:
        """Let go of the device. Idempotent."""
        if self._handle:
            self._connection.let_go(self._handle)
            self._handle = 0


def _prefer(thread: int) -> None:
    """Ask that a thread runs before others; where that is not allowed, it goes on as it is."""
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(OSError):
        os.sched_setscheduler(thread, policy, os.sched_param(PRIORITY))
