"""What starts a voice, and the queue in which such orders wait for their sample.

In: orders, from the scheduler. Out: the same, each in the quantum that its sample lies in. Invariants: one posts, one
takes, nobody waits; an order that finds no room is refused and counted; those that come too late begin at once. Thread:
one that posts, the callback that takes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.dsp.kernel import kernel
from gapless.play.sound.unit import Record
from gapless.realtime.atomics import load_acquire, load_relaxed, store_release
from gapless.realtime.zone import zone

CAPACITY: Final = 1024
"""Orders that wait, a power of two."""

# What a voice is made of.
SAMPLE: Final = 1
"""Sound from memory."""
TONE: Final = 2
"""Oscillator, envelope, filter, pan."""
INSTANCE: Final = 3
"""A bus as an instrument."""
RELEASE: Final = 4
"""No voice: those of the group ``cut`` that are held are let go."""

# Waves of a tone.
SINE: Final = 0
SAW: Final = 1
SQUARE: Final = 2
TRIANGLE: Final = 3
PULSE: Final = 4
NOISE: Final = 5

# Places in ``values``.
GAIN: Final = 0
"""Linear."""
PAN: Final = 1
"""0 left, 0.5 middle, 1 right; equal power."""
SPEED: Final = 2
"""Of a sample: 1 as recorded, 2 an octave higher, negative backwards. Of an instance: a factor of its frequencies."""
HZ: Final = 3
ATTACK_S: Final = 4
DECAY_S: Final = 5
SUSTAIN: Final = 6
"""Level, 0..1."""
RELEASE_S: Final = 7
BEGIN: Final = 8
"""Where a sample begins, 0..1 of it."""
END: Final = 9
ACCELERATE: Final = 10
"""Octaves by which the speed changes over the voice's length."""
SHAPE: Final = 11
"""Distortion, 0..1."""
CUTOFF_HZ: Final = 12
"""Of a low-pass filter; 0: none."""
RESONANCE: Final = 13
"""0..1."""
WIDTH: Final = 14
"""Of a pulse, 0..1."""
VALUES: Final = 16

TRIGGER: Final = np.dtype(
    [
        ("at", "i8"),  # the sample in which it begins
        ("kind", "i8"),
        ("hold", "i8"),  # samples until its release begins; 0: a sample's own length
        ("cut", "i8"),  # group in which a new voice ends the one before; 0: none
        ("loop", "i8"),  # 1: again from the begin when the end is reached
        ("wave", "i8"),
        ("sound", "i8"),  # address of float32 samples [length, channels]
        ("length", "i8"),  # frames
        ("channels", "i8"),  # 1 or 2
        ("values", "f4", (VALUES,)),
    ],
    align=True,
)

QUEUE: Final[list[tuple[Any, ...]]] = [
    # Each side's words lie two cache lines from the other's.
    ("posted", "i8", (16,)),
    ("taken", "i8", (16,)),
    ("refused", "i8"),
    ("queue", TRIGGER, (CAPACITY,)),
]
"""Fields of a unit's record that has a queue."""


def post(record: npt.NDArray[np.void], triggers: npt.NDArray[np.void]) -> int:
    """Put orders into a unit's queue.

    Args:
        record: of a unit with the fields of ``QUEUE``, one element.
        triggers: ``TRIGGER`` [n], in the order of ``at``.

    Returns:
        How many found room; the rest is counted as refused.
    """
    return _post(record[0], triggers)


@kernel
def _post(own: Record, triggers: npt.NDArray[np.void]) -> int:
    posted = load_relaxed(own.posted, 0)
    room = CAPACITY - (posted - load_acquire(own.taken, 0))
    count: int = min(room, triggers.shape[0])
    for n in range(count):
        own.queue[(posted + n) & (CAPACITY - 1)] = triggers[n]
    own.refused += triggers.shape[0] - count
    store_release(own.posted, 0, posted + count)
    return count


@zone
def due(own: Record, end: int) -> int:
    """The place in ``own.queue`` of the next order that is for a sample before ``end``; -1: there is none."""
    taken = load_relaxed(own.taken, 0)
    if load_acquire(own.posted, 0) == taken:
        return -1
    place = taken & (CAPACITY - 1)
    return place if own.queue[place].at < end else -1


@zone
def done(own: Record) -> None:
    """Give back the place that ``due`` told."""
    store_release(own.taken, 0, load_relaxed(own.taken, 0) + 1)
