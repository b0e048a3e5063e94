"""Busy time of frames, from traces written by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from gapless.bench.frame_trace import FRAME, MAIN_THREAD, TASK, frames_us, read_trace

PAGE = (10, 1)
OTHER = (20, 1)


def trace(*events: dict[str, Any], threads: tuple[tuple[int, int], ...] = (PAGE, OTHER)) -> bytes:
    names = [
        {"name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": MAIN_THREAD}}
        for pid, tid in threads
    ]
    return msgspec.json.encode({"traceEvents": [*names, *events], "metadata": {}})


def event(name: str, ts: float, dur: float, thread: tuple[int, int] = PAGE) -> dict[str, Any]:
    pid, tid = thread
    return {"name": name, "ph": "X", "pid": pid, "tid": tid, "ts": ts, "dur": dur, "cat": "x"}


def test_a_frame_has_all_tasks_since_the_frame_before() -> None:
    content = trace(
        event(TASK, 0, 5),
        event(TASK, 10, 20),
        event(FRAME, 12, 3),
        event(TASK, 40, 1),
        event(TASK, 50, 2),
        event(TASK, 60, 7),
        event(FRAME, 61, 1),
    )

    assert frames_us(read_trace(content)) == [25, 10]


def test_order_in_the_file_does_not_matter() -> None:
    events = (event(TASK, 10, 20), event(FRAME, 12, 3), event(TASK, 0, 5))

    assert frames_us(read_trace(trace(*events))) == [25]


def test_a_task_within_a_task_counts_once() -> None:
    content = trace(event(TASK, 0, 20), event(TASK, 5, 10), event(FRAME, 6, 1))

    assert frames_us(read_trace(content)) == [20]


def test_several_callbacks_in_one_task_are_one_frame() -> None:
    content = trace(event(TASK, 0, 20), event(FRAME, 5, 1), event(FRAME, 7, 1))

    assert frames_us(read_trace(content)) == [20]


def test_tasks_behind_the_last_frame_belong_to_none() -> None:
    content = trace(event(TASK, 0, 4), event(FRAME, 1, 1), event(TASK, 10, 90))

    assert frames_us(read_trace(content)) == [4]


def test_the_page_is_the_one_that_drew_the_most() -> None:
    content = trace(
        event(TASK, 0, 100, OTHER),
        event(FRAME, 1, 1, OTHER),
        event(TASK, 0, 4),
        event(FRAME, 1, 1),
        event(TASK, 10, 6),
        event(FRAME, 11, 1),
    )

    assert frames_us(read_trace(content)) == [4, 6]


def test_threads_that_draw_no_pages_do_not_count() -> None:
    content = trace(event(TASK, 0, 100, OTHER), event(FRAME, 1, 1, OTHER), threads=(PAGE,))

    assert frames_us(read_trace(content)) == []
