"""Rows of calls of models: together, durable before the answer, and never in its way for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest

from gapless.errors import OverloadError, StoreError
from gapless.serve.inferences.keeper import InferenceKeeper, InferencesStats
from gapless.store.contract import Store
from gapless.store.inferences import InferenceQuery, InferenceRecord, Moments
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import call

SOON_S = 0.05
LONG_S = 20.0


class ByHandStore:
    """Keeps rows when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[InferenceRecord], Future[None]]] = []
        self.refuses = False

    def add_inferences(self, records: Sequence[InferenceRecord]) -> Future[None]:
        if self.refuses:
            raise OverloadError("too many rows wait; try again")
        future: Future[None] = Future()
        self.asked.append((list(records), future))
        return future


@pytest.fixture
def store() -> ByHandStore:
    return ByHandStore()


def keeper_of(
    store: ByHandStore, *, max_waiting: int = 100, patience_s: float = LONG_S
) -> InferenceKeeper:
    return InferenceKeeper(cast("Store", store), max_waiting=max_waiting, patience_s=patience_s)


async def settled(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_rows_that_come_while_others_are_written_go_together(store: ByHandStore) -> None:
    async def run() -> None:
        keeper = keeper_of(store)
        first = asyncio.create_task(keeper.keep(call(1)))
        await settled()
        others = [asyncio.create_task(keeper.keep(call(number))) for number in range(2, 6)]
        await settled()
        assert [len(records) for records, _ in store.asked] == [1]
        assert keeper.stats() == InferencesStats(waiting=5, kept=0, dropped=0)
        store.asked[0][1].set_result(None)
        await settled()
        assert first.done()
        assert [len(records) for records, _ in store.asked] == [1, 4]
        assert not any(task.done() for task in others)
        store.asked[1][1].set_result(None)
        assert await asyncio.gather(first, *others) == [True] * 5
        assert keeper.stats() == InferencesStats(waiting=0, kept=5, dropped=0)

    asyncio.run(run())


def test_what_the_store_refuses_or_fails_to_write_is_told_and_counted(store: ByHandStore) -> None:
    async def run() -> None:
        keeper = keeper_of(store)
        store.refuses = True
        assert not await keeper.keep(call(1))
        store.refuses = False
        failing = asyncio.create_task(keeper.keep(call(2)))
        await settled()
        store.asked[0][1].set_exception(StoreError("the disk is full; make room"))
        assert not await failing
        well = asyncio.create_task(keeper.keep(call(3)))
        await settled()
        store.asked[1][1].set_result(None)
        assert await well
        assert keeper.stats() == InferencesStats(waiting=0, kept=1, dropped=2)

    asyncio.run(run())


def test_a_store_that_hangs_holds_up_nobody_for_long_and_is_taken_up_again(
    store: ByHandStore,
) -> None:
    async def run() -> None:
        keeper = keeper_of(store, patience_s=SOON_S)
        waiting = [asyncio.create_task(keeper.keep(call(number))) for number in range(3)]
        assert await asyncio.gather(*waiting) == [False] * 3
        # Nobody waits from here on, and nothing piles up.
        assert not await asyncio.wait_for(keeper.keep(call(4)), LONG_S)
        assert len(store.asked) == 1
        # In the end the first was written after all; its call was told that it may not be.
        store.asked[0][1].set_result(None)
        await settled()
        again = asyncio.create_task(keeper.keep(call(5)))
        await settled()
        store.asked[1][1].set_result(None)
        assert await again
        assert keeper.stats() == InferencesStats(waiting=0, kept=2, dropped=3)

    asyncio.run(run())


def test_what_waits_is_bounded(store: ByHandStore) -> None:
    async def run() -> None:
        keeper = keeper_of(store, max_waiting=2)
        keeper.add(call(1))
        keeper.add(call(2))
        keeper.add(call(3))
        assert not await keeper.keep(call(4))
        assert keeper.stats() == InferencesStats(waiting=3, kept=0, dropped=1)

    asyncio.run(run())


def test_a_call_that_is_given_up_takes_nothing_of_the_others_with_it(store: ByHandStore) -> None:
    async def run() -> None:
        keeper = keeper_of(store)
        gone, stays = (asyncio.create_task(keeper.keep(call(number))) for number in (1, 2))
        await settled()
        gone.cancel()
        await settled()
        store.asked[0][1].set_result(None)
        await settled()
        store.asked[1][1].set_result(None)
        assert await stays
        assert gone.cancelled()

    asyncio.run(run())


def test_without_a_store_everything_is_dropped_at_once() -> None:
    async def run() -> None:
        keeper = InferenceKeeper(None, max_waiting=10)
        assert not await keeper.keep(call(1))
        assert keeper.stats() == InferencesStats(waiting=0, kept=0, dropped=1)

    asyncio.run(run())


def test_what_was_told_to_be_kept_is_there_for_others_to_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "transcripts.db")
    other = SqliteStore(tmp_path / "transcripts.db")

    async def run() -> None:
        keeper = InferenceKeeper(store, max_waiting=1000)

        async def one(number: int) -> None:
            assert await keeper.keep(call(number))
            (newest, *_) = other.inferences(InferenceQuery(before=(number + 1, 0)))
            assert newest == call(number)

        await asyncio.gather(*(one(number) for number in range(40)))

    try:
        asyncio.run(run())
        # Together: far fewer transactions than rows.
        assert store.changes < 20
    finally:
        store.close()
        other.close()


def test_no_two_calls_of_a_process_are_of_one_moment() -> None:
    moments = Moments()
    times = [moments.next_us() for _ in range(10_000)]
    assert times == sorted(set(times))
