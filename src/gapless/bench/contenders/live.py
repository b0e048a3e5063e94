"""Live streams against a real server on loopback, from a client process that speaks at the pace of the clock.

In: a recogniser, a number of streams. Out: work whose operations are partial results: how long after the sending of
its audio each arrived. Invariants: every stream has words of its own; text is right if it is what the same server says
to the same stream when nobody else is there. Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from gapless.bench.distribution import distribution
from gapless.bench.drive import Samples, Work
from gapless.bench.live_client import CHUNK_MS, Report, Task
from gapless.bench.live_server import Address, live_server, talk
from gapless.bench.process import memory_mib
from gapless.bench.search import largest_that_passes
from gapless.errors import ModelError

SHORTEST_S: Final = 6.0
"""A stream must have time to say something."""

MOST_LAG_US: Final = CHUNK_MS * 1000

TRIES: Final = 2
"""Of a number of streams: a stall of the machine is not the limit of the server."""


@contextmanager
def streams(*, model: str, count: int, max_batch: int, speech: str) -> Iterator[Work]:
    """So many streams at a time; the figure ``streams`` is 0 if they were not served."""
    with live_server({"model": model, "max_batch": max_batch}) as server:
        room = _Room(server, model, speech)

        def work(seconds: float) -> Samples:
            trial = room.hold(count, seconds)
            return _samples(trial, server, {"streams": float(count * trial.passed)})

        yield work


@contextmanager
def most_streams(
    *, model: str, first: int, most: int, max_batch: int, speech: str
) -> Iterator[Work]:
    """As many streams as can be served: figures are those of the largest number that was.

    Those that begin with ``failed`` are of the smallest number that was not.
    """
    with live_server({"model": model, "max_batch": max_batch}) as server:
        room = _Room(server, model, speech)

        def work(seconds: float) -> Samples:
            trials: dict[int, Trial] = {}

            def passes(count: int) -> bool:
                for _ in range(TRIES):
                    trials[count] = room.hold(count, seconds)
                    if trials[count].passed:
                        return True
                return False

            count = largest_that_passes(passes, first=first, most=most)
            if count == 0:
                raise ModelError(
                    f"not even one stream was served in time: {trials[1].why}; is the machine busy?"
                )
            figures = {"streams": float(count)}
            failed = [number for number, trial in trials.items() if not trial.passed]
            if failed:
                figures["failed_streams"] = float(min(failed))
                figures |= {
                    f"failed_{name}": value for name, value in _figures(trials[min(failed)]).items()
                }
            return _samples(trials[count], server, figures)

        yield work


class Trial(msgspec.Struct, frozen=True):
    """Streams that spoke at the same time, and what was to be heard of each."""

    report: Report
    expected: tuple[tuple[str, ...], ...]

    @property
    def lags_us(self) -> list[int]:
        """Of all partials."""
        return [lag for stream in self.report.streams for lag in stream.partial_lags_us]

    @property
    def errors(self) -> int:
        """Streams that did not come to their end in order."""
        return sum(bool(stream.error) for stream in self.report.streams)

    @property
    def wrong(self) -> int:
        """Streams with other text than alone."""
        pairs = zip(self.report.streams, self.expected, strict=True)
        return sum(stream.texts != texts for stream, texts in pairs)

    @property
    def p95_us(self) -> int:
        """Lag that 19 of 20 partials do not exceed."""
        return distribution(self.lags_us).p95

    @property
    def why(self) -> str:
        """What was wrong; empty if nothing was."""
        if not self.lags_us:
            return "no partial result came"
        if self.errors:
            first = next(stream.error for stream in self.report.streams if stream.error)
            return f"{self.errors} streams ended in an error, the first: {first}"
        if self.wrong:
            return f"{self.wrong} streams had other text than alone"
        if self.p95_us >= MOST_LAG_US:
            return f"the 95th percentile of the lag was {self.p95_us / 1000:.0f} ms"
        return ""

    @property
    def passed(self) -> bool:
        """Whether everybody was served in time, without errors, with the right text."""
        return not self.why


class _Room:
    """A server, and what it says to each stream when that is alone.

    Args:
        server: to speak to.
        model: recogniser.
        speech: folder of what is said.
    """

    def __init__(self, server: Address, model: str, speech: str) -> None:
        self._server = server
        self._model = model
        self._speech = speech
        self._alone: dict[tuple[int, float], tuple[str, ...]] = {}
        """By number of the stream and its seconds."""

    def hold(self, count: int, seconds: float) -> Trial:
        """Let streams 0 to ``count - 1`` speak together."""
        seconds = max(seconds, SHORTEST_S)
        unknown = tuple(n for n in range(count) if (n, seconds) not in self._alone)
        if unknown:
            # Also the warm-up: whoever comes first to a fresh server waits longer.
            for stream in self._talk(unknown, seconds, paced=False).streams:
                if stream.error:
                    raise ModelError(
                        f"stream {stream.number} failed when it was alone: {stream.error}"
                    )
                self._alone[stream.number, seconds] = stream.texts
            if not any(self._alone.values()):
                raise ModelError(
                    "nothing was understood when nobody else was there; "
                    "choose another --model or other --speech"
                )
        report = self._talk(tuple(range(count)), seconds, paced=True)
        return Trial(report, tuple(self._alone[n, seconds] for n in range(count)))

    def _talk(self, numbers: tuple[int, ...], seconds: float, *, paced: bool) -> Report:
        task = Task(
            url=self._server.url,
            model=self._model,
            streams=numbers,
            seconds=seconds,
            server_pid=self._server.pid,
            paced=paced,
            speech=self._speech,
        )
        return talk(task, limit_s=seconds if paced else seconds * len(numbers))


def _samples(trial: Trial, server: Address, figures: dict[str, float]) -> Samples:
    report = trial.report
    if not trial.lags_us:
        raise ModelError(
            f"no partial result came while {len(report.streams)} streams spoke; "
            "choose fewer --streams, or a model that streams"
        )
    resident, peak = memory_mib(server.pid)
    return Samples(
        took_ns=[lag * 1000 for lag in trial.lags_us],
        elapsed_ns=report.elapsed_ns,
        units=round(report.audio_s),
        figures=figures
        | _figures(trial)
        | {
            "cpu_s": report.server.cpu_s,
            "cpu_us_per_unit": report.server.cpu_s * 1e6 / report.audio_s,
            "resident_mib": resident,
            "peak_mib": peak,
        },
    )


def _figures(trial: Trial) -> dict[str, float]:
    """What can be said of every trial, also of one that failed."""
    report = trial.report
    figures = {
        "wrong_streams": float(trial.wrong),
        "error_streams": float(trial.errors),
        "server_cores": report.server.cores,
        "server_thread_cores": report.server.busiest_cores,
        "client_cores": report.client.cores,
    }
    finals = [lag for stream in report.streams for lag in stream.final_lags_us]
    series: dict[str, list[int] | tuple[int, ...]] = {
        "lag": trial.lags_us,
        "position": [lag for stream in report.streams for lag in stream.position_lags_us],
        "final": finals,
        "client_late": report.late_us,
    }
    measures: dict[str, Callable[[list[int] | tuple[int, ...]], int]] = {
        "p50": lambda values: distribution(values).p50,
        "p95": lambda values: distribution(values).p95,
        "max": lambda values: distribution(values).max,
    }
    return figures | {
        f"{name}_{measure}_us": float(of(values))
        for name, values in series.items()
        if values
        for measure, of in measures.items()
    }
