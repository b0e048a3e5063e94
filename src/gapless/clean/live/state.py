"""All that the callback of a cleaned microphone works on: one record, made before the first block.

In: options. Out: a NumPy record of one element. Invariants: sound is kept by the position of the sample that it is, or
that it cleans: ``heard``, ``quick`` and ``cleaned`` at ``n & MASK`` all speak of input sample ``n``, so that what is
mixed is aligned, and a model that is late is simply not there yet. Each cell has one writer. Thread: named per field.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.network import WEIGHTS
from gapless.clean.low_delay.state import STATE as LOW_DELAY
from gapless.clean.low_delay.weights import load_weights
from gapless.clean.mic.status import MicOptions
from gapless.realtime.counters import BUCKETS

RATE_HZ: Final = 48_000
BANDS: Final = 32

SIZE: Final = 65_536
"""Samples that are remembered: more than the cap, the longest latency and the longest block together."""
MASK: Final = SIZE - 1

HOP: Final = 96
"""Samples that the low-delay path takes at a time."""
QUICK_LATENCY: Final = 192
"""Of the low-delay path: 4 ms, at any size of block."""

WARM: Final = RATE_HZ // 10
"""Samples that the paths need after they were left out, before they are worth hearing."""

FAR: Final = 1 << 40
"""More samples than anything is ever late or ahead."""

LONGEST_FADE: Final = 960

GAINS_EVERY: Final = 2
"""Frames of RNNoise for which it is asked once what it thinks: each time costs two more calls, and gains that are a
frame older cost 0.05 dB at most (docs/explanation/noise-suppression-under-10-ms.md)."""

GAIN_ROWS: Final = 8
"""Gains that lie ready at most; the callback takes the newest."""

# Cells that Python writes and the callback reads.
AMOUNT: Final = 0
"""In millionths."""
BYPASS: Final = 1
GATE: Final = 2
MUTED: Final = 3
LOOKED: Final = 4
"""How often somebody has looked at the levels."""

# Cells that the worker writes.
GAINS: Final = 0
"""Rows of gains that were written so far."""
CLEANED: Final = 1
"""Input position up to which ``cleaned`` is filled."""
BUSY_NS: Final = 2
LATE_NS: Final = 3
"""From the moment that the newest frame was whole to its result."""
SKIPPED: Final = 4
"""Samples that the worker left out because it was too far behind."""
FRAMES: Final = 5
SINCE: Final = 6
"""Input position from which on ``cleaned`` is whole up to ``CLEANED`` and worth hearing: behind what was left out."""

# Cells that Python writes and the worker reads.
STOP: Final = 0
STALL_NS: Final = 1
"""A stall that is put in on purpose, to measure what comes of it; taken once."""

# Cells that the callback writes.
HEARD: Final = 0
"""Input samples so far: ``heard`` is filled up to here."""
BLOCKS: Final = 1
INVALID: Final = 2
LATE: Final = 3
"""Blocks for which the model was late."""
PATH: Final = 4
RESTS: Final = 5
"""1 while nothing needs cleaning."""

STATE: Final = np.dtype(
    [
        # Settings, written before the first block.
        ("quality", "i8"),
        ("has_model", "i8"),
        ("model_latency", "i8"),
        ("cap", "i8"),
        ("late_limit", "i8"),
        ("pause", "i8"),
        ("hang_over", "i8"),
        ("least_fill", "i8"),
        ("most_fill", "i8"),
        ("fade", "i8"),
        ("rises", "f4", (LONGEST_FADE + 1,)),
        # Cells between threads, two cache lines from each other.
        ("told", "i8", (16,)),
        ("orders", "i8", (16,)),
        ("told_by_worker", "i8", (16,)),
        ("told_by_callback", "i8", (16,)),
        ("breaker", "i8", (8,)),
        # Sound by input position.
        ("heard", "f4", (SIZE,)),
        ("quick", "f4", (SIZE,)),
        ("cleaned", "f4", (SIZE,)),
        # Gains by the worker: bands, and how likely it is a voice.
        ("gains", "f4", (GAIN_ROWS, BANDS + 1)),
        ("gains_at", "i8", (GAIN_ROWS,)),
        # The callback's own.
        ("latency", "i8"),
        ("latency_before", "i8"),
        ("moved", "i8"),
        ("full_share", "i8"),
        ("wet", "f4"),
        ("loudness", "f4"),
        ("hopped", "i8"),
        ("skipped", "i8"),
        ("asleep_since", "i8"),
        ("awake_since", "i8"),
        ("rested_until", "i8"),
        ("gains_seen", "i8"),
        ("newest_gains", "i8"),
        ("voice_until", "i8"),
        ("was_late", "i8"),
        ("misses", "i8"),
        ("watched_since", "i8"),
        ("least_reserve", "i8"),
        ("looked", "i8"),
        ("levels", "f8", (6,)),
        ("took_too_long", "i8"),
        ("hop_in", "f4", (HOP,)),
        ("hop_out", "f4", (HOP,)),
        ("took", "i8", (BUCKETS + 1,)),
        ("low_delay", LOW_DELAY),
        ("weights", WEIGHTS),
    ],
    align=True,
)

MicState = npt.NDArray[np.void]
"""One record of ``STATE``."""

Record = Any
"""An element of it, as kernels see it."""


def make_state(options: MicOptions) -> MicState:
    """The record of a microphone that has heard nothing yet, for a model that will be said later."""
    state = np.zeros(1, STATE)
    one = state[0]
    one["quality"] = options.mode == "quality"
    one["cap"] = options.cap_samples
    one["late_limit"] = options.breaker_late_blocks
    one["pause"] = options.breaker_pause_ms * RATE_HZ // 1000
    one["hang_over"] = options.gate_hang_over_ms * RATE_HZ // 1000
    one["least_fill"] = options.min_fill_ms * RATE_HZ // 1000
    one["most_fill"] = options.max_fill_ms * RATE_HZ // 1000
    fade = options.crossfade_samples
    one["fade"] = one["moved"] = fade
    one["rises"][: fade + 1] = 0.5 - 0.5 * np.cos(np.pi * np.arange(fade + 1) / fade)
    one["told"][AMOUNT] = round(options.amount * 1e6)
    one["told"][GATE] = options.gate
    one["wet"] = options.amount
    one["loudness"] = 1.0
    one["awake_since"] = one["rested_until"] = -WARM
    one["least_reserve"] = FAR
    one["weights"] = load_weights()[0]
    one["latency"] = one["latency_before"] = QUICK_LATENCY
    return state


def set_latency(state: MicState, model_latency: int) -> None:
    """Say how many samples late the model's own sound is, before the first block."""
    one = state[0]
    one["model_latency"] = model_latency
    one["latency"] = one["latency_before"] = model_latency + one["fade"] + one["least_fill"]
