"""What PortAudio calls: sound from a device through the block function, to the same device or another.

In: interleaved float32 frames. Out: the block function's output, on all channels. Invariants: no Python; of an input
the first channel is heard; what can go wrong is counted, never raised. Where two devices have two clocks, an elastic
buffer stands between them. Thread: PortAudio's, one for each device.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import callback, record_pointer, samples_at
from gapless.audio.device.metered import METER, arrived, lost, run_block
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed
from gapless.realtime.clock import now_ns
from gapless.realtime.denormals import flush_denormals
from gapless.realtime.elastic import ELASTIC, pull, push
from gapless.realtime.native import MAX_FRAMES
from gapless.realtime.zone import zone

CONTINUE: Final = 0
"""paContinue."""
TROUBLE: Final = 1 | 2 | 4 | 8
"""PaStreamCallbackFlags: input or output, underflow or overflow."""

# Indices into the words of a player.
SEEN_NS: Final = 0
"""When the device called last."""
LOST: Final = 1
"""What it says was lost or late."""

PLAYER: Final = np.dtype(
    [
        ("channels", np.int64),
        ("words", np.int64, (8,)),
        ("samples", np.float32, (MAX_FRAMES,)),
        ("elastic", ELASTIC),
    ],
    align=True,
)
"""A device that plays and does not hear."""

STREAM: Final = np.dtype(
    [
        ("block", np.int64),
        ("block_state", np.int64),
        ("rate_hz", np.int64),
        ("input_channels", np.int64),
        ("output_channels", np.int64),
        ("made_channels", np.int64),
        ("monitored", np.int64),
        ("source_at", np.int64),
        ("target_at", np.int64),
        ("source", np.float32, (MAX_FRAMES,)),
        ("target", np.float32, (2 * MAX_FRAMES,)),
        ("meter", METER),
        ("main", PLAYER),
        ("monitor", PLAYER),
    ],
    align=True,
)
"""A device that hears, and what plays.

``..._at`` are addresses of the fields that they are named after; ``made_channels`` is how many the block function
writes.
"""

LONG: Final = types.int32 if sys.platform == "win32" else types.int64
"""PortAudio's are unsigned, and far from where that would tell."""


def stream_callback(record: np.dtype[np.void]) -> Any:
    """Numba's signature of a ``PaStreamCallback``: input, output, frames, times, flags, and its own record."""
    pointers = types.intp, types.intp
    return types.int32(*pointers, LONG, types.intp, LONG, record_pointer(record))


@zone
def first_channel(frames: Any, channels: int, start: int, out: Any) -> None:
    """Of interleaved samples from frame ``start`` on, the first channel: float32 [n], written."""
    for n in range(out.shape[0]):
        out[n] = frames[(start + n) * channels]


@zone
def every_channel(samples: Any, channels: int, start: int, frames: Any) -> None:
    """Write float32 [n] to all channels of interleaved frames, from frame ``start`` on."""
    for n in range(samples.shape[0]):
        for channel in range(channels):
            frames[(start + n) * channels + channel] = samples[n]


@zone
def left_and_right(samples: Any, count: int, channels: int, start: int, frames: Any) -> None:
    """Write float32 [2, count], one channel behind the other, to the first two channels of interleaved frames.

    Others are silent; a device with one channel plays the mean of both.
    """
    for n in range(count):
        at = (start + n) * channels
        left, right = samples[n], samples[count + n]
        if channels == 1:
            frames[at] = np.float32(0.5) * (left + right)
            continue
        frames[at] = left
        frames[at + 1] = right
        for channel in range(2, channels):
            frames[at + channel] = 0.0


@zone
def fill_room(player: Any, samples: Any) -> None:
    """The next samples to play: float32 [n], written. Before the first ones come it is silence."""
    if load_acquire(player.elastic.stamped, 0) == 0:
        samples[:] = 0.0
    else:
        pull(player.elastic, samples, now_ns())


@callback(stream_callback(STREAM))
def on_sound(source: int, target: int, frames: int, _times: int, flags: int, pointer: Any) -> int:
    """Run the block function on what was heard; play it on the same device if that plays, else hand it on.

    A device that only plays hears silence.
    """
    flush_denormals()
    stream = carray(pointer, (1,))[0]
    if flags & TROUBLE:
        lost(stream.meter)
    arrived(stream.meter, frames, stream.rate_hz)
    done = 0
    while done < frames:
        count = min(frames - done, MAX_FRAMES)
        if source == 0:
            stream.source[:count] = 0.0
        else:
            heard = carray(samples_at(source), (frames * stream.input_channels,))
            first_channel(heard, stream.input_channels, done, stream.source[:count])
        run_block(
            stream.meter,
            stream.block,
            stream.block_state,
            samples_at(stream.source_at),
            samples_at(stream.target_at),
            count,
        )
        made = stream.target[:count]
        if target == 0:
            push(stream.main.elastic, made, now_ns())
        else:
            played = carray(samples_at(target), (frames * stream.output_channels,))
            if stream.made_channels == 2:
                left_and_right(stream.target, count, stream.output_channels, done, played)
            else:
                every_channel(made, stream.output_channels, done, played)
        if stream.monitored:
            push(stream.monitor.elastic, made, now_ns())
        done += count
    return CONTINUE


@callback(stream_callback(PLAYER))
def on_room(_source: int, target: int, frames: int, _times: int, flags: int, pointer: Any) -> int:
    """Play what was handed on."""
    flush_denormals()
    player = carray(pointer, (1,))[0]
    if flags & TROUBLE:
        store_relaxed(player.words, LOST, load_relaxed(player.words, LOST) + 1)
    store_relaxed(player.words, SEEN_NS, now_ns())
    played = carray(samples_at(target), (frames * player.channels,))
    done = 0
    while done < frames:
        count = min(frames - done, MAX_FRAMES)
        fill_room(player, player.samples[:count])
        every_channel(player.samples[:count], player.channels, done, played)
        done += count
    return CONTINUE
