"""What became of a PulseAudio context or stream, without asking the library.

In: what libpulse tells a native callback. Out: the same, for whoever looks. Invariants: nobody who looks takes the main
loop's lock; the callback is a module of its own, for what only lists devices need not wait until all the others are
compiled. Thread: the callback libpulse's, the rest any.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any, Final

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import address_of, call_int, callback, record_pointer
from gapless.realtime.atomics import store_release

WAIT_S: Final = 5.0
"""A server that does not answer for this long is none."""
POLL_S: Final = 0.001

WATCH: Final = np.dtype(
    [
        ("get_state", np.int64),
        ("get_thread", np.int64),
        ("thread", np.int64, (1,)),
        ("state", np.int64, (1,)),
    ],
    align=True,
)
"""Of a context or a stream: the functions that tell its state and the number of the thread, and what they told last."""


@callback(types.void(types.int64, record_pointer(WATCH)))
def on_state(subject: int, pointer: Any) -> None:
    """Keep what became of a context or a stream."""
    watch = carray(pointer, (1,))[0]
    store_release(watch.thread, 0, call_int(watch.get_thread, ()))
    store_release(watch.state, 0, call_int(watch.get_state, (subject,)))


class Watch:
    """What became of a context or a stream, without asking the library."""

    def __init__(self, get_state: int, ready: int, failed: int) -> None:
        self._record = np.zeros(1, WATCH)
        self._record["get_state"] = get_state
        self._record["get_thread"] = address_of(ctypes.CDLL(None).gettid)
        self._state = self._record[0]["state"]
        self._ready = ready
        self._failed = failed
        self.address: Final = self._record.ctypes.data

    @property
    def ready(self) -> bool:
        """Whether it works."""
        return int(self._state[0]) == self._ready

    @property
    def thread(self) -> int:
        """Number of the library's thread, once it works."""
        return int(self._record[0]["thread"][0])

    def wait(self) -> bool:
        """Wait until it works; False if it will not."""
        give_up = time.monotonic() + WAIT_S
        while time.monotonic() < give_up and self._state[0] < min(self._ready, self._failed):
            time.sleep(POLL_S)
        return self.ready
