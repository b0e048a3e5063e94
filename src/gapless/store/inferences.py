"""What is kept of calls of models: when, which, how long. No tensors.

In: what a call was. Out: records. Invariants: a record is told from all others by when it was made and by whom, so that
one that is written twice is kept once. Thread: any.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Final, final

import msgspec

from gapless.store.text import keepable

MAX_INFERENCES: Final = 1000
"""Most that are read at a time."""

MOST_CHARACTERS: Final = 128
"""Of a name or an id that is kept; what is behind them is cut off."""


class InferenceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model."""

    at_us: int
    """When it was asked for, in Unix microseconds; no two of one source are equal."""
    source: int
    """The process that was asked, by a number that it drew at its start."""
    model: str
    version: str
    """Empty where the call did not come so far."""
    rows: int
    """That were asked."""
    batch_rows: int
    """That shared the call of the model; 0: it was not called, for the answer was remembered, or refused."""
    queue_us: int
    compute_us: int
    cached: bool
    status: str
    """``ok``, or the code of the error (see docs/reference/errors.md)."""
    request_id: str = ""
    """Given by the client."""


class InferenceQuery(msgspec.Struct, frozen=True):
    """Which calls to list, the newest first."""

    model: str | None = None
    before: tuple[int, int] | None = None
    """``at_us`` and ``source`` of the last one of the page before; None: the first page."""
    limit: int = 20
    """1 to ``MAX_INFERENCES``."""


COLUMNS: Final = InferenceRecord.__struct_fields__

TEXTS: Final = ("model", "version", "status", "request_id")


def inference_values(record: InferenceRecord) -> tuple[Any, ...]:
    """A record in the order of ``COLUMNS``."""
    texts = record.model + record.version + record.status + record.request_id
    if len(texts) > MOST_CHARACTERS or not texts.isprintable():
        changes = {name: _kept(getattr(record, name)) for name in TEXTS}
        record = msgspec.structs.replace(record, **changes)
    return msgspec.structs.astuple(record)


def inference_record(row: Any) -> InferenceRecord:
    """A record from a row."""
    values = {name: row[name] for name in COLUMNS}
    return InferenceRecord(**values | {"cached": bool(values["cached"])})


@final
class Moments:
    """Times that no other call of this process has. Thread: one at a time asks."""

    def __init__(self) -> None:
        self.source: Final = secrets.randbits(31)
        self._last_us = 0

    def next_us(self) -> int:
        """Now, or a little later where that is taken."""
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return self._last_us


def _kept(text: str) -> str:
    return keepable(text[:MOST_CHARACTERS])
