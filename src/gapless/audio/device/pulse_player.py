"""What libpulse calls when a sink wants something to play.

In: room that the server offers, and its complaints. Out: what the block function made, from an elastic buffer, for a
microphone and a sink have two clocks. Invariants: no Python; the server gets what it asks for at once, silence if there
is nothing; its buffer grows when it ran empty and shrinks when it has not for a while. Thread: the main loop's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import call_int, call_long, callback, record_pointer
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed
from gapless.realtime.clock import now_ns
from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.elastic import ELASTIC, pull
from gapless.realtime.native import MAX_FRAMES
from gapless.realtime.zone import zone

FRAME_BYTES: Final = 4

# Indices into the words.
LOST: Final = 0
"""How often the server had nothing to play."""

# Indices into the sizes, which lie as in ``pulse_library.BufferSizes``.
WANTED: Final = 1
"""Bytes that the server is to hold."""
STEP: Final = 3
"""Bytes that it asks for at least."""

PLAYER: Final = np.dtype(
    [
        ("write", np.int64),
        ("resize", np.int64),
        ("release", np.int64),
        ("sizes_at", np.int64),
        ("samples_at", np.int64),
        ("sizes", np.uint32, (5,)),
        ("least", np.int64),
        ("most", np.int64),
        ("calm_frames", np.int64),
        ("since", np.int64),
        ("words", np.int64, (8,)),
        ("samples", np.float32, (MAX_FRAMES,)),
        ("elastic", ELASTIC),
    ],
    align=True,
)
"""One sink.

``write``, ``resize`` and ``release`` are pa_stream_write, pa_stream_set_buffer_attr and pa_operation_unref; ``..._at``
is the address of the field of that name; ``least`` and ``most`` bound what the server is to hold, in bytes; ``since``
are frames since it ran empty or its buffer changed.
"""


@zone
def hold(player: Any, subject: int, n_bytes: int) -> None:
    """Ask the server to hold as much, within the bounds."""
    wanted = min(max(n_bytes, player.least), player.most)
    player.since = 0
    if wanted == player.sizes[WANTED]:
        return
    player.sizes[WANTED] = wanted
    operation = call_long(player.resize, (subject, player.sizes_at, 0, 0))
    if operation != 0:
        call_int(player.release, (operation,))


@zone
def settle(player: Any, subject: int, frames: int) -> None:
    """After a calm time let the server hold less; ``frames`` have passed."""
    player.since += frames
    if player.since >= player.calm_frames:
        hold(player, subject, player.sizes[WANTED] - player.sizes[STEP])


@zone
def fill_room(player: Any, frames: int) -> None:
    """Take the next samples to play.

    Before the first ones come it is silence: it fills the server's buffer at once, and is no measure of how much the
    server takes at a time.
    """
    samples = player.samples[:frames]
    if load_acquire(player.elastic.stamped, 0) == 0:
        samples[:] = 0.0
    else:
        pull(player.elastic, samples, now_ns())


@callback(types.void(types.int64, types.int64, record_pointer(PLAYER)))
def on_room(subject: int, n_bytes: int, pointer: Any) -> None:
    """Fill the room that the server offers."""
    # Libpulse may call from any thread that talks to it, so the mode is put back.
    mode = flush_denormals()
    player = carray(pointer, (1,))[0]
    room = n_bytes // FRAME_BYTES
    left = room
    while left > 0:
        count = min(left, MAX_FRAMES)
        fill_room(player, count)
        call_int(player.write, (subject, player.samples_at, FRAME_BYTES * count, 0, 0, 0))
        left -= count
    settle(player, subject, room)
    restore_denormals(mode)


@callback(types.void(types.int64, record_pointer(PLAYER)))
def on_underflow(subject: int, pointer: Any) -> None:
    """The server had nothing to play."""
    player = carray(pointer, (1,))[0]
    store_relaxed(player.words, LOST, load_relaxed(player.words, LOST) + 1)
    hold(player, subject, player.sizes[WANTED] + player.sizes[STEP])
