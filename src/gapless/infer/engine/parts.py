"""A request that is larger than a batch, cut into parts and put together again.

In: its inputs; the outcome of each part. Out: the parts' inputs; one outcome. Invariants: the request is answered once,
when its last part is settled; a part that failed fails it. Thread: any.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import final

import numpy as np

from gapless.infer.contract import Array, Model
from gapless.infer.engine.request import Outcome, Result
from gapless.infer.engine.rows import Answer, Tell, call_on
from gapless.infer.models import Held


@final
class Parts:
    """One request's parts. It holds the model for all of them, and is released by each."""

    def __init__(
        self,
        inputs: Mapping[str, Array],
        *,
        size: int,
        largest: int,
        held: Held,
        tell: Tell,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self._inputs = inputs
        self._starts = range(0, size, largest)
        self._size = size
        self._held = held
        self._tell = tell
        self._loop = loop
        self._lock = threading.Lock()
        self._answers: dict[int, Answer] = {}
        self._holders = len(self._starts)

    def __iter__(self) -> Iterator[tuple[dict[str, Array], int, Tell]]:
        """The inputs of each part, how many rows they are, and where its answer goes."""
        for index, start in enumerate(self._starts):
            part = slice(start, min(start + self._starts.step, self._size))
            inputs = {name: array[part] for name, array in self._inputs.items()}
            yield inputs, part.stop - part.start, partial(self._settle, index)

    def release(self) -> None:
        """A part needs the model no longer."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._held.release()

    @property
    def model(self) -> Model:
        """What is held."""
        return self._held.model

    def _settle(self, index: int, answer: Answer) -> None:
        with self._lock:
            self._answers[index] = answer
            if len(self._answers) < len(self._starts):
                return
        if self._loop is None:
            self._tell(self._join)
        else:
            call_on(self._loop, partial(self._tell, self._join))

    def _join(self) -> Outcome:
        results: list[Result] = []
        for index in range(len(self._starts)):
            outcome = self._answers[index]()
            if not isinstance(outcome, Result):
                return outcome
            results.append(outcome)
        return Result(
            model=results[0].model,
            version=results[0].version,
            outputs={
                name: np.concatenate([result.outputs[name] for result in results])
                for name in results[0].outputs
            },
            queue_ns=max(result.queue_ns for result in results),
            compute_ns=sum(result.compute_ns for result in results),
            rows=max(result.rows for result in results),
            offered_ns=min(result.offered_ns for result in results),
            gather_ns=sum(result.gather_ns for result in results),
        )
