"""What is measured of one stream while it works: its lag, its traces, and the line that the log has of it.

In: what its shell does, as it does it. Out: figures. Invariants: nothing is decided here; where nobody takes traces,
none are made; the line is bounded and holds no text. Thread: the event loop's, but for what says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, final

from gapless.listen.events import Final as FinalEvent
from gapless.listen.events import Partial, SpeechStart
from gapless.listen.times import UTTERANCE
from gapless.observe.histogram import Histogram
from gapless.observe.quantiles import quantile
from gapless.observe.traces import Record, Span
from gapless.serve.stream.lag import Lag
from gapless.serve.stream.messages import EmptyMessage, ErrorMessage, FinalMessage, ServerMessage
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.trail import Trail
from gapless.serve.stream.work import Heard, HearJob, Job, Opened, Result

NS_PER_MS: Final = 1_000_000
MS_PER_S: Final = 1000.0

Answer = TypeVar("Answer")


@final
class Account:
    """Measures one stream.

    Args:
        session: whose stream it is.
        client: address of who speaks; None: not known.
        lag_total: what lags are added to; None: nothing.
        export: takes traces; None: nobody does.
    """

    def __init__(
        self,
        session: StreamSession,
        client: str | None = None,
        lag_total: Histogram | None = None,
        export: Record | None = None,
    ) -> None:
        self._session = session
        self._client = client
        self._lag: Final = Lag(lag_total)
        self._trail: Trail | None = None
        if export is not None:
            self._trail = Trail(
                export, {"gapless.session": session.name, "gapless.dialect": session.dialect}
            )
        self._began_ns = time.monotonic_ns()
        self._received = 0
        """Bytes, as far as they were noticed."""
        self._taken = 0
        """Bytes in jobs."""
        self._arrived_ns: tuple[int, int] | None = None
        """When the first and the last byte of the job under way were received."""
        self._job_ns = 0
        """When the job under way was begun."""
        self._speech: tuple[str, int] | None = None
        """The utterance that may have the first partial: its name, and when it was announced."""
        self._first_partial_ms: float | None = None

    @property
    def record(self) -> Record | None:
        """Takes what is measured elsewhere; None: nobody wants to know."""
        return None if self._trail is None else self._trail.record

    def touched(self) -> None:
        """Something was told to the session."""
        received = self._session.received_bytes
        if received != self._received:
            self._received = received
            self._lag.received(received, time.monotonic_ns())
        if self._session.parked:
            self._lag.forget()

    def takes(self, job: Job | None) -> None:
        """A job is taken from the session."""
        if not isinstance(job, HearJob):
            return
        first = self._taken + 1
        self._taken += sum(map(len, job.frames))
        if self._trail is not None:
            ends = self._lag.arrived_ns(first), self._lag.arrived_ns(self._taken)
            self._arrived_ns = None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    def begins(self) -> None:
        """The job, or a step, is begun; in the thread that does it."""
        if self._trail is not None:
            self._job_ns = time.monotonic_ns()

    def did(self, job: Job | None, result: Result) -> None:
        """It is done; what it heard is still to be kept and told."""
        if isinstance(result, Opened):
            self._lag.begin_anew()
            if self._trail is not None:
                self._trail.opened(result.model)
        elif isinstance(result, Heard) and isinstance(job, HearJob):
            self._lag.heard(self._taken, result.received_ms)
            if self._trail is not None and self._arrived_ns is not None:
                first_ns, last_ns = self._arrived_ns
                self._trail.heard(
                    result.received_ms,
                    first_ns=first_ns,
                    received_ns=last_ns,
                    began_ns=self._job_ns,
                    ended_ns=time.monotonic_ns(),
                )

    def keeping(self, heard: Heard, keep: Callable[[], Heard]) -> Callable[[], Heard]:
        """What keeps the finals of what was heard, and is timed."""
        trail = self._trail
        if trail is None:
            return keep
        asked_ns = time.monotonic_ns()

        def timed() -> Heard:
            began_ns = time.monotonic_ns()
            kept = keep()
            ended_ns = time.monotonic_ns()
            parts = Span("queue", asked_ns, began_ns), Span("write", began_ns, ended_ns)
            for event in heard.events:
                if isinstance(event, FinalEvent):
                    whose = {UTTERANCE: event.utterance.utt}
                    trail.record(Span("store", asked_ns, ended_ns, whose, parts))
            return kept

        return timed

    def told(self, result: Result, *, holds: bool) -> None:
        """A result was told to the session.

        Args:
            result: what of it may be told.
            holds: what was heard before waits for the store, and so does what came of audio up to here.
        """
        if not isinstance(result, Heard):
            return
        now_ns = time.monotonic_ns()
        if not holds:
            self._lag.processed(result.processed_ms, now_ns, speaking=self._session.unsent > 0)
        if self._trail is not None:
            self._trail.told(result, now_ns)
        if self._first_partial_ms is None:
            self._look_for_partial(result, now_ns)

    def sent(self, message: ServerMessage, *, holds: bool) -> None:
        """A message of the session is on its way."""
        if not holds and self._session.unsent == 0:
            self._lag.sent(time.monotonic_ns())
        if self._trail is not None:
            match message:
                case (
                    FinalMessage(utt=str(utt)) | EmptyMessage(utt=utt) | ErrorMessage(utt=str(utt))
                ):
                    self._trail.sent(utt, time.monotonic_ns())

    def close(self) -> dict[str, Any]:
        """The stream is over: return its line."""
        now_ns = time.monotonic_ns()
        if self._trail is not None:
            self._trail.close(now_ns)
        session = self._session
        p50_ms, p95_ms = self._lag_ms()
        return {
            "session": session.name,
            "dialect": session.dialect,
            "client": self._client,
            "model": session.model,
            "rate_hz": session.rate_hz,
            "audio_ms": session.audio_ms,
            "finals": session.finals,
            "partials": session.partials,
            "first_partial_ms": self._first_partial_ms,
            "lag_p50_ms": p50_ms,
            "lag_p95_ms": p95_ms,
            "warnings": session.warnings,
            "error": session.error,
            "close_code": session.close_code,
            "seconds": round((now_ns - self._began_ns) / NS_PER_MS / MS_PER_S, 1),
        }

    def _look_for_partial(self, heard: Heard, now_ns: int) -> None:
        for event in heard.events:
            match event:
                case SpeechStart(utt):
                    self._speech = utt, now_ns
                case Partial(utt) if self._speech is not None and self._speech[0] == utt:
                    self._first_partial_ms = round((now_ns - self._speech[1]) / NS_PER_MS, 1)
                    return

    def _lag_ms(self) -> tuple[float | None, float | None]:
        seen = self._lag.seen.snapshot()
        at_most, buckets = 0, []
        for bound, count in zip((*seen.bounds, float("inf")), seen.counts, strict=True):
            at_most += count
            buckets.append((bound, float(at_most)))
        p50_ms, p95_ms = (
            # Within a bucket it is an estimate, which is not to be longer than any lag was.
            None if found is None else round(min(found, self._lag.longest_s) * MS_PER_S, 1)
            for found in (quantile(0.50, buckets), quantile(0.95, buckets))
        )
        return p50_ms, p95_ms
