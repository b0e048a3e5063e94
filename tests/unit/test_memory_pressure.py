"""``CALM`` and ``MEMINFO`` are a machine's own files; the others have the same form and numbers that suit the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gapless.tune.pressure import (
    MemoryFacts,
    PressureLimits,
    Stalls,
    judge_memory,
    memory_pressure,
    parse_meminfo,
    parse_stalls,
    read_memory,
)

CALM = """\
some avg10=0.00 avg60=0.00 avg300=0.00 total=0
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""
THRASHING = """\
some avg10=61.14 avg60=22.31 avg300=6.02 total=30781217
full avg10=37.90 avg60=12.83 avg300=3.40 total=17300412
"""
MEMINFO = """\
MemTotal:       24684084 kB
MemFree:        21167200 kB
MemAvailable:   22922436 kB
Buffers:           51572 kB
"""
STAT = """\
anon 419430400
file 1048576000
inactive_anon 0
inactive_file 524288000
"""


def test_shares_of_stalls_are_read() -> None:
    assert parse_stalls(CALM) == Stalls(0.0, 0.0)
    assert parse_stalls(THRASHING) == Stalls(61.14, 37.9)
    assert parse_stalls("some avg10=1.53 avg60=0.87 avg300=0.20 total=4712\n") == Stalls(1.53, 0.0)


@pytest.mark.parametrize("text", ["", "\n", "some", "some avg10=", "nonsense avg10=3"], ids=repr)
def test_what_is_no_file_of_stalls_tells_nothing(text: str) -> None:
    assert parse_stalls(text) is None


def test_the_share_that_can_still_be_had() -> None:
    assert parse_meminfo(MEMINFO) == pytest.approx(22922436 / 24684084)
    assert parse_meminfo("MemTotal: 4 kB\n") is None
    assert parse_meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n") is None
    assert parse_meminfo("") is None


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (MemoryFacts(), "calm"),
        (MemoryFacts((Stalls(9.9, 9.9),), (0.11,)), "calm"),
        (MemoryFacts((Stalls(10.0, 0.0),), ()), "tight"),
        (MemoryFacts((), (0.9, 0.10)), "tight"),
        (MemoryFacts((Stalls(0.0, 0.0), Stalls(40.0, 0.0)), ()), "critical"),
        (MemoryFacts((Stalls(12.0, 10.0),), (0.9,)), "critical"),
        (MemoryFacts((), (0.05, 0.9)), "critical"),
    ],
    ids=str,
)
def test_the_worst_fact_counts(facts: MemoryFacts, level: str) -> None:
    assert judge_memory(facts) == level


def test_limits_can_be_chosen() -> None:
    facts = MemoryFacts((Stalls(5.0, 1.0),), (0.5,))

    assert judge_memory(facts, PressureLimits(tight_some_percent=5.0)) == "tight"
    assert judge_memory(facts, PressureLimits(critical_full_percent=1.0)) == "critical"
    assert judge_memory(facts, PressureLimits(critical_available=0.5)) == "critical"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_machine_and_the_group_are_read(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/user.slice/gapless.service"
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/pressure/memory": CALM,
            "proc/self/cgroup": "0::/user.slice/gapless.service\n",
            f"{group}/memory.pressure": THRASHING,
            f"{group}/memory.max": "2147483648\n",
            f"{group}/memory.current": "1468006400\n",
            f"{group}/memory.stat": STAT,
        },
    )

    facts = read_memory(tmp_path)
    assert facts.stalls == (Stalls(0.0, 0.0), Stalls(61.14, 37.9))
    assert facts.available == pytest.approx((0.9286, 0.5606), abs=1e-3)
    assert judge_memory(facts) == "critical"


def test_a_limit_of_version_1_is_read_and_the_narrowest_of_the_parents_counts(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        {
            "proc/self/mountinfo": "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "proc/self/cgroup": "4:memory:/outer/inner\n",
            "sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/outer/inner/memory.usage_in_bytes": "104857600\n",
            "sys/fs/cgroup/memory/outer/memory.limit_in_bytes": "1073741824\n",
            "sys/fs/cgroup/memory/outer/memory.usage_in_bytes": "1040187392\n",
            "sys/fs/cgroup/memory/outer/memory.stat": "inactive_file 1\ntotal_inactive_file 8388608\n",
        },
    )

    facts = read_memory(tmp_path)
    assert facts.available == pytest.approx(((1073741824 - 1040187392 + 8388608) / 1073741824,))
    assert judge_memory(facts) == "critical"


@pytest.mark.parametrize(
    "cgroup",
    ["", "4:memory:/process_api/6c34\n0::/\n", "0::/../../elsewhere\n", "9:name=systemd:/\n"],
    ids=repr,
)
def test_a_group_that_is_not_there_tells_nothing(tmp_path: Path, cgroup: str) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": cgroup})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "memory.pressure").write_text(THRASHING)

    facts = read_memory(tmp_path)
    assert (facts.stalls, len(facts.available)) == ((), 1)


def test_a_system_that_tells_nothing_is_calm(tmp_path: Path) -> None:
    assert read_memory(tmp_path) == MemoryFacts()
    assert judge_memory(read_memory(tmp_path)) == "calm"


@pytest.mark.skipif(sys.platform != "linux", reason="the files are Linux's")
def test_this_machine_can_be_read() -> None:
    assert all(0 < share <= 1 for share in read_memory().available)
    assert read_memory().available
    assert memory_pressure() in {"calm", "tight", "critical"}
