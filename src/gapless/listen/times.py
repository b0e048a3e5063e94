"""When one utterance came to what at its recogniser, for its trace.

In: calls as it happens. Out: spans. Invariants: made only where somebody records. Thread: its listener's; steps are
recorded from any.
"""

from __future__ import annotations

import time
from typing import Final, final

import msgspec

from gapless.errors import GaplessError
from gapless.observe.traces import Record, Span

UTTERANCE: Final = "gapless.utterance"
"""The attribute that says whose a span is."""


@final
class Times:
    """See the module's head; it begins with asking for a place.

    Args:
        record: takes the spans.
        utt: whose they are.
    """

    def __init__(self, record: Record, utt: str) -> None:
        self._record = record
        self._attributes: Final = {UTTERANCE: utt}
        self._asked_ns = time.monotonic_ns()
        self._finish_ns: int | None = None

    def record(self, span: Span) -> None:
        """Something was measured elsewhere."""
        attributes = {**span.attributes, **self._attributes}
        self._record(msgspec.structs.replace(span, attributes=attributes))

    def placed(self) -> None:
        """It has a place."""
        self._add("place", self._asked_ns)

    def finishing(self) -> None:
        """The recogniser has all of its samples."""
        self._finish_ns = time.monotonic_ns()

    def over(self, error: GaplessError | None = None) -> None:
        """Its result was told, or it is lost."""
        if self._finish_ns is not None:
            self._add("finish", self._finish_ns)
        self._add("recognise", self._asked_ns, None if error is None else error.code)

    def _add(self, name: str, start_ns: int, error: str | None = None) -> None:
        self._record(Span(name, start_ns, time.monotonic_ns(), self._attributes, error=error))
