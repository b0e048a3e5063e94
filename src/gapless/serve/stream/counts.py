"""What is counted of all streams of a server, by the dialect that their clients speak.

In: streams that begin, errors that they are told. Out: histograms to fill, and snapshots. Invariants: counts only grow,
and outlive the streams. Thread: the event loop's, but for ``snapshot``, which any may call.
"""

from __future__ import annotations

from collections import Counter
from typing import final

import msgspec

from gapless.observe.histogram import Histogram, HistogramSnapshot


class DialectCounts(msgspec.Struct, frozen=True):
    """The streams of one dialect."""

    dialect: str
    opened: int
    lag: HistogramSnapshot
    """See ``gapless.serve.stream.lag``; of streams that are not bulk."""
    rejected: dict[str, int]
    """Errors that streams were told, by code."""


@final
class StreamCounts:
    """See the module's head."""

    def __init__(self) -> None:
        self._opened: Counter[str] = Counter()
        self._lags: dict[str, Histogram] = {}
        self._rejected: dict[str, Counter[str]] = {}

    def open(self, dialect: str) -> None:
        """A stream begins."""
        self._opened[dialect] += 1

    def lag(self, dialect: str) -> Histogram:
        """What the lags of such streams go into."""
        return self._lags.setdefault(dialect, Histogram())

    def reject(self, dialect: str, code: str) -> None:
        """A stream is told of an error."""
        self._rejected.setdefault(dialect, Counter())[code] += 1

    def snapshot(self) -> list[DialectCounts]:
        """All dialects that were spoken."""
        return [
            DialectCounts(
                dialect,
                self._opened[dialect],
                self.lag(dialect).snapshot(),
                dict(self._rejected.get(dialect, {})),
            )
            for dialect in sorted({*self._opened, *self._rejected})
        ]
