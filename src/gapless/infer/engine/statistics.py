"""What is counted and timed of each model: the source of KServe's statistics and of the metrics.

In: batches that were run, requests that were refused. Out: snapshots. Invariants: counts only grow. Thread: any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, final

import msgspec

from gapless.observe.histogram import BATCH_BOUNDS, Histogram, HistogramSnapshot

NS_PER_S: Final = 1_000_000_000


class Duration(msgspec.Struct, frozen=True):
    """How often, and how long in all."""

    count: int = 0
    ns: int = 0


class BatchStatistics(msgspec.Struct, frozen=True):
    """The calls of one batch size."""

    rows: int
    """Rows that were asked for; padding is not counted."""
    gather: Duration
    compute: Duration
    scatter: Duration


class ModelTimes(msgspec.Struct, frozen=True):
    """How batches and waits are spread, in seconds and rows."""

    queue: HistogramSnapshot
    """Of each request that was run: from acceptance to the call."""
    step: HistogramSnapshot
    """Of each batch: gather, compute and scatter."""
    compute: HistogramSnapshot
    """Of each batch, in the model."""
    rows: HistogramSnapshot
    """Of each batch, without padding."""


class ModelStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one model, since it was first used."""

    name: str
    version: str
    last_inference_ms: int
    """Wall clock, since 1970; 0: never."""
    rows: int
    """Rows answered."""
    calls: int
    """Calls of the model."""
    success: Duration
    """Requests answered: from acceptance until the answer could be fetched. A part of a request that was too large
    for a batch counts as one."""
    fail: Duration
    """Requests that failed while running."""
    queue: Duration
    """Requests that were run: from acceptance to the call."""
    gather: Duration
    """The same: putting rows and states together."""
    compute: Duration
    """The same: in the model."""
    scatter: Duration
    """The same: looking the answer over, and keeping states."""
    batches: tuple[BatchStatistics, ...]
    waiting_rows: int
    """Now."""
    sequences: int
    """Open now."""
    max_sequences: int
    refused: int
    """Requests turned away, for want of room in the queue or of a slot."""
    expired: int
    """Requests whose deadline passed before they were run."""
    cancelled: int
    times: ModelTimes


class BatchRun(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that was run."""

    requests: int
    failed: int
    """Requests."""
    rows: int
    answered_rows: int
    calls: int
    """Of the model: 1, or more where rows had to be run alone; 0 where none was fit to run."""
    waits_ns: Sequence[int]
    """From acceptance to the call, of each request."""
    failed_queue_ns: int
    """Of those that failed."""
    gather_ns: int
    compute_ns: int
    scatter_ns: int


@final
class Counters:
    """What is counted of one version of one model. Batches are added whole: the lock is taken once for each."""

    def __init__(self, name: str, version: str) -> None:
        self._name = name
        self._version = version
        self._lock = threading.Lock()
        self._last_inference_ms = self._rows = self._calls = 0
        self._succeeded = self._failed = 0
        self._success_ns = self._fail_ns = self._queue_ns = 0
        self._gather_ns = self._compute_ns = self._scatter_ns = 0
        self._batches: dict[int, list[int]] = {}
        """By rows: how many, and what they took to gather, compute, scatter."""
        self._refused = self._expired = self._cancelled = 0
        self._waits, self._steps, self._computes = Histogram(), Histogram(), Histogram()
        self._sizes = Histogram(BATCH_BOUNDS)

    def add(self, run: BatchRun) -> None:
        """A batch was run."""
        step_ns = run.gather_ns + run.compute_ns + run.scatter_ns
        fail_ns = run.failed_queue_ns + run.failed * step_ns
        queue_ns = sum(run.waits_ns)
        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            self._calls += run.calls
            self._rows += run.answered_rows
            if run.failed < run.requests:
                self._last_inference_ms = now_ms
            self._succeeded += run.requests - run.failed
            self._failed += run.failed
            self._success_ns += queue_ns + run.requests * step_ns - fail_ns
            self._fail_ns += fail_ns
            self._queue_ns += queue_ns
            self._gather_ns += run.requests * run.gather_ns
            self._compute_ns += run.requests * run.compute_ns
            self._scatter_ns += run.requests * run.scatter_ns
            batch = self._batches.get(run.rows)
            if batch is None:
                batch = self._batches[run.rows] = [0, 0, 0, 0]
            batch[0] += 1
            batch[1] += run.gather_ns
            batch[2] += run.compute_ns
            batch[3] += run.scatter_ns
        for wait_ns in run.waits_ns:
            self._waits.add(wait_ns / NS_PER_S)
        self._steps.add(step_ns / NS_PER_S)
        self._computes.add(run.compute_ns / NS_PER_S)
        self._sizes.add(run.rows)

    def refuse(self) -> None:
        """A request found no room."""
        with self._lock:
            self._refused += 1

    def expire(self) -> None:
        """A request was given up before it ran."""
        with self._lock:
            self._expired += 1

    def cancel(self) -> None:
        """A request was taken back."""
        with self._lock:
            self._cancelled += 1

    def snapshot(self, *, waiting_rows: int, sequences: int, max_sequences: int) -> ModelStatistics:
        """Everything so far."""
        with self._lock:
            requests = self._succeeded + self._failed
            return ModelStatistics(
                name=self._name,
                version=self._version,
                last_inference_ms=self._last_inference_ms,
                rows=self._rows,
                calls=self._calls,
                success=Duration(self._succeeded, self._success_ns),
                fail=Duration(self._failed, self._fail_ns),
                queue=Duration(requests, self._queue_ns),
                gather=Duration(requests, self._gather_ns),
                compute=Duration(requests, self._compute_ns),
                scatter=Duration(requests, self._scatter_ns),
                batches=tuple(
                    BatchStatistics(rows, *(Duration(count, ns) for ns in parts_ns))
                    for rows, (count, *parts_ns) in sorted(self._batches.items())
                ),
                waiting_rows=waiting_rows,
                sequences=sequences,
                max_sequences=max_sequences,
                refused=self._refused,
                expired=self._expired,
                cancelled=self._cancelled,
                times=ModelTimes(
                    self._waits.snapshot(),
                    self._steps.snapshot(),
                    self._computes.snapshot(),
                    self._sizes.snapshot(),
                ),
            )
