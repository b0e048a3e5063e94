"""Facts of the machine.

In: small files of the system (Linux), and what Python knows of others. Out: ``Facts``. Invariants: nothing is imported
or run for it, no device is opened; what the system does not tell is None; other folders can stand for ``/``. Thread:
any; a reading opens two files for each CPU and a few dozen others (5 ms on a machine of 2 CPUs), so it belongs in a
worker where an event loop runs.

Source: proc_cpuinfo(5), proc_meminfo(5), proc_pid_status(5); the Linux kernel's documentation,
ABI/stable/sysfs-devices-system-cpu, ABI/testing/sysfs-block; NVIDIA's driver README, "The /proc/driver/nvidia
interface".
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gapless.tune.cgroup import cpu_quota, group_memory
from gapless.tune.facts import Facts
from gapless.tune.files import listed, number_of, pairs_of, text_of
from gapless.tune.pressure import judge_memory, read_memory

ROOT: Final = Path("/")

SIMD: Final = {
    "sse4_2": "sse4.2",
    "avx": "avx",
    "fma": "fma",
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "neon": "neon",
    "asimd": "neon",
    "asimddp": "dotprod",
    "sve": "sve",
}
"""The kernel's names of vector instructions, and how we call them."""

CONTAINER_WORDS: Final = {
    "kubepods": "kubernetes",
    "docker": "docker",
    "libpod": "podman",
    "lxc": "lxc",
    "containerd": "containerd",
}
"""Parts of the paths of control groups that tell who made them."""


def usable_cpus(root: Path = ROOT) -> int:
    """CPUs that this process can use: of its affinity, within its control groups' quota rounded down, at least 1."""
    return Facts(cpus_affinity=len(_affinity(root)), cpu_quota=cpu_quota(root)).cpus


def physical_cpus(root: Path = ROOT) -> int:
    """Cores among them, counting the threads that share one as one; as ``usable_cpus`` where unknown."""
    cpus = _affinity(root)
    return Facts(
        cpus_affinity=len(cpus), cpu_quota=cpu_quota(root), physical_cores=_cores(root, cpus)
    ).cores


def read_facts(
    data_dir: Path | None = None, *, root: Path = ROOT, env: Mapping[str, str] | None = None
) -> Facts:
    """What this machine tells.

    Args:
        data_dir: a folder whose disk is looked at; it need not exist yet.
        root: where ``proc``, ``sys`` and ``dev`` are; another one for tests.
        env: environment variables; None: this process's.
    """
    env = os.environ if env is None else env
    cpus = _affinity(root)
    cpuinfo = pairs_of(text_of(root / "proc" / "cpuinfo"), ":")
    meminfo = pairs_of(text_of(root / "proc" / "meminfo"), ":")
    group = group_memory(root)
    total = _kilobytes(meminfo.get("MemTotal")) or (_sysconf_bytes() if root == ROOT else None)
    # A limit that is larger than the machine limits nothing.
    limited = group is not None and (total is None or group.limit_bytes < total)
    free, rotational = _disk(root, data_dir)
    return Facts(
        system=platform.system(),
        arch=platform.machine(),
        cpu_model=_cpu_model(root, cpuinfo),
        cpus_online=len(listed(text_of(root / "sys/devices/system/cpu/online"))) or len(cpus),
        cpus_affinity=len(cpus),
        cpu_quota=cpu_quota(root),
        physical_cores=_cores(root, cpus),
        simd=_simd(cpuinfo),
        memory_total_bytes=total,
        memory_available_bytes=_kilobytes(meminfo.get("MemAvailable")),
        memory_limit_bytes=group.limit_bytes if group and limited else None,
        memory_limit_available_bytes=group.available_bytes if group and limited else None,
        own_memory_bytes=_kilobytes(_status(root).get("VmRSS")),
        swap_total_bytes=_kilobytes(meminfo.get("SwapTotal")),
        pressure=judge_memory(read_memory(root)),
        numa_nodes=len(listed(text_of(root / "sys/devices/system/node/online"))) or None,
        gpus=_gpus(root),
        disk_free_bytes=free,
        disk_rotational=rotational,
        container=_container(root, env),
    )


# --- processors -----------------------------------------------------------------------------------


def _affinity(root: Path) -> tuple[int, ...]:
    """The numbers of the CPUs that this process may run on."""
    if root == ROOT and hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    told = listed(_status(root).get("Cpus_allowed_list", ""))
    return told or tuple(range(os.cpu_count() or 1))


def _cores(root: Path, cpus: tuple[int, ...]) -> int | None:
    cores = set()
    for cpu in cpus:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        siblings = text_of(topology / "thread_siblings_list").strip()
        if not siblings:
            return None
        cores.add(siblings)
    return len(cores) or None


def _cpu_model(root: Path, cpuinfo: Mapping[str, str]) -> str | None:
    # x86 has the first; ARM boards name themselves in the device tree.
    board = text_of(root / "proc/device-tree/model").strip("\0 \n")
    named = cpuinfo.get("model name") or cpuinfo.get("Model") or board
    return named or (platform.processor() if root == ROOT else "") or None


def _simd(cpuinfo: Mapping[str, str]) -> tuple[str, ...] | None:
    flags = cpuinfo.get("flags") or cpuinfo.get("Features")
    if flags is None:
        return None
    here = set(flags.split())
    return tuple(dict.fromkeys(ours for theirs, ours in SIMD.items() if theirs in here))


# --- memory ---------------------------------------------------------------------------------------


def _status(root: Path) -> dict[str, str]:
    return pairs_of(text_of(root / "proc" / "self" / "status"), ":")


def _kilobytes(text: str | None) -> int | None:
    size = number_of((text or "").removesuffix("kB"))
    return None if size is None else int(size) * 1024


def _sysconf_bytes() -> int | None:
    """The machine's memory where there is no /proc, as on macOS."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


# --- devices --------------------------------------------------------------------------------------


def _gpus(root: Path) -> tuple[str, ...] | None:
    if not (root / "proc").is_dir():
        return None
    found = [
        pairs_of(text_of(file), ":").get("Model", "NVIDIA")
        for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))
    ]
    if not found:  # a container that was given the device, but not the driver's folder
        found = ["NVIDIA" for _ in root.glob("dev/nvidia[0-9]*")]
    if (root / "dev/kfd").exists():
        found.append("AMD")
    return tuple(found)


def _disk(root: Path, folder: Path | None) -> tuple[int | None, bool | None]:
    """Free bytes of the disk under ``folder``, and whether it turns."""
    if folder is None:
        return None, None
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if there is None:
        return None, None
    try:
        numbers = there.stat().st_dev
        free = os.statvfs(there)
    except (AttributeError, OSError):
        return None, None
    device = root / f"sys/dev/block/{os.major(numbers)}:{os.minor(numbers)}"
    turns = is_rotational(device)
    return free.f_bavail * free.f_frsize, turns


def is_rotational(device: Path) -> bool | None:
    """Whether a block device turns; None: it does not tell. A partition is asked by the disk that it is on."""
    for place in (device / "queue/rotational", device.resolve().parent / "queue/rotational"):
        told = text_of(place).strip()
        if told in ("0", "1"):
            return told == "1"
    return None


def _container(root: Path, env: Mapping[str, str]) -> str | None:
    if env.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    groups = text_of(root / "proc/self/cgroup")
    for word, name in CONTAINER_WORDS.items():
        if word in groups:
            return name
    return "docker" if (root / ".dockerenv").exists() else None
