"""The last hour, a value each ``EVERY_S`` seconds: what the charts show.

In: windows of one step. Out: ``History``. Invariants: it holds at most ``MOST`` moments. Thread: the event loop's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Final, final

import msgspec

from gapless.observe.status import History, Series
from gapless.observe.targets import CALLS, LAG, MEMORY, PROCESSOR, REFUSED, Target
from gapless.serve.metrics import declared as d
from gapless.serve.status import figures
from gapless.serve.status.window import Window

EVERY_S: Final = 5.0
MOST: Final = 720
"""An hour."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One chart."""

    name: str
    title: str
    says: str
    unit: str
    metric: str
    figure: Callable[[Window], float | None]
    target: Target | None = None


LINES: Final = (
    Line(
        name="lag_p95",
        title="Live lag, p95",
        says="How long after the last sample of a chunk live streams were told what it caused: 95 % within this.",
        unit="ms",
        metric=d.STREAM_LAG.name,
        figure=figures.lag_p95_ms,
        target=LAG,
    ),
    Line(
        name="streams",
        title="Live streams",
        says="Streams that had a connection at that moment.",
        unit="",
        metric=d.STREAMS.name,
        figure=figures.live_streams,
    ),
    Line(
        name="calls_p95",
        title="Model calls, p95",
        says="How long calls of models took, from the request until its answer was sent: 95 % within this.",
        unit="ms",
        metric=d.REQUEST_SECONDS.name,
        figure=figures.calls_p95_ms,
        target=CALLS,
    ),
    Line(
        name="requests",
        title="Requests",
        says="Requests that were answered, in all dialects, and WebSockets that were opened.",
        unit="/s",
        metric=d.REQUESTS.name,
        figure=figures.requests_per_s,
    ),
    Line(
        name="rows",
        title="Model rows",
        says="Rows that models answered: a row is one step of one stream, or one input of a call.",
        unit="/s",
        metric=d.MODEL_ROWS.name,
        figure=figures.rows_per_s,
    ),
    Line(
        name="batch",
        title="Rows per batch",
        says="How many rows a model was given at a time. More means that work is shared, and costs each row less.",
        unit="",
        metric=d.MODEL_CALLS.name,
        figure=figures.rows_per_call,
    ),
    Line(
        name="queue_p95",
        title="Model queue, p95",
        says="How long rows waited until their batch was begun: 95 % within this.",
        unit="ms",
        metric=d.MODEL_QUEUE_SECONDS.name,
        figure=figures.queue_p95_ms,
    ),
    Line(
        name="hits",
        title="Cache hits",
        says="Of all questions to the cache, the share that it could answer.",
        unit="%",
        metric=d.CACHE_HITS.name,
        figure=figures.hit_percent,
    ),
    Line(
        name="refused",
        title="Refused or failed",
        says="Streams and requests that were refused for want of room, or failed by a fault of the server.",
        unit="/min",
        metric=d.REJECTS.name,
        figure=figures.refused_per_min,
        target=REFUSED,
    ),
    Line(
        name="store_p95",
        title="Database writes, p95",
        says="How long it took until what was heard was safe on disk, waiting included: 95 % within this.",
        unit="ms",
        metric=d.STORE_SECONDS.name,
        figure=figures.store_p95_ms,
    ),
    Line(
        name="loop_p99",
        title="Event loop lateness, p99",
        says="How late the loop that serves all connections came to what was due: 99 % within this. "
        "When it rises, something computes where nothing should.",
        unit="ms",
        metric=d.LOOP_LATENESS.name,
        figure=figures.loop_p99_ms,
    ),
    Line(
        name="processor",
        title="Processor",
        says="How busy the server kept the processors that it may use.",
        unit="%",
        metric=d.CPU_SECONDS.name,
        figure=figures.processor_percent,
        target=PROCESSOR,
    ),
    Line(
        name="memory",
        title="Memory",
        says="What all processes of the server held; what they share is counted once, where the system tells.",
        unit="MB",
        metric=d.PROPORTIONAL_BYTES.name,
        figure=figures.memory_mb,
        target=MEMORY,
    ),
)


@final
class Hour:
    """See the module's head."""

    def __init__(self) -> None:
        self._moments: Final[deque[tuple[int, tuple[float | None, ...]]]] = deque(maxlen=MOST)

    def add(self, window: Window) -> None:
        """Note what was measured in a step."""
        values = tuple(_rounded(line.figure(window)) for line in LINES)
        self._moments.append((window.now.at_ms, values))

    def since(self, at_ms: int) -> History:
        """What was noted later than that."""
        moments = list(self._moments)
        newer = moments[bisect_right(moments, at_ms, key=lambda moment: moment[0]) :]
        columns = list(zip(*(values for _, values in newer), strict=True)) or [()] * len(LINES)
        return History(
            every_s=EVERY_S,
            at_ms=tuple(at for at, _ in newer),
            series=tuple(
                Series(
                    name=line.name,
                    title=line.title,
                    says=line.says,
                    metric=line.metric,
                    unit=line.unit,
                    values=column,
                    target=None if line.target is None else line.target.bound,
                )
                for line, column in zip(LINES, columns, strict=True)
            ),
        )


def _rounded(value: float | None) -> float | None:
    """Six digits: an hour of charts is read over a network."""
    return None if value is None else float(f"{value:.6g}")
