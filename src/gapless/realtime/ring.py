"""A ring between one producer and one consumer: samples go through, nobody ever waits.

In: float32 samples of one side. Out: the same samples in order on the other. Invariants: positions only grow and
are 64 bits wide (at 48 kHz they last six million years), so that full and empty are told apart without a spare
place; each is written by one side alone, behind the samples that it speaks of; what does not fit, or is not there,
is counted and never half done. Thread: one that writes and one that reads, of one process or of two that share the
memory. A side that dies leaves a ring whose other side finds it full or empty; who takes its place goes on where
it stopped.

Source: L. Lamport, "Specifying Concurrent Program Modules", 1983; the layout keeps the two sides' positions two
cache lines apart, for processors fetch lines in pairs.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from gapless.realtime.zone import zone

Control: TypeAlias = npt.NDArray[np.int64]

# Indices into the control words: the producer's line, then the consumer's.
WRITTEN: Final = 0
OVERRUN: Final = 1
READ: Final = 16
UNDERRUN: Final = 17

CONTROL_BYTES: Final = 256


class Ring(NamedTuple):
    """The two arrays that kernels take; views of one block of memory."""

    control: Control
    """int64 [32]: positions and counters."""
    samples: npt.NDArray[np.float32]
    """float32 [capacity], a power of two."""


class RingCounts(NamedTuple):
    """What went through a ring so far, in samples. Positions are read one after the other while the sides go on."""

    written: int
    read: int
    overrun: int
    """Did not fit when they were written."""
    underrun: int
    """Were not there when they were wanted."""


def ring_bytes(capacity: int) -> int:
    """Memory of a ring for ``capacity`` samples."""
    return CONTROL_BYTES + 4 * capacity


def make_ring(capacity: int, memory: memoryview | bytearray | None = None) -> Ring:
    """A ring in memory of its own, or the one that lies in shared memory (zeros are an empty ring).

    Args:
        capacity: samples, a power of two.
        memory: at least ``ring_bytes(capacity)``, aligned to 8 bytes.

    Raises:
        ValueError: the capacity is no power of two, or the memory is too small.
    """
    if capacity < 1 or capacity & (capacity - 1):
        raise ValueError(f"a ring of {capacity} samples cannot be masked; take a power of two")
    size = ring_bytes(capacity)
    if memory is None:
        memory = bytearray(size)
    if len(memory) < size:
        raise ValueError(f"a ring of {capacity} samples needs {size} bytes, not {len(memory)}")
    whole = np.frombuffer(memory, np.uint8, size)
    return Ring(whole[:CONTROL_BYTES].view(np.int64), whole[CONTROL_BYTES:].view(np.float32))


def counts(ring: Ring) -> RingCounts:
    """What went through so far."""
    written, overrun, read, underrun = _look(ring.control)
    return RingCounts(written, read, overrun, underrun)


@zone
def free(control: Control, capacity: int) -> int:
    """Samples that the producer can write now; the consumer may make it more meanwhile."""
    return capacity - (load_relaxed(control, WRITTEN) - load_acquire(control, READ))


@zone
def fill(control: Control) -> int:
    """Samples that the consumer can read now; the producer may make it more meanwhile."""
    return load_acquire(control, WRITTEN) - load_relaxed(control, READ)


@zone
def write(
    control: Control, samples: npt.NDArray[np.float32], source: npt.NDArray[np.float32]
) -> int:
    """Put the first of ``source`` into the ring, as many as fit; the others count as overrun.

    Returns:
        How many were written.
    """
    capacity: int = samples.shape[0]
    position = load_relaxed(control, WRITTEN)
    wanted: int = source.shape[0]
    count = min(wanted, capacity - (position - load_acquire(control, READ)))
    start = position & (capacity - 1)
    ahead = min(count, capacity - start)
    for n in range(ahead):
        samples[start + n] = source[n]
    for n in range(count - ahead):
        samples[n] = source[ahead + n]
    store_release(control, WRITTEN, position + count)
    if count < wanted:
        store_relaxed(control, OVERRUN, load_relaxed(control, OVERRUN) + wanted - count)
    return count


@zone
def read(control: Control, samples: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> int:
    """Take samples for the front of ``out``, as many as there are; those that lack count as underrun.

    Returns:
        How many were read; the rest of ``out`` is left as it was.
    """
    capacity: int = samples.shape[0]
    position = load_relaxed(control, READ)
    wanted: int = out.shape[0]
    count = min(wanted, load_acquire(control, WRITTEN) - position)
    start = position & (capacity - 1)
    ahead = min(count, capacity - start)
    for n in range(ahead):
        out[n] = samples[start + n]
    for n in range(count - ahead):
        out[ahead + n] = samples[n]
    store_release(control, READ, position + count)
    if count < wanted:
        store_relaxed(control, UNDERRUN, load_relaxed(control, UNDERRUN) + wanted - count)
    return count


@zone
def skip(control: Control, most: int) -> int:
    """Throw away the oldest samples, ``most`` at most; the consumer's.

    Returns:
        How many there were.
    """
    position = load_relaxed(control, READ)
    count = max(min(most, load_acquire(control, WRITTEN) - position), 0)
    store_release(control, READ, position + count)
    return count


@zone
def _look(control: Control) -> tuple[int, int, int, int]:
    return (
        load_acquire(control, WRITTEN),
        load_relaxed(control, OVERRUN),
        load_acquire(control, READ),
        load_relaxed(control, UNDERRUN),
    )
