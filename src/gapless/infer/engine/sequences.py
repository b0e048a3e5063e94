"""Sequences as clients of the wire dialects name them: an id, a start, an end.

In: requests with the id they carry. Out: the same requests, each with the stream it belongs to. Invariants: as many ids
are open as may be, at most; one that nobody uses for as long as its model's limit says is released, unless a step of it
waits or runs; a start on an open id begins anew, and what was submitted before is still answered.
Thread: any. ``OpenSequences`` is the core without I/O: one at a time, ``now_ms`` is an argument.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias, final

import msgspec

from gapless.errors import OverloadError, ProtocolError
from gapless.infer.engine.request import Request, Sequence
from gapless.infer.inference import Inference

Id: TypeAlias = int | str
Key: TypeAlias = tuple[str, Id]
"""Model and id: two models may use the same ids."""

MOST_OPEN: Final = 4096
"""Ids of all models together; each model has its own bound too."""

LOOK_MS: Final = 1000
"""Time between looks for idle ones while the table is used."""


class _Open(msgspec.Struct):
    sequence: Sequence
    idle_ms: int
    """How long it may be idle."""
    used_ms: int


@final
class OpenSequences:
    """Which ids are open, and when they were last used."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Key, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def put(self, key: Key, sequence: Sequence, now_ms: int) -> None:
        """Open an id that is not open.

        Raises:
            OverloadError: too many are open.
        """
        if len(self._open) >= self._most:
            raise OverloadError(
                f"{self._most} sequences are open; end those that are over, or try again shortly",
                retry_after_ms=LOOK_MS,
            )
        self._open[key] = _Open(sequence, sequence.info.limits.sequence_idle_ms, now_ms)

    def use(self, key: Key, now_ms: int) -> Sequence | None:
        """The sequence that is open under this id."""
        found = self._open.get(key)
        if found is None:
            return None
        found.used_ms = now_ms
        return found.sequence

    def remove(self, key: Key) -> Sequence | None:
        """Close an id; its sequence is the caller's."""
        found = self._open.pop(key, None)
        return None if found is None else found.sequence

    def remove_idle(self, now_ms: int) -> list[Sequence]:
        """Close the ids that nobody uses; their sequences are the caller's."""
        idle = [
            key
            for key, entry in self._open.items()
            if now_ms - entry.used_ms >= entry.idle_ms and not entry.sequence.busy
        ]
        return [self._open.pop(key).sequence for key in idle]

    def remove_all(self) -> list[Sequence]:
        """Close all; their sequences are the caller's."""
        left = [entry.sequence for entry in self._open.values()]
        self._open.clear()
        return left


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@final
class SequenceTable:
    """Gives requests of wire dialects their streams.

    Args:
        inference: the engine.
        most: ids that may be open.
        clock: milliseconds of a monotonic clock.
    """

    def __init__(
        self,
        inference: Inference,
        *,
        most: int = MOST_OPEN,
        clock: Callable[[], int] = _monotonic_ms,
    ) -> None:
        self._inference = inference
        self._clock = clock
        self._lock = threading.Lock()
        self._open = OpenSequences(most)
        self._look_ms = 0

    def bind(self, request: Request, sequence_id: Id, *, start: bool, end: bool) -> Request:
        """The request as a step of its sequence; blocks while the model loads.

        Ask it next: an end counts from here on.

        Args:
            request: what was asked.
            sequence_id: as the client calls it; not 0 or empty, which mean none.
            start: the first step.
            end: the last step.

        Raises:
            ProtocolError: no sequence of this id is open, and this step does not start one.
            GaplessError: as ``Inference.open_sequence``.
        """
        key = (request.model, sequence_id)
        if start:
            self._end(key)
            self._begin(key, self._inference.open_sequence(request.model, request.version))
        return self._step(request, key, end=end)

    async def bind_async(
        self, request: Request, sequence_id: Id, *, start: bool, end: bool
    ) -> Request:
        """As ``bind``, from an event loop: it waits there only while the model loads.

        Steps of one sequence must be bound, and asked, in their order.
        """
        key = (request.model, sequence_id)
        if start:
            self._end(key)
            opened = await self._inference.open_sequence_async(request.model, request.version)
            self._begin(key, opened)
        return self._step(request, key, end=end)

    def give_up(self, model: str, sequence_id: Id) -> None:
        """Close a sequence whose client will not end it; nothing happens if it is not open."""
        with self._lock:
            old = self._open.remove((model, sequence_id))
        if old is not None:
            old.close()

    def reap(self) -> None:
        """Release what nobody uses. Every use does this too; call it now and then while there is none."""
        now_ms = self._clock()
        with self._lock:
            self._look_ms = now_ms + LOOK_MS
            idle = self._open.remove_idle(now_ms)
        for sequence in idle:
            sequence.close()

    def close(self) -> None:
        """Close all sequences."""
        with self._lock:
            left = self._open.remove_all()
        for sequence in left:
            sequence.close()

    def _end(self, key: Key) -> None:
        """Whatever was open under this id is over, once its last step is answered."""
        with self._lock:
            old = self._open.remove(key)
        if old is not None:
            old.close(drain=True)

    def _begin(self, key: Key, opened: Sequence) -> None:
        try:
            with self._lock:
                replaced = self._open.remove(key)
                self._open.put(key, opened, self._clock())
        except OverloadError:
            opened.close()
            raise
        if replaced is not None:
            # Another start of this id was faster to load.
            replaced.close(drain=True)

    def _step(self, request: Request, key: Key, *, end: bool) -> Request:
        now_ms = self._clock()
        if now_ms >= self._look_ms:
            self.reap()
        with self._lock:
            sequence = self._open.remove(key) if end else self._open.use(key, now_ms)
        if sequence is None:
            raise ProtocolError(
                f"no sequence {key[1]!r} of the model {key[0]} is open; mark its first step as the start, and "
                "send all steps over one connection where the server has several workers",
                param="sequence_id",
            )
        return msgspec.structs.replace(request, sequence=sequence, end=end)
