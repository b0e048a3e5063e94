"""The process, and the virtual microphones beside it. In: figures and reports. Out: families. Thread: any."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final, get_args

from gapless.clean.mic.report import MicReport
from gapless.clean.mic.status import SoundPath
from gapless.observe.histogram import HistogramSnapshot
from gapless.observe.trace_export import TraceExporter
from gapless.realtime.spread import Spread
from gapless.serve.metrics import declared
from gapless.serve.metrics.families import Families
from gapless.serve.metrics.process import read_process

MS_PER_S: Final = 1000


def add_process(
    out: Families, *, uptime_s: float, ready: bool, lateness: HistogramSnapshot
) -> None:
    """What this process is and takes."""
    out.add(declared.BUILD, 1, version("gapless"), platform.python_version())
    out.add(declared.WORKERS, 1)
    out.add(declared.WORKERS_READY, ready)
    out.add(declared.UPTIME, uptime_s)
    figures = read_process()
    out.add(declared.CPU_SECONDS, figures.cpu_s)
    out.add(declared.CPUS, figures.cpus)
    for metric, value in (
        (declared.RESIDENT_BYTES, figures.resident_bytes),
        (declared.PROPORTIONAL_BYTES, figures.proportional_bytes),
        (declared.OPEN_FILES, figures.open_files),
        (declared.OPEN_FILES_MAX, figures.most_open_files),
    ):
        if value is not None:
            out.add(metric, value)
    out.add(declared.THREADS, figures.threads)
    out.histogram(declared.LOOP_LATENESS, lateness)


def add_traces(out: Families, traces: TraceExporter) -> None:
    """What became of the spans of traces."""
    statistics = traces.statistics()
    out.add(declared.TRACE_SPANS, statistics.sent, "sent")
    out.add(declared.TRACE_SPANS, statistics.dropped, "dropped")
    out.add(declared.TRACE_SPANS, statistics.refused, "refused")


def add_microphones(out: Families, reports: Iterable[MicReport]) -> None:
    """Virtual microphones of this user."""
    for report in reports:
        name, engine, stream = report.name, report.engine, report.stream
        out.add(declared.MIC_RUNNING, report.running, name)
        out.add(declared.MIC_BLOCKS, engine.blocks, name)
        out.add(declared.MIC_XRUNS, stream.xruns, name)
        out.add(declared.MIC_UNDERRUN, stream.underrun_samples, name)
        out.add(declared.MIC_OVERRUN, stream.overrun_samples, name)
        out.add(declared.MIC_LATE_BLOCKS, engine.late_blocks, name)
        out.add(declared.MIC_OPENED, engine.opened, name)
        out.add(declared.MIC_INVALID, engine.invalid_samples, name)
        for path in get_args(SoundPath):
            out.add(declared.MIC_PATH, engine.path == path, name, path)
        for metric, spread in (
            (declared.MIC_CALLBACK, stream.took),
            (declared.MIC_LATENESS, stream.late),
        ):
            if spread is not None:
                out.summary(metric, _quantiles_s(spread), spread.count, name)
        out.add(declared.MIC_LATENCY, engine.latency_ms / MS_PER_S, name)
        out.add(declared.MIC_WORKER_LOAD, engine.worker_load, name)
        out.add(declared.MIC_WORKER_LATENESS, engine.worker_late_ms / MS_PER_S, name)


def _quantiles_s(spread: Spread) -> dict[float, float]:
    return {
        0.5: spread.p50_ms / MS_PER_S,
        0.95: spread.p95_ms / MS_PER_S,
        0.99: spread.p99_ms / MS_PER_S,
        1.0: spread.max_ms / MS_PER_S,
    }
