"""The control groups that this process is in, and what they allow it.

In: ``/proc/self/cgroup`` (which group, by hierarchy), ``/proc/self/mountinfo`` (where hierarchies are seen) and the
groups' own files. Out: the folders of each group and its parents; the narrowest limit of CPU time and of memory.
Invariants: versions 1 and 2, and both at a time, are read; what cannot be seen (a parent outside of the namespace) is
left out; a limit larger than any machine is none. Thread: any.

A limit counts for all groups below it, so parents are walked up to where the hierarchy is mounted. In a container the
mount may show a part of the hierarchy only: its root is then the beginning of the group's path, or, where the group's
path is told as the namespace sees it, all that can be seen.

Source: the Linux kernel's documentation, admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/memory.rst,
scheduler/sched-bwc.rst; proc_pid_mountinfo(5), cgroup_namespaces(7).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from gapless.tune.files import number_of, pairs_of, text_of

NO_LIMIT_BYTES: Final = 2**60
"""Version 1 writes the largest number of pages for "no limit"."""


class Mount(Struct, frozen=True):
    """A hierarchy, as it is seen here."""

    controllers: frozenset[str]
    """Of version 1; empty for version 2."""
    root: str
    """The group that is seen at ``point``."""
    point: str
    """Where."""


class GroupMemory(Struct, frozen=True):
    """What is left of a group's memory."""

    limit_bytes: int
    available_bytes: int
    """Below the limit, with file pages that can be dropped at once."""


def group_folders(root: Path, controller: str) -> tuple[Path, ...]:
    """The folders of this process's group and of its parents, the innermost first; of version 1 where it has them.

    Args:
        root: where ``proc`` and ``sys`` are.
        controller: ``cpu`` or ``memory``.
    """
    mounts = parse_mounts(text_of(root / "proc" / "self" / "mountinfo"))
    if not mounts:  # a system without the file
        mounts = [Mount(frozenset(), "/", "/sys/fs/cgroup")]
    found: list[Path] = []
    for line in text_of(root / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        controllers = frozenset(filter(None, names.split(",")))
        if controllers and controller not in controllers:
            continue
        for mount in mounts:
            if mount.controllers >= controllers and bool(mount.controllers) == bool(controllers):
                found.extend(_walk(root, mount, path))
                break
    return tuple(found)


def cpu_quota(root: Path) -> float | None:
    """CPUs' worth of time that this process may take; None: no limit."""
    quotas = [quota for folder in group_folders(root, "cpu") if (quota := _quota(folder))]
    return min(quotas, default=None)


def group_memory(root: Path) -> GroupMemory | None:
    """The narrowest limit of memory, and the least that is left below any; None: no limit."""
    limited = [
        memory
        for folder in group_folders(root, "memory")
        if (memory := _memory(folder)) is not None
    ]
    if not limited:
        return None
    return GroupMemory(
        min(memory.limit_bytes for memory in limited),
        min(memory.available_bytes for memory in limited),
    )


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The hierarchies in a ``mountinfo``."""
    mounts = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) > 4 and tail[0] == "cgroup2":
            mounts.append(Mount(frozenset(), _plain(fields[3]), _plain(fields[4])))
        elif len(fields) > 4 and tail[0] == "cgroup":
            options = frozenset(tail[-1].split(",")) - {"rw", "ro"}
            mounts.append(Mount(options, _plain(fields[3]), _plain(fields[4])))
    return mounts


def _plain(path: str) -> str:
    """A path without the escapes that mountinfo has for blanks."""
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _walk(root: Path, mount: Mount, path: str) -> list[Path]:
    group = PurePosixPath(path)
    if ".." in group.parts:  # outside of the namespace: its files are not to be seen
        return []
    try:
        below = group.relative_to(mount.root)
    except (
        ValueError
    ):  # the path is told as another namespace sees it: what is mounted is all there is
        below = PurePosixPath()
    top = root.joinpath(*PurePosixPath(mount.point).parts[1:])
    inner = top.joinpath(*(part for part in below.parts if part != "/"))
    folders = [inner]
    while folders[-1] != top:
        folders.append(folders[-1].parent)
    return folders


def _quota(folder: Path) -> float | None:
    quota, _, period = text_of(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = text_of(folder / "cpu.cfs_quota_us")
        period = text_of(folder / "cpu.cfs_period_us")
    time_us, of_us = number_of(quota), number_of(period)
    # "max" is no number, and version 1 writes -1 for it.
    return time_us / of_us if time_us is not None and time_us > 0 and of_us else None


def _memory(folder: Path) -> GroupMemory | None:
    limit = number_of(text_of(folder / "memory.max"))
    used = number_of(text_of(folder / "memory.current"))
    droppable = "inactive_file"
    if used is None:
        limit = number_of(text_of(folder / "memory.limit_in_bytes"))
        used = number_of(text_of(folder / "memory.usage_in_bytes"))
        droppable = "total_inactive_file"
    if not limit or limit >= NO_LIMIT_BYTES:
        return None
    counted = pairs_of(text_of(folder / "memory.stat"), " ")
    left = limit - (used or 0.0) + (number_of(counted.get(droppable)) or 0.0)
    return GroupMemory(int(limit), int(max(0.0, min(left, limit))))
