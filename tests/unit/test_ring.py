"""The ring between one producer and one consumer."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from multiprocessing import shared_memory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import float32, int64

from gapless.realtime.ring import counts, fill, free, make_ring, read, ring_bytes, skip, write
from gapless.testing.zone import llvm_code


@pytest.mark.long
@given(
    capacity=st.sampled_from([1, 2, 8, 64]),
    steps=st.lists(st.tuples(st.sampled_from(["write", "read", "skip"]), st.integers(0, 70))),
)
def test_it_is_a_bounded_queue_that_counts_what_it_cannot_do(
    capacity: int, steps: list[tuple[str, int]]
) -> None:
    ring = make_ring(capacity)
    queue: deque[float] = deque()
    overrun = underrun = 0
    following = 0.0
    for step, amount in steps:
        if step == "write":
            source = following + np.arange(amount, dtype=np.float32)
            following += amount
            taken = write(*ring, source)
            assert taken == min(amount, capacity - len(queue))
            queue.extend(source[:taken].tolist())
            overrun += amount - taken
        elif step == "read":
            out = np.full(amount, -1, np.float32)
            taken = read(*ring, out)
            assert taken == min(amount, len(queue))
            expected = [queue.popleft() for _ in range(taken)] + [-1.0] * (amount - taken)
            assert out.tolist() == expected
            underrun += amount - taken
        else:
            taken = skip(ring.control, amount)
            assert taken == min(amount, len(queue))
            for _ in range(taken):
                queue.popleft()
        assert fill(ring.control) == len(queue)
        assert free(ring.control, capacity) == capacity - len(queue)
    seen = counts(ring)
    assert (seen.written - seen.read, seen.overrun, seen.underrun) == (
        len(queue),
        overrun,
        underrun,
    )


def test_positions_do_not_wrap_where_32_bits_end() -> None:
    ring = make_ring(8)
    ring.control[0] = ring.control[16] = 2**32 - 3
    write(*ring, np.arange(8, dtype=np.float32))
    out = np.empty(8, np.float32)
    assert read(*ring, out) == 8
    assert out.tolist() == [*range(8)]
    assert counts(ring).read == 2**32 + 5


def test_whoever_takes_a_dead_sides_place_goes_on_where_it_stopped() -> None:
    memory = shared_memory.SharedMemory(create=True, size=ring_bytes(16))
    try:
        first = make_ring(16, memory.buf)
        write(*first, np.arange(5, dtype=np.float32))
        del first
        second = make_ring(16, memory.buf)
        write(*second, np.arange(5, 8, dtype=np.float32))
        out = np.empty(8, np.float32)
        assert read(*second, out) == 8
        assert out.tolist() == [*range(8)]
        del second
    finally:
        memory.close()
        memory.unlink()


@pytest.mark.parametrize("capacity", [0, 3, -4, 48_000])
def test_a_capacity_that_cannot_be_masked_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        make_ring(capacity)


def test_memory_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 320 bytes, not 300"):
        make_ring(16, bytearray(300))


def test_a_negative_number_takes_nothing_back() -> None:
    ring = make_ring(16)
    write(*ring, np.zeros(8, np.float32))
    assert skip(ring.control, 3) == 3
    assert skip(ring.control, -2) == 0
    assert fill(ring.control) == 5


@pytest.mark.parametrize("side", [write, read])
def test_positions_are_told_in_order_on_any_processor(side: Callable[..., int]) -> None:
    """An x86 keeps the order by itself, so that running them there could not show it."""
    code = llvm_code(side, (int64[::1], float32[::1], float32[::1]))
    assert len(re.findall(r"store atomic i64 .* release, align 8", code)) == 1
    assert len(re.findall(r"load atomic i64, .* acquire, align 8", code)) == 1
