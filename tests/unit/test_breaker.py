"""From the model to the dry signal and back, block by block."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gapless.realtime.breaker import (
    CHEAPER,
    DRY,
    FULL,
    HALF_OPEN,
    MISSED,
    OPENED,
    BreakerOptions,
    judge,
    make_breaker,
)

OPTIONS = BreakerOptions()
BLOCKS = [128, 256, 480, 512]


def paths(
    in_time: list[bool], *, block: int, options: BreakerOptions = OPTIONS
) -> list[tuple[int, int]]:
    """For every block its position and the path that it takes."""
    state = make_breaker()
    taken = [(0, FULL)]
    for n, there in enumerate(in_time, 1):
        taken.append((n * block, judge(state, *options, n * block, there)))
    return taken


def changes(taken: list[tuple[int, int]]) -> list[int]:
    """The paths in the order in which they came."""
    return [path for n, (_, path) in enumerate(taken) if n == 0 or path != taken[n - 1][1]]


def test_the_defaults_are_five_blocks_and_25_ms() -> None:
    assert OPTIONS == (5, 1200)


def test_late_blocks_lead_to_the_dry_signal_by_way_of_the_cheaper_path() -> None:
    taken = paths([False] * 11, block=256)
    assert [path for _, path in taken] == [FULL] * 5 + [CHEAPER] * 5 + [DRY] * 2


def test_a_block_in_time_begins_the_count_again() -> None:
    assert changes(paths([False] * 4 + [True] + [False] * 4 + [True], block=256)) == [FULL]


def test_as_long_as_the_model_is_late_it_is_tried_once_a_pause() -> None:
    state = make_breaker()
    taken = [(judge(state, *OPTIONS, n * 256, False), n * 256) for n in range(1, 60)]
    tries = [position for path, position in taken if path == HALF_OPEN]
    assert changes([(0, FULL)] + [(position, path) for path, position in taken])[:6] == [
        FULL,
        CHEAPER,
        DRY,
        HALF_OPEN,
        DRY,
        HALF_OPEN,
    ]
    assert {later - earlier for earlier, later in pairwise(tries)} == {1024}
    assert (state[OPENED], state[MISSED]) == (1, 59)


@pytest.mark.parametrize("block", BLOCKS)
def test_one_good_block_half_open_closes_it(block: int) -> None:
    taken = paths([False] * 10 + [True] * 100, block=block)
    assert changes(taken) == [FULL, CHEAPER, DRY, HALF_OPEN, FULL]
    assert [path for _, path in taken].count(HALF_OPEN) == 1


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("catching_up", [0, 1, 3])
def test_after_a_stall_of_20_ms_the_model_is_heard_again_within_25_ms(
    block: int, limit: int, catching_up: int
) -> None:
    stall_samples, recovery_samples = 960, 1200
    late = -(-stall_samples // block) + catching_up
    taken = paths(
        [True] * 10 + [False] * late + [True] * 40,
        block=block,
        options=BreakerOptions(limit, recovery_samples),
    )
    ended = (10 + late) * block
    opened = next((position for position, path in taken if path != FULL), ended)
    closed = max((position + block for position, path in taken if path != FULL), default=ended)
    assert closed - ended <= recovery_samples
    # A stall that outlasts the pause is another matter: there the model fails its first trial.
    if ended - opened <= recovery_samples - 2 * block and late < 2 * limit:
        assert closed - opened <= recovery_samples
