"""Drives an operation for a while and notes how long each took: alone, from many threads, from many tasks.

In: operations. Out: what each took, exactly. Invariants: a caller begins its next operation when its last has ended (a
closed loop), so nothing queues unseen; a round ends with its time, or with ``MOST_OPERATIONS``, so that its memory is
bounded. Thread: the caller's; operations of ``in_threads`` run on threads of their own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias, final

import msgspec

from gapless.bench.distribution import distribution

MOST_OPERATIONS: Final = 2**20
"""Operations of one round: 8 MiB of notes."""


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """What was noted in a round."""

    took_ns: Sequence[int]
    """Each operation, in no particular order."""
    elapsed_ns: int
    """From the begin of the first operation to the end of the last."""
    units: int
    """What was done in all: rows, calls..."""
    figures: dict[str, float] = {}
    """What else there is to say of the round, by names that end in their unit."""


Work: TypeAlias = Callable[[float], Samples]
"""Works for about so many seconds."""


def alone(operation: Callable[[], object], *, units: int = 1) -> Work:
    """One caller, on this thread.

    Args:
        operation: is called again and again.
        units: what one operation counts for.
    """

    def work(seconds: float) -> Samples:
        notes = _Notes(callers=1)
        notes.begin(seconds)
        _repeat(operation, notes, notes.took_ns[0])
        return notes.samples(units)

    return work


def in_threads(operations: Sequence[Callable[[], object]], *, units: int = 1) -> Work:
    """A thread for each operation; all begin together.

    Args:
        operations: what each thread calls again and again; may be the same.
        units: what one operation counts for.
    """

    def work(seconds: float) -> Samples:
        notes = _Notes(callers=len(operations))
        barrier = threading.Barrier(len(operations), action=lambda: notes.begin(seconds))
        failures: list[BaseException] = []

        def call(operation: Callable[[], object], took_ns: array[int]) -> None:
            barrier.wait()
            try:
                _repeat(operation, notes, took_ns)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                failures.append(error)
                notes.stop()

        threads = [
            threading.Thread(target=call, args=pair)
            for pair in zip(operations, notes.took_ns, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return notes.samples(units)

    return work


def in_tasks(operations: Sequence[Callable[[], Awaitable[object]]], *, units: int = 1) -> Work:
    """A task for each operation, on an event loop of the kind that the server runs on.

    Args:
        operations: what each task calls again and again; may be the same.
        units: what one operation counts for.
    """

    async def call(
        operation: Callable[[], Awaitable[object]], notes: _Notes, took_ns: array[int]
    ) -> None:
        clock, room = time.perf_counter_ns, notes.room
        began = clock()
        while began < notes.ends_ns and len(took_ns) < room:
            await operation()
            ended = clock()
            took_ns.append(ended - began)
            began = ended
        notes.stop()

    async def call_all(seconds: float) -> Samples:
        notes = _Notes(callers=len(operations))
        notes.begin(seconds)
        async with asyncio.TaskGroup() as group:
            for operation, took_ns in zip(operations, notes.took_ns, strict=True):
                group.create_task(call(operation, notes, took_ns))
        return notes.samples(units)

    def work(seconds: float) -> Samples:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(call_all(seconds))

    return work


def first_apart(operation: Callable[[], object]) -> Work:
    """One caller, whose first operation is measured apart: ``first_us``, ``first_in_medians`` of the later ones."""

    def work(seconds: float) -> Samples:
        began = time.perf_counter_ns()
        operation()
        first_ns = time.perf_counter_ns() - began
        samples = alone(operation)(seconds)
        figures = {
            "first_us": first_ns / 1e3,
            "first_in_medians": first_ns / distribution(samples.took_ns).p50,
        }
        return msgspec.structs.replace(samples, figures=figures)

    return work


def _repeat(operation: Callable[[], object], notes: _Notes, took_ns: array[int]) -> None:
    clock, room = time.perf_counter_ns, notes.room
    began = clock()
    while began < notes.ends_ns and len(took_ns) < room:
        operation()
        ended = clock()
        took_ns.append(ended - began)
        began = ended
    notes.stop()


@final
class _Notes:
    """What the callers of a round note, and when they stop."""

    def __init__(self, *, callers: int) -> None:
        self.took_ns = [array("q") for _ in range(callers)]
        """One for each caller, who alone writes there."""
        self.room = MOST_OPERATIONS // callers
        """Notes that each may make."""
        self.ends_ns = 0
        """Every caller looks here before an operation; whoever has done enough, or fails, sets it back."""
        self._began_ns = 0

    def begin(self, seconds: float) -> None:
        """The clock runs from here."""
        self._began_ns = time.perf_counter_ns()
        self.ends_ns = self._began_ns + round(seconds * 1e9)

    def stop(self) -> None:
        """Nobody begins another operation."""
        self.ends_ns = 0

    def samples(self, units: int) -> Samples:
        """What there is, now that all have ended."""
        elapsed_ns = time.perf_counter_ns() - self._began_ns
        took_ns = sum(self.took_ns, array("q"))
        return Samples(took_ns=took_ns, elapsed_ns=elapsed_ns, units=units * len(took_ns))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop
