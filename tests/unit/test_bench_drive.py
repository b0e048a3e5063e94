from __future__ import annotations

import asyncio
import threading
import time

import pytest

from gapless.bench import drive
from gapless.bench.drive import alone, first_apart, in_tasks, in_threads

MINUTE_S = 60.0
"""Far too long for a test: what ends these rounds is the bound on their notes, however slow the machine is."""

MOST = 60


@pytest.fixture(autouse=True)
def few_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "MOST_OPERATIONS", MOST)


def test_alone_notes_every_operation() -> None:
    calls: list[int] = []

    samples = alone(lambda: calls.append(0), units=3)(MINUTE_S)

    assert len(samples.took_ns) == len(calls) > 0
    assert samples.units == 3 * len(calls)
    assert sum(samples.took_ns) <= samples.elapsed_ns


def test_a_round_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(clock))

    samples = alone(lambda: None)(10e-9)

    # Looked at once to begin, once before the first operation, and then after each.
    assert list(samples.took_ns) == [1] * 9


def test_a_round_ends_when_its_notes_are_full() -> None:
    one = alone(lambda: None)(MINUTE_S)
    several = in_threads([lambda: None] * 4)(MINUTE_S)

    assert len(one.took_ns) == MOST
    assert MOST / 4 <= len(several.took_ns) <= MOST


def test_threads_work_at_the_same_time_each_on_its_own() -> None:
    meeting = threading.Barrier(3)
    workers: set[threading.Thread] = set()

    def operation() -> None:
        worker = threading.current_thread()
        if worker not in workers:
            workers.add(worker)
            meeting.wait(10)

    samples = in_threads([operation] * 3)(MINUTE_S)

    assert len(workers) == 3
    assert len(samples.took_ns) >= 3
    assert not any(worker.is_alive() for worker in workers)


def test_a_failure_in_one_thread_ends_the_round_and_is_raised() -> None:
    failing = threading.Event()

    def fail() -> None:
        failing.set()
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        in_threads([fail, lambda: failing.wait(10)])(MINUTE_S)


def test_tasks_take_turns_on_one_loop() -> None:
    loops: set[int] = set()
    tasks: set[str] = set()

    async def operation() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task.get_name())
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)

    samples = in_tasks([operation] * 5)(MINUTE_S)

    assert len(tasks) == 5
    assert len(loops) == 1
    assert samples.units == len(samples.took_ns) >= 5


def test_a_failure_in_one_task_ends_the_round_and_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("by zero")

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        in_tasks([fail, wait])(MINUTE_S)
    assert caught.group_contains(ZeroDivisionError)


def test_the_first_operation_is_noted_apart() -> None:
    calls: list[int] = []

    samples = first_apart(lambda: calls.append(0))(MINUTE_S)

    assert samples.figures.keys() == {"first_us", "first_in_medians"}
    assert all(figure > 0 for figure in samples.figures.values())
    assert len(samples.took_ns) == len(calls) - 1
