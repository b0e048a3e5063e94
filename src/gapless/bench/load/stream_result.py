"""What live streams came to, of all processes together.

In: the tales of processes. Out: one struct. Invariants: as in ``result.py``. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gapless.bench.live_client import CHUNK_MS
from gapless.bench.load.result import added, cores_of, generator_remarks, merged
from gapless.bench.load.task import StreamTale, StreamTask
from gapless.bench.load.times import Percentiles

CHUNK_US = CHUNK_MS * 1000


class StreamResult(msgspec.Struct, frozen=True, kw_only=True):
    """See the module's head."""

    streams: int
    failed: int
    """Streams that were refused, cut off, or never ended."""
    processes: int
    seconds: float
    elapsed_s: float
    audio_s: float
    """That was to be said in this time, by all together."""
    finals: int
    errors: dict[str, int]
    error_share: float
    lag: Percentiles | None
    """From the sending of the chunk that causes a partial result to its arrival."""
    position_lag: Percentiles | None
    """From the sending of the last audio that a partial result is about."""
    final_lag: Percentiles | None
    """From the sending of the audio that ends the silence behind an utterance to its final text."""
    in_time: bool | None
    """Whether p95 of the lag is less than a chunk of 40 ms; None: there were no partial results."""
    late: Percentiles | None
    cores: tuple[float, ...]
    remarks: tuple[str, ...]
    interrupted: bool

    @property
    def p95_us(self) -> int | None:
        """Of the lag; None: there is none."""
        return None if self.lag is None else self.lag.p95_us


def stream_result_of(task: StreamTask, tales: Sequence[StreamTale]) -> StreamResult:
    """Add up."""
    errors = added([tale.errors for tale in tales])
    failed = sum(errors.values())
    lag = merged([tale.partial_lag for tale in tales]).percentiles()
    late = merged([tale.late for tale in tales])
    cores = tuple(cores_of(tale.cpu_s, tale.elapsed_s) for tale in tales)
    return StreamResult(
        streams=len(task.streams),
        failed=failed,
        processes=len(tales),
        seconds=task.seconds,
        elapsed_s=max(tale.elapsed_s for tale in tales),
        audio_s=sum(tale.audio_s for tale in tales),
        finals=sum(tale.finals for tale in tales),
        errors=errors,
        error_share=failed / len(task.streams),
        lag=lag,
        position_lag=merged([tale.position_lag for tale in tales]).percentiles(),
        final_lag=merged([tale.final_lag for tale in tales]).percentiles(),
        in_time=None if lag is None else lag.p95_us < CHUNK_US,
        late=late.percentiles(),
        cores=cores,
        remarks=tuple(generator_remarks(cores, late)),
        interrupted=any(tale.interrupted for tale in tales),
    )
