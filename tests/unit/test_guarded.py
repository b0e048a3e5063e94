"""Programs that end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gapless.audio.device.guarded import end_guarded, start_guarded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

WAIT_S = 20.0


def wait_until(holds: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < give_up_s, "it never held"
        time.sleep(0.01)


def in_group(group: int) -> set[int]:
    """Processes of a group that still run."""
    found = set[int]()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_end = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(name_end[2]) == group and name_end[0] != "Z":
            found.add(int(entry.parent.name))
    return found


@pytest.mark.parametrize("at_once", [False, True], ids=["asked", "killed"])
def test_a_program_and_its_guard_are_ended(at_once: bool) -> None:
    process = start_guarded(["sleep", "60"])
    wait_until(lambda: len(in_group(process.pid)) == 2)
    end_guarded(process, at_once=at_once)
    wait_until(lambda: not in_group(process.pid))
    assert process.poll() is not None
    end_guarded(process)


def test_a_program_that_ended_by_itself_leaves_no_guard(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        process = start_guarded(["echo", "a b", "$HOME"], output=said)
        assert process.wait(WAIT_S) == 0
    assert (tmp_path / "said").read_text() == "a b $HOME\n"
    end_guarded(process)
    wait_until(lambda: not in_group(process.pid))


@pytest.mark.long
def test_a_program_that_will_not_end_is_killed() -> None:
    process = start_guarded(["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"])
    wait_until(lambda: len(in_group(process.pid)) == 3)
    end_guarded(process)
    wait_until(lambda: not in_group(process.pid))


CHILD = """
import time
from gapless.audio.device.guarded import start_guarded
print(start_guarded(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""


def test_a_program_ends_with_a_process_that_is_killed() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    assert child.stdout is not None
    group = int(child.stdout.readline())
    wait_until(lambda: bool(in_group(group)))
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    wait_until(lambda: not in_group(group))
