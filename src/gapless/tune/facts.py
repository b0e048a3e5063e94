"""What is known of a machine, as far as this process may use it.

In: nothing. Out: the frozen ``Facts``. Invariants: what the system does not tell is None; what follows from the facts
(how many CPUs count, how much memory) is said here once, for the plan and for people. Thread: any (pure).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gapless.tune.pressure import Pressure

MIB: Final = 1024 * 1024


class Facts(Struct, frozen=True, kw_only=True):
    """A machine and the part of it that this process may use."""

    system: str = ""
    """``Linux``, ``Darwin``, ``Windows``; empty: unknown."""
    arch: str = ""
    """``x86_64``, ``aarch64`` ..."""
    cpu_model: str | None = None
    cpus_online: int | None = None
    """Of the machine."""
    cpus_affinity: int | None = None
    """That this process may run on."""
    cpu_quota: float | None = None
    """CPUs' worth of time that its control groups allow; None: no limit."""
    physical_cores: int | None = None
    """Among those of the affinity, counting the threads that share one as one."""
    simd: tuple[str, ...] | None = None
    """Vector instructions, of those that matter for sound: ``avx2``, ``avx512f``, ``neon`` ..."""
    memory_total_bytes: int | None = None
    """Of the machine."""
    memory_available_bytes: int | None = None
    """That can still be had of it."""
    memory_limit_bytes: int | None = None
    """The narrowest of the control groups; None: no limit."""
    memory_limit_available_bytes: int | None = None
    """That can still be had below the limits."""
    own_memory_bytes: int | None = None
    """That this process has itself (resident)."""
    swap_total_bytes: int | None = None
    pressure: Pressure = "calm"
    """How short of memory machine and group are."""
    numa_nodes: int | None = None
    gpus: tuple[str, ...] | None = None
    """Names of those whose driver is here; empty: none; None: not known."""
    disk_free_bytes: int | None = None
    """Where DATA_DIR is or will be."""
    disk_rotational: bool | None = None
    container: str | None = None
    """``docker``, ``podman``, ``kubernetes``, ``lxc``; None: no sign of one."""

    @property
    def cpus(self) -> int:
        """CPUs that count: of the affinity, within the quota rounded down, at least 1."""
        most = self.cpus_affinity or self.cpus_online or 1
        return max(1, most if self.cpu_quota is None else min(most, int(self.cpu_quota)))

    @property
    def cores(self) -> int:
        """Physical cores that count: as many as there are CPUs that count, or fewer."""
        return max(1, min(self.physical_cores or self.cpus, self.cpus))

    @property
    def memory_bytes(self) -> int | None:
        """Memory that this process may use at most."""
        known = [size for size in (self.memory_total_bytes, self.memory_limit_bytes) if size]
        return min(known, default=None)

    @property
    def available_bytes(self) -> int | None:
        """Memory that it can still have."""
        both = (self.memory_available_bytes, self.memory_limit_available_bytes)
        return min((size for size in both if size is not None), default=None)

    @property
    def free_share(self) -> float | None:
        """The share of memory that can still be had: of the machine's or of the limit's, whichever is smaller."""
        shares = [
            available / total
            for available, total in (
                (self.memory_available_bytes, self.memory_total_bytes),
                (self.memory_limit_available_bytes, self.memory_limit_bytes),
            )
            if available is not None and total
        ]
        return min(shares, default=None)
