"""Both sides of a ring at full speed, every sample told from every other and checked.

In: a ring, between threads or in memory that processes share. Out: how many samples went through and how many were not
the ones that belong there. Invariants: what is at a position says which it is, so a writer that takes a dead one's
place needs nothing but the ring; chunks vary from nothing to more than the ring holds; who can go no further lets
others run and gives up after ``PATIENCE_NS`` without a sample. Thread: one that feeds, one that checks; both without
the interpreter lock.

Run as a program it is the side of another process: ``python -m gapless.testing.ring_stress feed FILE CAPACITY COUNT``.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from gapless.dsp.kernel import kernel
from gapless.realtime.atomics import load_acquire, load_relaxed, pause
from gapless.realtime.clock import now_ns
from gapless.realtime.llvm import INT32, call_named
from gapless.realtime.ring import READ, WRITTEN, Control, Ring, make_ring, read, ring_bytes, write
from gapless.realtime.zone import Code, instruction

LABELS: Final = 1 << 24
"""Samples in a row that float32 can tell apart; more than any ring here holds."""
PATIENCE_NS: Final = 30_000_000_000
PAUSES: Final = 64
"""How often a side looks again before it lets another thread run: a processor may be shared by both."""

Buffer = npt.NDArray[np.float32]


@instruction
def let_others_run(_: Any) -> Code[None]:
    """Give the processor to another thread: a system call, for tests alone."""
    name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> ir.Value:
        call_named(builder, name, INT32)
        return context.get_dummy_value()

    return Code(types.void(), generate)


@kernel
def feed(control: Control, samples: Buffer, chunk: Buffer, count: int, seed: int) -> int:
    """Write ``count`` samples from where the ring stands, in chunks of 0 to all of ``chunk``.

    Returns:
        How many were written: fewer if nobody reads them.
    """
    begin = load_relaxed(control, WRITTEN)
    position = begin
    chance = np.uint32(seed)
    while position < begin + count:
        chance = chance * np.uint32(1664525) + np.uint32(1013904223)
        length = min(int(chance >> np.uint32(8)) % (chunk.shape[0] + 1), begin + count - position)
        for n in range(length):
            chunk[n] = (position + n) & (LABELS - 1)
        done = 0
        while done < length:
            taken = write(control, samples, chunk[done:length])
            done += taken
            if not taken and not _moves(control, READ, position + done - samples.shape[0]):
                return position + done - begin
        position += length
    return position - begin


@kernel
def check(
    control: Control, samples: Buffer, chunk: Buffer, count: int, seed: int
) -> tuple[int, int]:
    """Read ``count`` samples from where the ring stands, in chunks of 0 to all of ``chunk``.

    Returns:
        How many were read: fewer if nobody writes them; how many were wrong.
    """
    begin = load_relaxed(control, READ)
    position = begin
    chance = np.uint32(seed)
    wrong = 0
    while position < begin + count:
        chance = chance * np.uint32(1664525) + np.uint32(1013904223)
        length = min(int(chance >> np.uint32(8)) % (chunk.shape[0] + 1), begin + count - position)
        taken = read(control, samples, chunk[:length])
        for n in range(taken):
            wrong += chunk[n] != np.float32((position + n) & (LABELS - 1))
        position += taken
        if length and not taken and not _moves(control, WRITTEN, position):
            break
    return position - begin, wrong


@kernel
def _moves(control: Control, word: int, stuck: int) -> bool:
    """Whether the other side's position becomes another than the one that stops this side, before patience runs out."""
    until_ns = now_ns() + PATIENCE_NS
    while now_ns() < until_ns:
        for _ in range(PAUSES):
            if load_acquire(control, word) != stuck:
                return True
            pause()
        let_others_run()
    return False


def map_ring(file: Path, capacity: int) -> Ring:
    """The ring in a file that any process may map; the file is made if there is none.

    Its memory is let go of when nobody holds the ring any more.
    """
    with file.open("a+b") as opened:
        opened.truncate(ring_bytes(capacity))
        return make_ring(capacity, memoryview(mmap.mmap(opened.fileno(), ring_bytes(capacity))))


def main(side: str, file: str, capacity: int, count: int) -> int:
    """Be the other process: feed or check the ring in a file; 0 if every sample went through and was right."""
    ring = map_ring(Path(file), capacity)
    chunk = np.empty(2 * capacity, np.float32)
    if side == "feed":
        return int(feed(*ring, chunk, count, 1) != count)
    return int(check(*ring, chunk, count, 2) != (count, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
