"""Facts of the machine that a figure belongs to.

In: the operating system, the installed packages, the checkout. Out: one struct; what is not known is None. Thread: any.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from gapless.tune.probe import physical_cpus, usable_cpus

PACKAGES: Final = ("gapless", "onnxruntime", "numpy", "grpcio", "uvloop")
"""Those whose version may move a figure."""

BUSY_SHARE: Final = 0.25
"""Of the CPUs; with more at work before a bench begins, its figures are not worth much."""

GIT_TIMEOUT_S: Final = 10.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on."""

    cpu: str
    usable_cpus: int
    physical_cpus: int
    virtual: bool | None
    """Whether it shares its CPUs with other machines, who may take them at any moment."""
    memory_bytes: int | None
    system: str
    python: str
    packages: dict[str, str]
    load: float | None
    """Threads that wanted to run, over the last minute before the bench."""
    commit: str | None
    """Of the checkout; ends in "+" if files in it were changed."""

    @property
    def busy(self) -> bool:
        """Whether something else was at work."""
        return self.load is not None and self.load > BUSY_SHARE * self.usable_cpus


def machine() -> Machine:
    """This machine, now."""
    cpu = _key_values(Path("/proc/cpuinfo"))
    memory = _key_values(Path("/proc/meminfo")).get("MemTotal")
    return Machine(
        cpu=cpu.get("model name") or platform.processor() or platform.machine(),
        usable_cpus=usable_cpus(),
        physical_cpus=physical_cpus(),
        virtual="hypervisor" in cpu["flags"].split() if "flags" in cpu else None,
        memory_bytes=int(memory.split()[0]) * 1024 if memory else None,
        system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: number for name in PACKAGES if (number := _version(name)) is not None},
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        commit=commit_of(Path(__file__).parents[1]),
    )


def file_system(folder: Path) -> str | None:
    """The kind of file system that a folder lies on, such as ext4 or tmpfs; None where the system does not tell."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return None
    found = [line.split()[1:3] for line in mounts.read_text("utf-8").splitlines()]
    above = {str(place) for place in (folder.resolve(), *folder.resolve().parents)}
    # The deepest of those it lies under; of several at one place the last covers the others.
    kinds = [
        (len(place), number, kind) for number, (place, kind) in enumerate(found) if place in above
    ]
    return max(kinds)[2] if kinds else None


def _key_values(path: Path) -> dict[str, str]:
    """The first "key : value" of each key; empty where there is no such file."""
    if not path.exists():
        return {}
    facts: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit_of(folder: Path) -> str | None:
    """The commit of the checkout that ``folder`` lies in; None if it lies in none, or git is not here."""
    commit = _git(folder, "rev-parse", "HEAD")
    # An installed package may lie in somebody else's checkout, in its virtual environment for instance.
    if not commit or not _git(folder, "ls-files", "--", "."):
        return None
    return commit[:12] + ("+" if _git(folder, "status", "--porcelain") else "")


def _git(folder: Path, *words: str) -> str:
    try:
        result = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", os.fspath(folder), *words],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()
