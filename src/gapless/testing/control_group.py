"""A control group of one's own, with limits of CPU time and memory, as a container has.

In: limits. Out: a command that enters the group, and what its memory was at most. Invariants: the groups are below one
that this process is in, and are gone afterwards; where that is not allowed, nothing is left behind. Version 1 of the
hierarchy has a group for each controller, version 2 one for both. Thread: one at a time; Linux.

Source: the Linux kernel's documentation, admin-guide/cgroup-v1/memory.rst, admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from gapless.errors import MissingDependencyError
from gapless.testing.sound_programs import ask, wait_until
from gapless.tune.cgroup import group_folders

PERIOD_US: Final = 100_000

PEAKS: Final = ("memory.max_usage_in_bytes", "memory.peak")

KILLS: Final = ("memory.oom_control", "memory.events")

ENTER: Final = (
    'set -e; for folder in $1; do echo $$ > "$folder/cgroup.procs"; done; shift; exec "$@"'
)
"""A shell's program; folders of groups have no spaces in their names."""


@final
class ControlGroup:
    """A group; a context manager.

    Args:
        cpus: how many CPUs' worth of time.
        memory_bytes: how much memory, file pages included.
    """

    def __init__(self, *, cpus: float, memory_bytes: int) -> None:
        quota = str(round(cpus * PERIOD_US))
        self._limits: Final = {
            "cpu": {"cpu.cfs_quota_us": quota, "cpu.max": f"{quota} {PERIOD_US}"},
            "memory": {
                "memory.limit_in_bytes": str(memory_bytes),
                "memory.max": str(memory_bytes),
            },
        }
        self._folders: dict[str, Path] = {}
        self._made = ExitStack()

    def __enter__(self) -> Self:
        """Make it.

        Raises:
            MissingDependencyError: this process may not; most containers may not.
        """
        with self._made as made:
            for controller in self._limits:
                self._folders[controller] = self._make(controller)
            # To make a group is one right, to go there from where one is another.
            if ask([*self.enter, "true"], os.environ) is None:
                raise _forbidden("and enter it")
            self._made = made.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._made.close()

    @property
    def enter(self) -> tuple[str, ...]:
        """A command that enters the group and becomes the command that follows."""
        folders = dict.fromkeys(map(str, self._folders.values()))
        return ("/bin/sh", "-c", ENTER, "enter", " ".join(folders))

    @property
    def processes(self) -> list[int]:
        """Who is in it."""
        return [int(line) for line in (self._memory / "cgroup.procs").read_text().split()]

    @property
    def peak_bytes(self) -> int | None:
        """The most memory that it had; None where the kernel does not say."""
        for name in PEAKS:
            with suppress(OSError):
                return int((self._memory / name).read_text())
        return None

    @property
    def kills(self) -> int | None:
        """Processes that were killed for want of memory; None where the kernel does not say."""
        for name in KILLS:
            with suppress(OSError):
                fields = dict(
                    line.split(maxsplit=1)
                    for line in (self._memory / name).read_text().splitlines()
                )
                if "oom_kill" in fields:
                    return int(fields["oom_kill"])
        return None

    @property
    def _memory(self) -> Path:
        return self._folders["memory"]

    def _make(self, controller: str) -> Path:
        for parent in group_folders(Path("/"), controller):
            group = parent / f"gapless-test-{os.getpid()}-{id(self)}"
            if group not in self._folders.values():
                try:
                    group.mkdir()
                except OSError:
                    continue
                self._made.callback(_remove, group)
            for name, value in self._limits[controller].items():
                with suppress(OSError):
                    if (group / name).exists():
                        (group / name).write_text(value)
                        return group
        raise _forbidden(f"that limits its {controller}")


def _forbidden(what: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"this process may make no control group {what}; run it as root, outside of a container"
    )


def _remove(group: Path) -> None:
    # Who has just ended may still be in it.
    wait_until(lambda: _is_removed(group), f"a group that is empty: {group}")


def _is_removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()
