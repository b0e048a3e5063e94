"""The arena of slots: where the state of streams lies between two steps. A plain data structure.

In: states that a step gave. Out: states for the next step, many streams' in one array, as the model takes them.
Invariants: a stream sees its own state and never another's: a handle that was released is an error for good, also when
its slot has a new owner; a new slot, and one that was reset, holds the initial state; memory grows by doubling with the
streams that are open, up to the bound, and is given back with the last of them.
Thread: one at a time; the caller locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

from gapless.errors import ModelError, OverloadError
from gapless.infer.contract import Array, StateInfo
from gapless.infer.wire.tensors import DATATYPES

SMALLEST: Final = 4
"""Slots that are made at first."""

BLANK: Final = 0
"""The slot that nobody leases: it always holds the initial state."""

RETRY_AFTER_MS: Final = 1000
"""What a stream is told that finds no slot: streams last for seconds at least."""


class Handle(NamedTuple):
    """A lease of a slot."""

    slot: int
    generation: int
    """Which lease of this slot it is."""


@final
class SlotArena:
    """The states of one model's streams.

    Args:
        model: its name, for messages.
        states: what it carries from step to step.
        capacity: streams at a time.
    """

    def __init__(self, model: str, states: Sequence[StateInfo], capacity: int) -> None:
        self._model = model
        self._states = tuple(states)
        self._capacity = capacity
        self._arrays: list[Array] = []
        """One for each state, with the slots along its batch axis."""
        self._free: list[int] = []
        self._generations: list[int] = []
        """Even while a slot is free, odd while it is leased."""
        self._leased = 0
        self._made = 0
        """Slots that the arrays have room for."""

    @property
    def leased(self) -> int:
        """Slots that are leased now."""
        return self._leased

    @property
    def nbytes(self) -> int:
        """What the arrays hold."""
        return sum(array.nbytes for array in self._arrays)

    def lease(self) -> Handle:
        """A slot with the initial state.

        Raises:
            OverloadError: all are leased.
        """
        if self._leased == self._capacity:
            raise OverloadError(
                f"all {self._capacity} sequences of the model {self._model} are taken; close one, try again "
                "shortly, or raise max_sequences in its manifest",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._leased += 1
        self._generations[slot] += 1
        handle = Handle(slot, self._generations[slot])
        self.reset(handle)
        return handle

    def holds(self, handle: Handle) -> bool:
        """Whether the handle was not released yet."""
        return self._generations[handle.slot] == handle.generation

    def reset(self, handle: Handle) -> None:
        """Put the initial state back.

        Raises:
            ModelError: the handle was released.
        """
        slot = self._slot(handle)
        for state, array in zip(self._states, self._arrays, strict=True):
            array[_at(state, slot)] = array[_at(state, BLANK)]

    def gather(self, handles: Sequence[Handle | None], into: Sequence[Array]) -> None:
        """Copy states out, the first handle's to row 0 and so on.

        Args:
            handles: whose; None stands for the initial state. As many as ``into`` has rows.
            into: one array for each state, with the rows along its batch axis.

        Raises:
            ModelError: a handle was released.
        """
        if not self._arrays:
            self._grow()
        slots = [BLANK if handle is None else self._slot(handle) for handle in handles]
        for state, array, out in zip(self._states, self._arrays, into, strict=True):
            # "clip" lets NumPy write into `out` directly; no index is out of bounds.
            np.take(array, slots, axis=state.axis, out=out, mode="clip")

    def scatter(
        self, handles: Sequence[Handle], rows: Sequence[int], given: Sequence[Array]
    ) -> None:
        """Adopt the states that a step gave.

        Args:
            handles: whose; each at most once.
            rows: which row of ``given`` is whose.
            given: one array for each state, with the rows along its batch axis.

        Raises:
            ModelError: a handle was released; nothing is adopted.
        """
        slots = [self._slot(handle) for handle in handles]
        for state, array, states in zip(self._states, self._arrays, given, strict=True):
            array[_at(state, slots)] = states[_at(state, rows)]

    def release(self, handle: Handle) -> None:
        """Give the slot back.

        Raises:
            ModelError: it was released before.
        """
        slot = self._slot(handle)
        self._generations[slot] += 1
        self._leased -= 1
        self._free.append(slot)
        if self._leased == 0:
            self._arrays, self._free, self._made = [], [], 0

    def _slot(self, handle: Handle) -> int:
        if not self.holds(handle):
            raise ModelError(f"this sequence of the model {self._model} was closed; open a new one")
        return handle.slot

    def _grow(self) -> None:
        made = min(self._capacity, max(SMALLEST, 2 * self._made))
        arrays = []
        for index, state in enumerate(self._states):
            shape = (*state.shape[: state.axis], made + 1, *state.shape[state.axis :])
            array = np.full(shape, state.initial, DATATYPES[state.datatype])
            if self._arrays:
                kept = slice(self._made + 1)
                array[_at(state, kept)] = self._arrays[index]
            arrays.append(array)
        self._arrays = arrays
        # The lowest are leased first.
        self._free = [*range(made, self._made, -1), *self._free]
        self._made = made
        self._generations += [0] * (made + 1 - len(self._generations))


def _at(
    state: StateInfo, rows: int | slice | Sequence[int] | npt.NDArray[np.intp]
) -> tuple[Any, ...]:
    """The index of rows along a state's batch axis."""
    return (*(slice(None),) * state.axis, rows)
