"""The plan in a real control group: 1 CPU and 700 MB. Needs the right to make groups; most sandboxes have none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gapless.settings import MIB
from gapless.tune.cgroup import group_folders

LIMIT_BYTES = 700 * MIB

FILES = {
    "cpu": (("cpu.cfs_quota_us", "100000"), ("cpu.max", "100000 100000")),
    "memory": (("memory.limit_in_bytes", str(LIMIT_BYTES)), ("memory.max", str(LIMIT_BYTES))),
}


def make_group(controller: str, stack: ExitStack) -> Path:
    """A group with the limit, below one that this process is in; it is removed at the end."""
    for parent in group_folders(Path("/"), controller):
        group = parent / f"gapless-test-{os.getpid()}"
        new = not group.exists()
        try:
            group.mkdir(exist_ok=True)
        except OSError:
            continue
        if new:
            stack.callback(group.rmdir)
        for name, value in FILES[controller]:
            if (group / name).exists():
                (group / name).write_text(value)
                return group
    pytest.skip(f"this process may make no group that limits {controller}")


@pytest.fixture
def groups() -> Iterator[list[Path]]:
    with ExitStack() as stack:
        yield list(dict.fromkeys(make_group(controller, stack) for controller in FILES))


def test_a_process_of_one_cpu_and_700_mb_gets_a_plan_that_fits(groups: list[Path]) -> None:
    enter = "; ".join(f"echo $$ > '{group}/cgroup.procs'" for group in groups)
    command = f"{enter}; exec '{sys.executable}' -m gapless config show --json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GAPLESS_")}

    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment | {"GAPLESS_CONFIG": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    rows = json.loads(ran.stdout)
    value = {name: row["value"] for name, row in rows.items()}
    assert (value["executors"], value["executor_threads"], value["threads"]) == (1, 1, 4)
    assert value["decoders"] == 1
    assert 128 <= value["cache_mb"] <= 175
    assert value["cache_mb"] * MIB + value["model_memory_bytes"] + 95 * MIB < LIMIT_BYTES
    assert "(quota 1)" in rows["threads"]["source_detail"]
    assert "left of the limit" in rows["cache_mb"]["source_detail"]
