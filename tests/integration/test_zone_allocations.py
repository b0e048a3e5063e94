"""Ten thousand blocks through everything that the zone has, and the memory of the process stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from gapless.testing.zone_blocks import IN_HEAP, IN_NUMBA, NONE, Growth

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="the heap is counted by the GNU C library"),
]

BLOCKS = 10_000
OTHERS_BYTES = 1_000
"""What the watching thread itself may take; one object in every hundredth block is several times as much."""


def growth(fault: int) -> Growth:
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "NUMBA_NRT_STATS": "1"}
    answer = subprocess.run(
        [sys.executable, "-m", "gapless.testing.zone_blocks", str(BLOCKS), str(fault)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        timeout=100,
    )
    return msgspec.json.decode(answer.stdout, type=Growth)


def test_nothing_is_allocated_in_ten_thousand_blocks() -> None:
    seen = growth(NONE)
    assert seen.heap_bytes < OTHERS_BYTES
    assert seen.numba_allocations == 0
    assert seen.resident_bytes < 2**20


def test_a_leak_in_every_hundredth_block_would_be_seen() -> None:
    assert growth(IN_HEAP).heap_bytes > 4 * OTHERS_BYTES


def test_a_copy_in_every_hundredth_block_would_be_seen() -> None:
    assert growth(IN_NUMBA).numba_allocations >= BLOCKS // 100
