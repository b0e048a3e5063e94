"""The arena of slots under every order of leases, steps, resets and releases, beside plain arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from hypothesis.strategies import booleans, integers, lists

from gapless.errors import ModelError, OverloadError
from gapless.infer.contract import Array, StateInfo
from gapless.infer.engine.slots import Handle, SlotArena
from gapless.infer.wire.tensors import DATATYPES

pytestmark = pytest.mark.long

STATES = (
    StateInfo("before", "after", "FP32", (2, 3), axis=1, initial=0.5),
    StateInfo("count in", "count out", "INT64", (), initial=7),
    StateInfo("past", "next", "FP16", (2,), axis=0),
)


def blank() -> list[Array]:
    return [np.full(state.shape, state.initial, DATATYPES[state.datatype]) for state in STATES]


class SlotsMachine(RuleBasedStateMachine):
    """Drives ``SlotArena`` beside a dict of each stream's own arrays."""

    @initialize(capacity=integers(1, 11))
    def start(self, capacity: int) -> None:
        self.capacity = capacity
        self.arena = SlotArena("model", STATES, capacity)
        self.streams: dict[Handle, list[Array]] = {}
        self.written = 0

    handles = Bundle[Handle]("handles")

    @rule(target=handles)
    def lease(self) -> Handle | MultipleResults[Handle]:
        if len(self.streams) == self.capacity:
            with pytest.raises(OverloadError, match="max_sequences") as caught:
                self.arena.lease()
            assert caught.value.retry_after_ms
            return multiple()
        handle = self.arena.lease()
        assert handle not in self.streams
        self.streams[handle] = blank()
        return handle

    @rule(chosen=lists(handles, unique=True, max_size=5), strangers=lists(booleans(), max_size=3))
    def step(self, chosen: list[Handle], strangers: list[bool]) -> None:
        """Some streams, and rows without a stream, share a step; it writes to the streams' states."""
        steps: list[Handle | None] = [handle for handle in chosen if handle in self.streams]
        for first in strangers:
            steps.insert(0 if first else len(steps), None)
        into = [
            np.empty((*s.shape[: s.axis], len(steps), *s.shape[s.axis :]), DATATYPES[s.datatype])
            for s in STATES
        ]
        self.arena.gather(steps, into)
        for row, handle in enumerate(steps):
            self.require(into, row, blank() if handle is None else self.streams[handle])
        given = [array + np.array(self.new_number()).astype(array.dtype) for array in into]
        rows = [row for row, handle in enumerate(steps) if handle is not None]
        takers = [handle for handle in steps if handle is not None]
        self.arena.scatter(takers, rows, given)
        for row, handle in zip(rows, takers, strict=True):
            self.streams[handle] = [
                np.take(array, row, axis=state.axis)
                for state, array in zip(STATES, given, strict=True)
            ]

    @rule(handle=handles)
    def reset(self, handle: Handle) -> None:
        if handle in self.streams:
            self.arena.reset(handle)
            self.streams[handle] = blank()

    @rule(handle=consumes(handles))
    def release(self, handle: Handle) -> None:
        if handle in self.streams:
            self.arena.release(handle)
            del self.streams[handle]
        into = [np.empty((*s.shape[: s.axis], 1, *s.shape[s.axis :])) for s in STATES]
        uses: list[Callable[[], None]] = [
            lambda: self.arena.release(handle),
            lambda: self.arena.reset(handle),
            lambda: self.arena.gather([handle], into),
            lambda: self.arena.scatter([handle], [0], into),
        ]
        for use in uses:
            with pytest.raises(ModelError, match="was closed; open a new one"):
                use()

    @invariant()
    def everybody_has_their_own_state(self) -> None:
        for handle, state in self.streams.items():
            into = [
                np.empty((*s.shape[: s.axis], 1, *s.shape[s.axis :]), DATATYPES[s.datatype])
                for s in STATES
            ]
            self.arena.gather([handle], into)
            self.require(into, 0, state)

    @invariant()
    def memory_follows_the_streams(self) -> None:
        assert self.arena.leased == len(self.streams)
        row_bytes = sum(array.nbytes for array in blank())
        made = self.arena.nbytes // row_bytes - 1 if self.arena.nbytes else 0
        assert made <= self.capacity
        assert self.streams.keys() or made <= 4
        assert made >= len(self.streams)

    def new_number(self) -> int:
        self.written += 1
        return self.written % 97

    def require(self, arrays: list[Array], row: int, expected: list[Array]) -> None:
        for state, array, want in zip(STATES, arrays, expected, strict=True):
            assert np.array_equal(np.take(array, row, axis=state.axis), want)


TestSlots = SlotsMachine.TestCase
TestSlots.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_memory_grows_by_doubling_and_goes_with_the_last_stream() -> None:
    arena = SlotArena("model", (StateInfo("a", "b", "FP32", (1000,)),), 100)
    sizes = []
    handles = []
    for _ in range(100):
        handles.append(arena.lease())
        sizes.append(arena.nbytes // 4000)
    assert sorted(set(sizes)) == [5, 9, 17, 33, 65, 101]
    for handle in handles:
        arena.release(handle)
    assert arena.nbytes == 0
