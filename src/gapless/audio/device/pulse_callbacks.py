"""What libpulse calls when a microphone has heard something: the block function, and on to what plays it.

In: fragments that the server sends; for a stream without an input, room that it offers. Out: the block function's
output, pushed to one player or two, or written at once. Invariants: no Python; one record holds all that the functions
touch; what can go wrong is counted, never raised. Thread: the main loop's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import call_int, callback, record_pointer, samples_at
from gapless.audio.device.metered import METER, arrived, lost, run_block
from gapless.audio.device.pulse_player import FRAME_BYTES, PLAYER, settle
from gapless.realtime.clock import now_ns
from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.elastic import push
from gapless.realtime.native import MAX_FRAMES
from gapless.realtime.zone import zone

MAX_FRAGMENTS: Final = 1024
"""Taken in one call."""

STREAM: Final = np.dtype(
    [
        ("peek", np.int64),
        ("drop", np.int64),
        ("fragment_at", np.int64),
        ("bytes_at", np.int64),
        ("fragment", np.int64),
        ("bytes", np.int64),
        ("block", np.int64),
        ("block_state", np.int64),
        ("rate_hz", np.int64),
        ("silence_at", np.int64),
        ("target_at", np.int64),
        ("frames_at", np.int64),
        ("channels", np.int64),
        ("silence", np.float32, (MAX_FRAMES,)),
        ("target", np.float32, (2 * MAX_FRAMES,)),
        ("frames", np.float32, (2 * MAX_FRAMES,)),
        ("monitored", np.int64),
        ("meter", METER),
        ("main", PLAYER),
        ("monitor", PLAYER),
    ],
    align=True,
)
"""What a stream needs.

``peek`` and ``drop`` are functions; ``..._at`` is the address of the field of that name; ``channels`` is how many the
block function writes; ``frames`` takes two of them interleaved.
"""


@zone
def run_fragment(stream: Any) -> None:
    """Send a fragment through the block function to what plays."""
    done, frames = 0, stream.bytes // FRAME_BYTES
    while done < frames:
        count = min(frames - done, MAX_FRAMES)
        source = stream.silence_at
        if stream.fragment != 0:
            source = stream.fragment + FRAME_BYTES * done
        run_block(
            stream.meter,
            stream.block,
            stream.block_state,
            samples_at(source),
            samples_at(stream.target_at),
            count,
        )
        # One push a fragment, although several may come at once after a stall: the buffer would take their sum for
        # what the microphone always gives, and wait that long from then on.
        now = now_ns()
        push(stream.main.elastic, stream.target[:count], now)
        if stream.monitored:
            push(stream.monitor.elastic, stream.target[:count], now)
        done += count


@callback(types.void(types.int64, types.int64, record_pointer(STREAM)))
def on_sound(subject: int, n_bytes: int, pointer: Any) -> None:
    """Take all fragments that are there. A hole, where the server lost sound, is heard as silence."""
    flush_denormals()
    stream = carray(pointer, (1,))[0]
    arrived(stream.meter, n_bytes // FRAME_BYTES, stream.rate_hz)
    for _ in range(MAX_FRAGMENTS):
        if call_int(stream.peek, (subject, stream.fragment_at, stream.bytes_at)) < 0:
            break
        if stream.bytes == 0:
            break
        if stream.fragment == 0:
            lost(stream.meter)
        run_fragment(stream)
        call_int(stream.drop, (subject,))


@zone
def interleave(samples: Any, count: int, frames: Any) -> None:
    """Write float32 [2, count], one channel behind the other, as ``count`` frames."""
    for n in range(count):
        frames[2 * n] = samples[n]
        frames[2 * n + 1] = samples[count + n]


@callback(types.void(types.int64, types.int64, record_pointer(STREAM)))
def on_wanted(subject: int, n_bytes: int, pointer: Any) -> None:
    """Without an input: let the block function fill the room that the server offers."""
    # Libpulse may call from any thread that talks to it, so the mode is put back.
    mode = flush_denormals()
    stream = carray(pointer, (1,))[0]
    frame_bytes = FRAME_BYTES * stream.channels
    room = n_bytes // frame_bytes
    arrived(stream.meter, room, stream.rate_hz)
    left = room
    while left > 0:
        count = min(left, MAX_FRAMES)
        run_block(
            stream.meter,
            stream.block,
            stream.block_state,
            samples_at(stream.silence_at),
            samples_at(stream.target_at),
            count,
        )
        made_at = stream.target_at
        if stream.channels == 2:
            interleave(stream.target, count, stream.frames)
            made_at = stream.frames_at
        call_int(stream.main.write, (subject, made_at, frame_bytes * count, 0, 0, 0))
        left -= count
    settle(stream.main, subject, room)
    restore_denormals(mode)
