"""One batch through its model: gather, compute, scatter.

In: a batch of rows. Out: an outcome for each. Invariants: a row that fails fails alone: one that holds what is no
number never reaches the model, and where the model fails on a batch of several, each of them is run alone, in the same
bucket and at the same place, so that it gets the bits it would have got; state is adopted from steps that succeeded
only; outputs are copies, or were the row's alone. Thread: any; a batch belongs to the thread that runs it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final, final

import numpy as np

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    GaplessError,
    ModelError,
    OverloadError,
)
from gapless.infer.contract import Array
from gapless.infer.engine.request import Outcome, Result
from gapless.infer.engine.rows import copied
from gapless.infer.engine.served import Buffers
from gapless.infer.engine.slots import Handle
from gapless.infer.engine.statistics import BatchRun

if TYPE_CHECKING:
    from gapless.batching.batcher import Batch, Entry
    from gapless.infer.engine.rows import Row
    from gapless.infer.engine.served import Kind

NOT_THE_ROWS: Final = (OverloadError, ConnectionLostError, DeadlineError)
"""What a model raises for reasons that lie outside its inputs: running the rows one by one would not help."""

NO_BUFFERS: Final = Buffers({}, [])

NS_PER_S: Final = 1_000_000_000


@final
class Step:
    """A batch on its way: ``run`` it once, then ask for the ``outcome`` of each entry, from any thread."""

    def __init__(self, batch: Batch[Kind, Row]) -> None:
        self._began_ns = self._gathered_ns = self._computed_ns = time.monotonic_ns()
        self._step_ns = 0
        self._entries = batch.entries
        self.rows: list[Row] = [entry.row for entry in batch.entries]
        self._n_rows = batch.rows
        self._bucket = batch.bucket
        self._kind: Kind = batch.kind
        self._served = batch.kind.served
        self._info = self._served.info
        self._whole = len(self.rows) == 1 and self._n_rows == self._bucket
        """One request is the whole batch: nothing need be copied. Always so where the model does not batch."""
        self._all = range(len(self.rows))
        self._starts: Sequence[int] = range(len(self.rows) + 1)
        """Where the rows of each entry begin, and where the last ones end."""
        if self._n_rows != len(self.rows):
            self._starts = [0, *accumulate(row.size for row in self.rows)]
        self._tensors: dict[str, Array] = {}
        self._answers: list[tuple[dict[str, Array], Sequence[int]]] = []
        """What each call gave, and for which entries."""
        self._given: list[dict[str, Array]] = []
        """The same by entry."""
        self._failed: dict[int, GaplessError] = {}
        """By entry."""
        self._calls = 0

    def run(self) -> None:
        """Gather, compute, scatter."""
        if self._whole and not self._info.states:
            self._run_with(NO_BUFFERS)
        else:
            buffers = self._kind.borrow(self._bucket)
            try:
                self._run_with(buffers)
            finally:
                self._kind.give_back(self._bucket, buffers)
        self._count()

    @property
    def lesson_ns(self) -> int | None:
        """What the step took; None where that tells nothing about the next one."""
        return self._step_ns if self._calls == 1 and not self._failed and self._step_ns else None

    def outcome(self, index: int) -> Outcome:
        """What became of an entry. Copies are made here, by whoever asked: the executor goes on meanwhile."""
        if index in self._failed:
            return self._failed[index]
        given = self._given[index]
        if self._whole:
            outputs = {name: given[name] for name in self.rows[index].wanted}
        else:
            place = self._place(index)
            outputs = {name: given[name][place].copy() for name in self.rows[index].wanted}
        return Result(
            model=self._info.name,
            version=self._info.version,
            outputs=outputs,
            queue_ns=self._began_ns - self._entries[index].offered_ns,
            compute_ns=self._step_ns,
            rows=self._n_rows,
            offered_ns=self._entries[index].offered_ns,
            gather_ns=self._gathered_ns - self._began_ns,
        )

    def _run_with(self, buffers: Buffers) -> None:
        self._gather(buffers)
        self._gathered_ns = time.monotonic_ns()
        self._compute()
        self._computed_ns = time.monotonic_ns()
        self._tensors = {}
        self._scatter()

    def _gather(self, buffers: Buffers) -> None:
        """Put the rows together, as the model takes them."""
        if self._whole:
            self._tensors = {**buffers.inputs, **self.rows[0].inputs}
        else:
            self._tensors = buffers.inputs
            for name in self._kind.names:
                parts = [row.inputs[name] for row in self.rows]
                np.concatenate(parts, out=self._tensors[name][: self._n_rows])
        if not self._info.allows_nan:
            for name in self._kind.floats:
                for index in self._not_finite(self._tensors[name]):
                    self._failed.setdefault(index, self._bad_input(name))
        if not self._whole:
            self._fill()
        if self._info.states:
            self._gather_states(buffers)

    def _compute(self) -> None:
        """Call the model: once, or if that fails once more for each row."""
        indices = self._sound(self._all)
        if not indices:
            return
        error = self._call(self._tensors, indices)
        if error is None:
            return
        if len(indices) == 1 or isinstance(error, NOT_THE_ROWS):
            self._failed.update((index, copied(error)) for index in indices)
            return
        for index in indices:
            alone = self._call(self._alone(index), [index])
            if alone is not None:
                self._failed[index] = alone

    def _scatter(self) -> None:
        """Find the rows whose answer is no number, and adopt the others' states."""
        self._given = [{}] * len(self.rows)
        for given, indices in self._answers:
            if not self._info.allows_nan:
                for name, axis in self._served.floats:
                    bad = self._not_finite(given[name], axis)
                    for index in bad.intersection(indices):
                        self._failed.setdefault(index, self._bad_output(name))
            if len(indices) == len(self.rows):
                self._given = [given] * len(self.rows)
            else:
                for index in indices:
                    self._given[index] = given
            if self._info.sequences != "none":
                self._advance(given, self._sound(indices))

    def _count(self) -> None:
        ended_ns = time.monotonic_ns()
        self._step_ns = ended_ns - self._began_ns
        failed = list(self._failed)
        self._served.counters.add(
            BatchRun(
                requests=len(self.rows),
                failed=len(failed),
                rows=self._n_rows,
                answered_rows=self._n_rows - sum(self.rows[index].size for index in failed),
                calls=self._calls,
                waits_ns=[self._began_ns - entry.offered_ns for entry in self._entries],
                failed_queue_ns=self._waited_ns([self._entries[index] for index in failed]),
                gather_ns=self._gathered_ns - self._began_ns,
                compute_ns=self._computed_ns - self._gathered_ns,
                scatter_ns=ended_ns - self._computed_ns,
            )
        )

    def _waited_ns(self, entries: Sequence[Entry[Kind, Row]]) -> int:
        """From acceptance to the call, of all of them together."""
        return len(entries) * self._began_ns - sum([entry.offered_ns for entry in entries])

    def _place(self, index: int) -> slice:
        """Where the rows of an entry are."""
        return slice(self._starts[index], self._starts[index + 1])

    def _sound(self, indices: Sequence[int]) -> Sequence[int]:
        """Those of the entries that have not failed."""
        if not self._failed:
            return indices
        return [index for index in indices if index not in self._failed]

    def _not_finite(self, array: Array, axis: int = 0) -> set[int]:
        """The entries that have a value in here which is no number."""
        finite: Array = np.isfinite(array)
        if finite.all():
            return set()
        if self._whole:
            return {0}
        by_row = np.moveaxis(finite, axis, 0).reshape(array.shape[axis], -1)
        rows = np.logical_and.reduce(by_row, axis=1)
        return {index for index in self._all if not rows[self._place(index)].all()}

    def _fill(self) -> None:
        """Put copies of a sound row where there is none: zeros may be slow to compute with, or no valid input."""
        sound = self._sound(self._all)
        if not sound:
            return
        first = self._starts[sound[0]]
        for name in self._kind.names:
            array = self._tensors[name]
            for index in self._failed:
                array[self._place(index)] = array[first]
            if self._n_rows < self._bucket:
                array[self._n_rows :] = array[first]

    def _gather_states(self, buffers: Buffers) -> None:
        arena = self._served.arena
        handles: list[Handle | None] = []
        with self._served.lock:
            for row in self.rows:
                stream = row.stream
                if stream is None:
                    handles += [None] * row.size
                    continue
                if stream.is_new(row):
                    arena.reset(stream.handle)
                handles.append(stream.handle)
            handles += [None] * (self._bucket - self._n_rows)
            arena.gather(handles, buffers.states)
        if not self._info.batched:
            for state, array in zip(self._info.states, buffers.states, strict=True):
                self._tensors[state.input] = np.take(array, 0, state.axis)

    def _advance(self, given: dict[str, Array], indices: Sequence[int]) -> None:
        """Take the streams of these entries one step further."""
        handles, places = [], []
        for index in indices:
            row = self.rows[index]
            if row.stream is not None:
                row.stream.advance(row)
                handles.append(row.stream.handle)
                places.append(self._starts[index])
        if not handles or not self._info.states:
            return
        states = [given[state.output] for state in self._info.states]
        if not self._info.batched:
            axes = [state.axis for state in self._info.states]
            states = [np.expand_dims(a, axis) for a, axis in zip(states, axes, strict=True)]
        with self._served.lock:
            self._served.arena.scatter(handles, places, states)

    def _alone(self, index: int) -> dict[str, Array]:
        """The tensors with one entry's rows in place of everybody's."""
        start, size = self._starts[index], self.rows[index].size
        rows = start + (np.arange(self._bucket) - start) % size
        axes = {state.input: state.axis for state in self._info.states}
        return {
            name: np.take(array, rows, axis=axes.get(name, 0))
            for name, array in self._tensors.items()
        }

    def _call(self, tensors: dict[str, Array], indices: Sequence[int]) -> GaplessError | None:
        """Call the model for these entries; returns its error, if it fails."""
        self._calls += 1
        row = self.rows[indices[0]]
        sequence = None
        if self._info.sequences == "server" and row.stream is not None:
            sequence = row.stream.server_step(row)
        try:
            given = self._served.model.run(tensors, timeout_s=self._timeout_s(), step=sequence)
            self._check_answer(given)
        except GaplessError as error:
            return error
        except Exception as error:  # noqa: BLE001  (a model is foreign code: it may raise anything)
            failure = ModelError(
                f"the model {self._info.name} failed: {error!r}; see its documentation"
            )
            failure.__cause__ = error
            return failure
        self._answers.append((given, indices))
        return None

    def _timeout_s(self) -> float | None:
        """When the last of the answers is of no use any more; None: never, or nobody asks."""
        if not self._served.remote:
            return None
        deadlines = [entry.deadline_ns for entry in self._entries]
        latest_ns = max((ns for ns in deadlines if ns is not None), default=None)
        if latest_ns is None or None in deadlines:
            return None
        return max(0.001, (latest_ns - self._gathered_ns) / NS_PER_S)

    def _check_answer(self, given: dict[str, Array]) -> None:
        for name, axis in self._served.answers:
            array = given.get(name)
            if array is None:
                raise ModelError(
                    f"the model {self._info.name} gave no {name!r}; its description promises it: mend that"
                )
            if self._info.batched and (array.ndim <= axis or array.shape[axis] != self._bucket):
                raise ModelError(
                    f"the model {self._info.name} was asked {self._bucket} rows and gave {name!r} of shape "
                    f"{list(array.shape)}; it does not batch: say so in its description"
                )

    def _bad_input(self, name: str) -> ModelError:
        return ModelError(
            f"{name!r} holds a value that is no number (NaN or infinite), which the model {self._info.name} "
            "does not take; send finite values, or set allows_nan in its manifest",
            param=name,
        )

    def _bad_output(self, name: str) -> ModelError:
        return ModelError(
            f"the model {self._info.name} answered with a value in {name!r} that is no number (NaN or infinite); "
            "check what was sent, or set allows_nan in its manifest"
        )
