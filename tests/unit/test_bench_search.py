"""The search for the largest number that passes."""

from __future__ import annotations

import pytest

from gapless.bench.search import largest_that_passes


def search(limit: int, *, first: int = 8, most: int = 1000) -> tuple[int, list[int]]:
    tried: list[int] = []

    def passes(number: int) -> bool:
        tried.append(number)
        return number <= limit

    return largest_that_passes(passes, first=first, most=most), tried


@pytest.mark.parametrize("limit", range(1, 40))
def test_small_numbers_are_found_exactly(limit: int) -> None:
    assert search(limit)[0] == limit or limit >= 32
    assert limit - limit // 16 <= search(limit)[0] <= limit


@pytest.mark.parametrize("limit", [63, 64, 65, 100, 311, 999, 1000])
def test_large_numbers_are_found_to_one_part_in_sixteen(limit: int) -> None:
    found, tried = search(limit)
    assert limit * 15 / 16 - 1 <= found <= limit
    assert len(tried) <= 14
    assert len(set(tried)) == len(tried)


def test_nothing_passes() -> None:
    assert search(0) == (0, [8, 4, 2, 1])


def test_the_most_is_tried_and_nothing_above_it() -> None:
    assert search(5000, most=100) == (100, [8, 16, 32, 64, 100])
    assert search(5000, first=64, most=64) == (64, [64])
    assert search(3, first=4, most=4)[1] == [4, 2, 3]
