"""How long each frame kept a page's main thread busy, from what Chromium traces of itself.

In: trace events (the Trace Event Format). Out: one time for each frame. Invariants: a frame has every task of the main
thread since the frame before it, so scripts between frames, timers and garbage collection count as well; tasks behind
the last frame belong to none. Thread: any (pure).
Source: "Trace Event Format", Google 2016; names of events as in Chromium's ``third_party/blink/renderer``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

CATEGORIES: Final = (
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "__metadata",
)
"""What has to be traced."""

MAIN_THREAD: Final = "CrRendererMain"
TASK: Final = "RunTask"
FRAME: Final = "FireAnimationFrame"
"""Callbacks of ``requestAnimationFrame``: the task around them is the one that draws."""


class Event(msgspec.Struct, frozen=True):
    """An event, as far as it matters here."""

    name: str
    ph: str
    pid: int = 0
    tid: int = 0
    ts: float = 0.0
    """Microseconds."""
    dur: float = 0.0
    args: dict[str, Any] = {}


class _Trace(msgspec.Struct, frozen=True):
    events: tuple[Event, ...] = msgspec.field(name="traceEvents")


def read_trace(content: bytes) -> tuple[Event, ...]:
    """The events of a trace file."""
    return msgspec.json.decode(content, type=_Trace).events


def frames_us(events: Iterable[Event]) -> list[float]:
    """Busy time for each frame of the page that drew the most, in order; the first of a trace may be cut off."""
    events = tuple(events)
    page = _page(events)
    if page is None:
        return []
    own = sorted(
        (event for event in events if event.ph == "X" and (event.pid, event.tid) == page),
        key=lambda event: event.ts,
    )
    began = [event.ts for event in own if event.name == FRAME]
    busy, ends, frame = 0.0, float("-inf"), 0
    found: list[float] = []
    for task in own:
        # A task may run others inside of it, which are part of it.
        if task.name != TASK or task.ts < ends:
            continue
        ends = task.ts + task.dur
        busy += task.dur
        draws = False
        while frame < len(began) and began[frame] < ends:
            draws |= began[frame] >= task.ts
            frame += 1
        if draws:
            found.append(busy)
            busy = 0.0
    return found


def _page(events: tuple[Event, ...]) -> tuple[int, int] | None:
    """Process and main thread of the page that drew the most frames."""
    mains = {
        (event.pid, event.tid)
        for event in events
        if event.name == "thread_name" and event.args.get("name") == MAIN_THREAD
    }
    drew = Counter(
        thread
        for event in events
        if event.name == FRAME and (thread := (event.pid, event.tid)) in mains
    )
    return drew.most_common(1)[0][0] if drew else None
