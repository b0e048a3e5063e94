"""Find the largest number that passes a test. In: the test. Out: the number. Thread: the caller's."""

from __future__ import annotations

from collections.abc import Callable

STEPS = 16
"""The answer is exact to one part in so many."""


def largest_that_passes(passes: Callable[[int], bool], *, first: int, most: int) -> int:
    """Double up to the first failure, then bisect; 0 if not even 1 passes.

    Where the test is a measurement, a number that passed once is believed, and one that failed is not asked for again:
    a test that wants to be sure tries twice itself.

    Args:
        passes: tries a number.
        first: is tried first, at least 1.
        most: none larger is tried.
    """
    low, high, number = 0, most + 1, min(first, most)
    while number > low and number < high:
        if passes(number):
            low = number
        else:
            high = number
        if high - low <= max(1, low // STEPS):
            break
        # Nothing has failed yet: twice as many. Afterwards: half way between.
        number = min(2 * low, most) if high == most + 1 else (low + high) // 2
    return low
