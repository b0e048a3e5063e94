"""All that one stream needs between two hops, in one record that an audio callback may touch.

In: nothing. Out: a NumPy record. Invariants: every field is filled before the first sample; zeros everywhere are a
new stream, so ``reset`` is a matter of zeros. Thread: made by any, used by one at a time.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

from gapless.clean.low_delay.bands import BANDS, BINS, HOP_SAMPLES, SHORT_BINS, WINDOW_SAMPLES

ENERGY_HOPS: Final = 64
"""Hops whose band energies are kept: gains that come later than 128 ms teach the noise floor nothing."""

QUIET_PARTS: Final = 8
"""The quietest moment is looked for in so many parts, so that it can be forgotten part by part."""

FEATURES: Final = 5 * BANDS + 5
"""What the network hears in a hop."""

HIDDEN: Final = 96
"""Numbers that the network remembers."""

STATE: Final = np.dtype(
    [
        ("samples", np.float32, (WINDOW_SAMPLES,)),  # the newest ones
        ("tail", np.float32, (HOP_SAMPLES,)),  # output that the next hop adds to
        ("hops", np.int64),  # heard so far
        ("spectrum", np.float32, (2, BINS)),
        ("power", np.float32, (BINS,)),
        ("windowed", np.float32, (WINDOW_SAMPLES,)),
        ("scratch", np.float32, (4, BINS)),
        ("short_spectrum", np.float32, (2, SHORT_BINS)),
        ("energies", np.float32, (ENERGY_HOPS, BANDS)),  # of hop n in row n % ENERGY_HOPS
        ("short_energies", np.float32, (BANDS,)),
        ("floor", np.float32, (BANDS,)),  # noise, as RNNoise's gains tell it
        ("floor_frames", np.int64),  # that the floor was made of
        ("smooth", np.float32, (BANDS,)),  # energies, for their minimum
        ("quiet", np.float32, (QUIET_PARTS, BANDS)),  # minima
        ("quiet_floor", np.float32, (BANDS,)),  # noise, as the minima tell it
        ("gains", np.float32, (2, BANDS)),  # RNNoise's newest and the ones before
        ("vad", np.float32),
        ("frames", np.int64),  # of gains that came since they were last missing
        ("position", np.int64),  # samples that the newest gains are made of
        ("features", np.float32, (FEATURES,)),
        ("first", np.float32, (HIDDEN,)),  # the network's layers
        ("hidden", np.float32, (HIDDEN,)),
        ("input_sums", np.float32, (3 * HIDDEN,)),  # reset, update, new
        ("recurrent_sums", np.float32, (3 * HIDDEN,)),
        ("corrected", np.float32, (BANDS,)),  # the network's gains
        ("noise", np.float32, (BINS,)),  # as the network's gains tell it
        ("wiener", np.float32, (BINS,)),
    ],
    align=True,
)
"""One stream."""

State: TypeAlias = Any
"""One record of ``STATE``, as kernels take it."""


def make_state() -> np.ndarray[tuple[int], Any]:
    """A new stream.

    Returns:
        A structured array of one element; kernels take the element, ``make_state()[0]``.
    """
    return np.zeros(1, STATE)


def reset(state: np.ndarray[tuple[int], Any]) -> None:
    """Forget the stream: afterwards the state is as good as new."""
    state.view(np.uint8)[:] = 0
