"""libpulse, by ctypes: only what a stream needs.

In: nothing. Out: the library with typed functions. Invariants: calls keep the interpreter lock, and all of them are
short. Between ``lock`` and ``unlock`` of the main loop the sound waits for us; whoever gave up the interpreter there
would let it wait for all of Python. The library's own thread never wants the interpreter, so nothing can block for
ever. Thread: any, with the loop's lock held where libpulse asks for it.

Source: PulseAudio 16 client documentation: mainloop-api, threaded_mainloop, context, stream, def.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from typing import Any, Final

from gapless.errors import MissingDependencyError

# pa_context_state_t and pa_stream_state_t.
CONTEXT_READY: Final = 4
CONTEXT_FAILED: Final = 5
STREAM_READY: Final = 2
STREAM_FAILED: Final = 3

NO_AUTOSPAWN: Final = 1
"""pa_context_flags_t: look for a server, do not start one."""
STREAM_FLAGS: Final = 0x0200 | 0x2000
"""pa_stream_flags_t: never moved to another device, and the device's own latency fits ours. A stream whose microphone
is unplugged would else be moved, maybe to the monitor of what it plays on."""

FLOAT32: Final = 5
"""pa_sample_format_t: float32, little-endian, as on every machine that Numba knows."""

UNSET: Final = 0xFFFF_FFFF
"""Of a length in ``BufferSizes``: the server's choice."""


class SampleSpec(ctypes.Structure):
    """pa_sample_spec."""

    _fields_ = (("format", c_int), ("rate", c_uint32), ("channels", c_uint8))


class BufferSizes(ctypes.Structure):
    """pa_buffer_attr, in bytes."""

    _fields_ = tuple(
        (name, c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")
    )


SHAPES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "pa_threaded_mainloop_new": (c_void_p, ()),
    "pa_threaded_mainloop_free": (None, (c_void_p,)),
    "pa_threaded_mainloop_start": (c_int, (c_void_p,)),
    "pa_threaded_mainloop_stop": (None, (c_void_p,)),
    "pa_threaded_mainloop_lock": (None, (c_void_p,)),
    "pa_threaded_mainloop_unlock": (None, (c_void_p,)),
    "pa_threaded_mainloop_get_api": (c_void_p, (c_void_p,)),
    "pa_context_new": (c_void_p, (c_void_p, c_char_p)),
    "pa_context_set_state_callback": (None, (c_void_p, c_void_p, c_void_p)),
    "pa_context_connect": (c_int, (c_void_p, c_char_p, c_int, c_void_p)),
    "pa_context_get_state": (c_int, (c_void_p,)),
    "pa_context_errno": (c_int, (c_void_p,)),
    "pa_context_disconnect": (None, (c_void_p,)),
    "pa_context_unref": (None, (c_void_p,)),
    "pa_strerror": (c_char_p, (c_int,)),
    "pa_stream_new": (c_void_p, (c_void_p, c_char_p, ctypes.POINTER(SampleSpec), c_void_p)),
    "pa_stream_unref": (None, (c_void_p,)),
    "pa_stream_set_state_callback": (None, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_set_read_callback": (None, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_set_write_callback": (None, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_set_underflow_callback": (None, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_connect_record": (
        c_int,
        (c_void_p, c_char_p, ctypes.POINTER(BufferSizes), c_int),
    ),
    "pa_stream_connect_playback": (
        c_int,
        (c_void_p, c_char_p, ctypes.POINTER(BufferSizes), c_int, c_void_p, c_void_p),
    ),
    "pa_stream_disconnect": (c_int, (c_void_p,)),
    "pa_stream_get_state": (c_int, (c_void_p,)),
    "pa_stream_peek": (c_int, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_drop": (c_int, (c_void_p,)),
    "pa_stream_set_buffer_attr": (c_void_p, (c_void_p, c_void_p, c_void_p, c_void_p)),
    "pa_operation_unref": (None, (c_void_p,)),
    "pa_stream_write": (c_int, (c_void_p, c_void_p, c_size_t, c_void_p, ctypes.c_int64, c_int)),
}


@functools.cache
def load_pulse() -> ctypes.PyDLL:
    """The library.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        library = ctypes.PyDLL("libpulse.so.0")
    except OSError as error:
        raise MissingDependencyError(
            "PulseAudio's library is not installed; add it with: apt install libpulse0"
        ) from error
    for name, (returns, arguments) in SHAPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = returns, arguments
    return library
