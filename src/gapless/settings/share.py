"""What one of several worker processes may take of what the settings allow the whole server.

In: settings of the server. Out: those of a worker. Invariants: together the workers never take N times what one process
would: limits, memory and threads are divided and rounded up, so that each worker has at least one of what there is;
what is switched off stays off; of one worker the share is the whole. Thread: any (pure).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gapless.settings.fields import MIB, Settings

DIVIDED: Final = (
    "cache_mb",
    "decoders",
    "max_players",
    "max_sessions",
    "max_uploads",
    "max_waiting_rows",
    "max_waiting_uploads",
    "remote_calls",
    "store_max_waiting",
    "store_pool",
    "threads",
)
"""Settings of which each worker has an equal part, rounded up."""


class Share(Struct, frozen=True):
    """The part of one worker."""

    number: int = 0
    """Which one, from 0."""
    of: int = 1
    """How many there are."""

    def settings(self, whole: Settings) -> Settings:
        """The settings of this worker."""
        if self.of == 1:
            return whole
        parts = {name: _up(getattr(whole, name), self.of) for name in DIVIDED}
        executors = max(whole.executors // self.of, 1)
        threads = whole.executors * whole.executor_threads // (self.of * executors)
        return replace(
            whole,
            **parts,
            executors=executors,
            executor_threads=min(max(threads, 1), whole.executor_threads),
            model_memory_bytes=max(_up(whole.model_memory_bytes, self.of), 16 * MIB),
            # Not rounded up: a worker without one leaves the jobs to the others, which have the same queue.
            job_workers=(whole.job_workers + self.of - 1 - self.number) // self.of,
        )


def _up(value: int, parts: int) -> int:
    """What is 0 or left to the plan stays as it is."""
    return value if value <= 0 else -(-value // parts)


WHOLE: Final = Share()
