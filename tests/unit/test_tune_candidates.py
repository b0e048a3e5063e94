"""What is tried on machines of every size."""

from __future__ import annotations

import msgspec
import pytest

from gapless.bench.tuning import candidates as choices
from gapless.bench.tuning.load import Runnable
from gapless.bench.tuning.race import Candidate
from gapless.bench.tuning.stages import Scope, Stage, stages
from gapless.settings import Bound, Settings, load_settings

CORES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


def names(candidates: list[Candidate]) -> list[str]:
    return [one.name for one in candidates]


@pytest.mark.parametrize("cores", CORES)
def test_splits_fit_the_cores(cores: int) -> None:
    spare = max(cores - 1, 1)
    found = choices.splits(cores, spare, 1)
    pairs = [(one.values["executors"], one.values["executor_threads"]) for one in found]
    assert pairs[0] == (spare, 1)
    assert len(set(pairs)) == len(pairs)
    assert all(one * each <= cores for one, each in pairs)
    # Each core by itself, and all for one.
    assert {(cores, 1), (1, cores)} <= set(pairs)


def test_splits_of_two_cores() -> None:
    assert names(choices.splits(2, 1, 1)) == ["1 x 1", "2 x 1", "1 x 2"]


def test_one_core_leaves_no_choice() -> None:
    assert names(choices.splits(1, 1, 1)) == ["1 x 1"]


def test_batches_are_smaller_than_the_largest() -> None:
    assert [one.values["max_batch"] for one in choices.largest_batches(32)] == [0, 16, 8, 4, 2, 1]
    assert [one.values["max_batch"] for one in choices.largest_batches(1)] == [0]


def test_rows_next_to_the_formula_come_first() -> None:
    values = [one.values["store_batch_rows"] for one in choices.batch_rows(500)]
    assert values[:4] == [500, 512, 256, 1000]
    assert [one.values["store_pool"] for one in choices.pools(8)][:3] == [8, 4, 16]


@pytest.mark.long
@pytest.mark.parametrize("cores", CORES)
def test_every_value_is_one_that_settings_take(cores: int) -> None:
    candidates = [
        *choices.splits(cores, cores, 1),
        *choices.largest_batches(65_536),
        *choices.batch_rows(2000),
        *choices.pools(128),
    ]
    for one in candidates:
        load_settings(env={}, flags=one.values)


def scope(**others: object) -> Scope:
    usual = Scope(physical_cpus=4, models={"ranker": Runnable("1", 16)}, by_hand=frozenset())
    return msgspec.structs.replace(usual, **others)


PLANNED = Settings(
    executors=3, executor_threads=1, store_batch_rows=500, store_pool=8, store_batch_ms=50
)


def asked(settings: Settings = PLANNED, **others: object) -> dict[str, Stage]:
    return {stage.name: stage for stage in stages(settings, scope(**others))}


def test_stages_begin_with_the_plan() -> None:
    found = asked()
    assert list(found) == ["split", "batch", "rows"]
    assert [stage.candidates[0].values for stage in found.values()] == [
        {"executors": 3, "executor_threads": 1},
        {"max_batch": 0},
        {"store_batch_rows": 500},
    ]


def test_later_stages_use_what_earlier_ones_found() -> None:
    contender = asked()["batch"].contender(
        {"executors": 2, "executor_threads": 2, "max_batch": 4, "store_pool": 9}
    )
    assert contender.options["values"] == {"executors": 2, "executor_threads": 2, "max_batch": 4}
    assert contender.options["bulk"] == ("ranker",)


def test_pools_are_a_question_of_postgresql() -> None:
    settings = msgspec.structs.replace(PLANNED, store_url="postgresql://db/gapless")
    pool = asked(settings)["pool"]
    assert pool.candidates[0].values == {"store_pool": 8}
    assert pool.contender({"store_pool": 4}).options["where"] == "postgresql://db/gapless"


@pytest.mark.parametrize(
    ("by_hand", "left"),
    [
        ("executors", ["batch", "rows"]),
        ("executor_threads", ["batch", "rows"]),
        ("max_batch", ["split", "rows"]),
        ("store_batch_rows", ["split", "batch"]),
    ],
)
def test_what_was_set_by_hand_is_not_tried_but_used(by_hand: str, left: list[str]) -> None:
    settings = msgspec.structs.replace(PLANNED, **{by_hand: 7})
    found = asked(settings, by_hand=frozenset({by_hand}))
    assert list(found) == left
    used = found[left[0]].contender({}).options["values"]
    assert used.get(by_hand, 7) == 7


def test_bounds_leave_candidates_out_but_not_the_plan() -> None:
    bounds = {"executors": Bound(high=2), "max_batch": Bound(low=4)}
    found = asked(bounds=bounds)
    assert [one.name for one in found["split"].candidates] == [
        "3 x 1",
        "2 x 1",
        "1 x 1",
        "1 x 2",
        "1 x 3",
    ]
    assert [one.values["max_batch"] for one in found["batch"].candidates] == [0, 8, 4]


def test_one_core_and_models_without_batches_leave_the_store() -> None:
    alone = asked(
        msgspec.structs.replace(PLANNED, executors=1),
        physical_cpus=1,
        models={"single": Runnable("1", 1)},
    )
    assert list(alone) == ["rows"]


@pytest.mark.parametrize(("all_cores", "most"), [(False, 3), (True, 4)])
def test_a_core_is_left_to_those_who_ask(*, all_cores: bool, most: int) -> None:
    pairs = [one.values for one in asked(all_cores=all_cores)["split"].candidates]
    used = [pair["executors"] * pair["executor_threads"] for pair in pairs]
    assert max(used) == most


def test_two_cores_leave_one_split() -> None:
    two = msgspec.structs.replace(PLANNED, executors=1)
    assert "split" not in asked(two, physical_cpus=2)
    assert "split" in asked(two, physical_cpus=2, all_cores=True)
