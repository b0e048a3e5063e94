"""Plan again when the machine changes under a running server: its memory limit, its CPU quota, how short memory is.

In: facts, every few seconds. Out: the settings that can be changed while serving, when the plan's values for them have
changed. Invariants: a change for the worse counts when it is seen twice in a row, one for the better when it has lasted
``calm_s``, so that nothing flaps; what the server itself has taken since the start does not count as taken; what a
person set is never changed. Thread: ``Replanner`` is pure; ``Watcher`` has one of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gapless.settings import Resolved
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.measured import Measured

log = structlog.get_logger()

LIVE: Final = ("cache_mb", "cache_ttl_s", "store_pool", "store_batch_rows")
"""Settings that can be changed while serving."""

PRESSURES: Final = ("calm", "tight", "critical")

TIGHTER_LOOKS: Final = 2
"""Looks in a row at which a change for the worse must be seen."""

Changes: TypeAlias = dict[str, int]
"""New values by name of the setting."""


class Room(Struct, frozen=True):
    """What a plan is made again for."""

    limit_bytes: int | None
    cpus: int
    pressure: str

    @classmethod
    def of(cls, facts: Facts) -> Room:
        """That of a machine."""
        return cls(facts.memory_limit_bytes, facts.cpus, facts.pressure)

    def difference(self, before: Room) -> str:
        """In words; empty if there is none."""
        parts = []
        if self.limit_bytes != before.limit_bytes:
            parts.append(
                f"memory limit {_mb(before.limit_bytes)} before, {_mb(self.limit_bytes)} now"
            )
        if self.cpus != before.cpus:
            parts.append(f"{before.cpus} CPUs before, {self.cpus} now")
        if self.pressure != before.pressure:
            parts.append(f"memory was {before.pressure}, is {self.pressure}")
        return "; ".join(parts)

    def is_worse(self, before: Room) -> bool:
        """Whether anything got less."""
        unlimited = 2**63
        return (
            (self.limit_bytes or unlimited) < (before.limit_bytes or unlimited)
            or self.cpus < before.cpus
            or PRESSURES.index(self.pressure) > PRESSURES.index(before.pressure)
        )


class Replan(Struct, frozen=True):
    """What changes, and why."""

    resolved: Resolved
    changes: Changes
    reason: str


class Replanner:
    """Decides when to plan again.

    Args:
        resolved: fitted settings that are in force.
        facts: that they were fitted by.
        measured: what was measured on this machine.
        calm_s: how long a change for the better must last.
    """

    def __init__(
        self,
        resolved: Resolved,
        facts: Facts,
        measured: Measured | None = None,
        *,
        calm_s: float = 60.0,
    ) -> None:
        self.resolved = resolved
        self._start = facts
        self._measured = measured
        self._calm_s = calm_s
        self._room = Room.of(facts)
        self._seen: Room | None = None
        self._looks = 0
        self._since_s = 0.0

    def look(self, facts: Facts, now_s: float) -> Replan | None:
        """Take note of the facts; a new plan if it is time for one and it differs in what can be changed."""
        room = Room.of(facts)
        if room == self._room:
            self._seen = None
            return None
        if room != self._seen:
            self._seen, self._looks, self._since_s = room, 0, now_s
        self._looks += 1
        due = (
            self._looks >= TIGHTER_LOOKS
            if room.is_worse(self._room)
            else now_s - self._since_s >= self._calm_s
        )
        if not due:
            return None
        reason = room.difference(self._room)
        self._room, self._seen = room, None
        fresh = fit(self.resolved, without_own(facts, self._start), self._measured)
        changes = {
            name: getattr(fresh.settings, name)
            for name in LIVE
            if getattr(fresh.settings, name) != getattr(self.resolved.settings, name)
        }
        if not changes:
            return None
        kept = self.resolved
        self.resolved = replace(
            kept,
            settings=replace(kept.settings, **changes),
            sources={**kept.sources, **{name: fresh.sources[name] for name in changes}},
        )
        return Replan(self.resolved, changes, reason)


class Watcher:
    """Looks at the machine every few seconds, in a thread of its own.

    Args:
        replanner: decides.
        read: facts, now.
        on_change: called in the watcher's thread; what it raises is logged, and the next change comes all the same.
        every_s: time between looks.
    """

    def __init__(
        self,
        replanner: Replanner,
        read: Callable[[], Facts],
        on_change: Callable[[Changes], None],
        *,
        every_s: float = 5.0,
    ) -> None:
        self._replanner = replanner
        self._read = read
        self._on_change = on_change
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gapless-watch", daemon=True)

    @property
    def resolved(self) -> Resolved:
        """The settings that are in force."""
        return self._replanner.resolved

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; returns when the thread has ended. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, now_s: float) -> Replan | None:
        """One look, and what follows from it."""
        replan = self._replanner.look(self._read(), now_s)
        if replan is not None:
            log.warning("planned again", why=replan.reason, **replan.changes)
            self._on_change(replan.changes)
        return replan

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.look(time.monotonic())
            except Exception:
                log.exception("planning again failed; the settings stay as they are")


def without_own(facts: Facts, start: Facts) -> Facts:
    """The facts as if this process had no more memory than at its start: its cache must not make it shrink itself."""
    taken = (facts.own_memory_bytes or 0) - (start.own_memory_bytes or 0)
    if taken <= 0:
        return facts
    available, below = facts.memory_available_bytes, facts.memory_limit_available_bytes
    total, limit = facts.memory_total_bytes, facts.memory_limit_bytes
    return replace(
        facts,
        memory_available_bytes=None if available is None else _at_most(available + taken, total),
        memory_limit_available_bytes=None if below is None else _at_most(below + taken, limit),
    )


def _at_most(size: int, most: int | None) -> int:
    return size if most is None else min(size, most)


def _mb(size: int | None) -> str:
    return "none" if size is None else f"{size // 1024**2} MB"
