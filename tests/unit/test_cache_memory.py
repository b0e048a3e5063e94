from __future__ import annotations

import gc
import tracemalloc

import pytest

from gapless.cache.key import digest
from gapless.cache.memory import Memory
from gapless.cache.options import SHARES


def filled(entries: int, value_bytes: int) -> Memory:
    memory = Memory(10**10, SHARES, lambda: 0.5)
    mark = memory.mark("inference", "m")
    for number in range(entries):
        key = digest(number.to_bytes(4, "little"))
        memory.put("inference", key, bytes(value_bytes), mark, fresh_s=number + 0.25)
    return memory


@pytest.mark.long
@pytest.mark.parametrize(("entries", "value_bytes"), [(2000, 10), (2700, 300), (1500, 4000)])
def test_entries_weigh_what_the_interpreter_says(entries: int, value_bytes: int) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        memory = filled(entries, value_bytes)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    counted = memory.stats()["inference"].bytes
    assert 0.75 * counted < taken < 1.05 * counted


def test_memory_is_free_after_a_version_is_invalid() -> None:
    memory = filled(2000, 100)
    memory.put("inference", bytes(16), b"other", memory.mark("inference", "n"), fresh_s=9.0)
    memory.invalidate("inference", "m")
    assert memory.stats()["inference"].entries == 1
    assert memory.peek("inference", bytes(16)) == b"other"


def test_versions_of_which_nothing_is_kept_are_forgotten() -> None:
    memory = Memory(10**6, SHARES, lambda: 0.0)
    for number in range(1000):
        memory.mark("inference", f"v{number}")
    assert len(memory.rooms["inference"].marks) == 0


def test_a_key_of_any_length_is_a_key() -> None:
    memory = Memory(10**6, SHARES, lambda: 0.0)
    mark = memory.mark("query", "")
    for key in (b"", b"a", bytes(100)):
        memory.put("query", key, key + b"!", mark, fresh_s=1.0)
        assert memory.peek("query", key) == key + b"!"
