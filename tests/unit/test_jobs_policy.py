"""Waits grow within bounds, and only errors that may go away are tried again."""

from __future__ import annotations

import pytest

from gapless.errors import (
    ConnectionLostError,
    ForbiddenError,
    InvalidAudioError,
    ModelError,
    ModelNotFoundError,
    OverloadError,
    ProtocolError,
    StoreError,
)
from gapless.jobs.policy import (
    LONGEST_IDLE_MS,
    idle_ms,
    is_worn_out,
    renew_every_ms,
    retry_in_ms,
)


def test_an_empty_queue_is_asked_less_and_less_often_within_bounds() -> None:
    waits = [idle_ms(empty, 1.0) for empty in range(1, 100)]
    assert waits[:5] == [200, 400, 800, 1600, 3200]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_IDLE_MS
    assert idle_ms(10**9, 0.0) == LONGEST_IDLE_MS * 3 // 4


@pytest.mark.parametrize(("lease_ms", "every_ms"), [(500, 166), (30_000, 1000), (1, 1)])
def test_a_lease_is_renewed_well_before_it_ends(lease_ms: int, every_ms: int) -> None:
    assert renew_every_ms(lease_ms) == every_ms


def test_attempts_are_counted() -> None:
    assert [is_worn_out(attempts, 3) for attempts in (1, 3, 4)] == [False, False, True]


@pytest.mark.parametrize(
    "error",
    [
        InvalidAudioError("no sound"),
        ModelNotFoundError("gone"),
        ProtocolError("no such language"),
        ForbiddenError("a private address"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_will_not_go_away_is_not_tried_again(error: Exception) -> None:
    assert retry_in_ms(error, 1, 5, 0.5) is None


@pytest.mark.parametrize(
    "error",
    [StoreError("full"), ConnectionLostError("gone"), ModelError("no memory"), ValueError("a bug")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_go_away_is_tried_again_later_and_later(error: Exception) -> None:
    waits = [retry_in_ms(error, attempts, 100, 1.0) for attempts in range(1, 30)]
    assert waits[:3] == [1000, 2000, 4000]
    assert waits[-1] == 600_000
    least = retry_in_ms(error, 3, 100, 0.0)
    assert least == 2000
    assert retry_in_ms(error, 5, 5, 0.5) is None


def test_who_says_when_to_come_back_is_listened_to() -> None:
    assert retry_in_ms(OverloadError("busy", retry_after_ms=90_000), 1, 5, 0.5) == 90_000
