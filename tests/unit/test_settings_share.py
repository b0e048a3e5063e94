"""What each of several workers may take."""

from __future__ import annotations

import pytest

from gapless.settings import MIB, Settings
from gapless.settings.share import DIVIDED, WHOLE, Share

WHOLE_SERVER = Settings(
    max_sessions=65,
    max_players=4,
    threads=8,
    decoders=3,
    executors=4,
    executor_threads=2,
    cache_mb=100,
    store_pool=5,
    job_workers=3,
    model_memory_bytes=1000 * MIB,
)


def test_one_worker_has_everything() -> None:
    assert WHOLE.settings(WHOLE_SERVER) is WHOLE_SERVER


@pytest.mark.parametrize("of", [2, 3, 4, 64])
def test_together_they_have_what_there_is_and_less_than_one_more_each(of: int) -> None:
    shares = [Share(number, of).settings(WHOLE_SERVER) for number in range(of)]

    for name in DIVIDED:
        whole = getattr(WHOLE_SERVER, name)
        together = sum(getattr(share, name) for share in shares)
        assert whole <= together < whole + of
    assert sum(share.job_workers for share in shares) == 3
    threads = sum(share.executors * share.executor_threads for share in shares)
    assert threads <= max(4 * 2, of)
    assert all(share.executors >= 1 and share.executor_threads >= 1 for share in shares)
    assert all(share.model_memory_bytes >= 16 * MIB for share in shares)


def test_what_is_off_stays_off() -> None:
    whole = Settings(max_players=0, cache_mb=0, max_waiting_uploads=0, job_workers=0)

    share = Share(0, 3).settings(whole)

    assert (share.max_players, share.cache_mb, share.max_waiting_uploads, share.job_workers) == (
        0,
        0,
        0,
        0,
    )


def test_one_executor_of_many_threads_is_divided_by_its_threads() -> None:
    share = Share(1, 4).settings(Settings(executors=1, executor_threads=8))

    assert (share.executors, share.executor_threads) == (1, 2)


def test_what_is_no_limit_of_the_machine_is_the_same_everywhere() -> None:
    share = Share(1, 4).settings(WHOLE_SERVER)

    assert share.max_body_bytes == WHOLE_SERVER.max_body_bytes
    assert share.max_jobs == WHOLE_SERVER.max_jobs  # counted in the store, for all
