from __future__ import annotations

import pytest

from gapless.bench.load.arrivals import Arrivals
from gapless.bench.load.result import Result, result_of
from gapless.bench.load.tally import Tally
from gapless.bench.load.task import MOST_ERRORS, OTHER_ERRORS, HttpQuestion, Tale, Task
from gapless.bench.load.times import Times
from gapless.cli.load import broken_limits
from gapless.cli.load_options import Limits, check_owned
from gapless.errors import ConfigError, ForbiddenError

TASK = Task(
    question=HttpQuestion(url="http://127.0.0.1/"),
    arrivals=Arrivals(rate_per_s=10),
    connections=4,
    warm_up_s=0,
    seconds=10,
    timeout_s=1,
)


def tale(
    took_ms: list[int], *, errors: dict[str, int] | None = None, late_ms: int = 0, cpu_s: float = 1
) -> Tale:
    took, late = Times(), Times()
    for ms in took_ms:
        took.add(ms * 1000)
        late.add(late_ms * 1000)
    failed = sum((errors or {}).values())
    return Tale(
        due=len(took_ms) + failed,
        answered=len(took_ms),
        uncounted=0,
        errors=errors or {},
        from_due=took.dump(),
        from_sent=took.dump(),
        late=late.dump(),
        most_waiting=1,
        connects=2,
        received_bytes=100,
        elapsed_s=10.0,
        cpu_s=cpu_s,
        interrupted=False,
    )


def test_processes_add_up() -> None:
    result = result_of(TASK, [tale([1] * 60), tale([2] * 40, errors={"status 503": 3})])

    assert result.due == 103
    assert result.answered == 100
    assert result.answered_per_s == 10
    assert result.errors == {"status 503": 3}
    assert result.error_share == pytest.approx(3 / 103)
    assert result.from_due is not None
    assert 1000 <= result.from_due.p50_us < 1010
    assert 2000 <= result.from_due.p95_us <= 2000 * (1 + 1 / 128)
    assert sum(result.histogram_us.values()) == 100
    assert result.remarks == ()


def test_a_server_that_refuses_quickly_does_not_look_quick() -> None:
    result = result_of(TASK, [tale([1] * 90, errors={"status 503": 10})])

    assert result.from_due is not None
    assert result.from_due.p95_us < 2000
    assert result.p95_us is None
    limits = Limits(max_errors_percent=50, p95_ms=1000, json=False)
    assert broken_limits(result, limits) == ["p95 is longer than was waited, 1000 ms are allowed"]


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (Limits(max_errors_percent=0, p95_ms=None, json=False), 1),
        (Limits(max_errors_percent=1, p95_ms=None, json=False), 0),
        (Limits(max_errors_percent=1, p95_ms=5, json=False), 0),
        (Limits(max_errors_percent=1, p95_ms=3, json=False), 1),
        (Limits(max_errors_percent=0, p95_ms=3, json=False), 2),
    ],
)
def test_what_is_worse_than_allowed_is_said(limits: Limits, broken: int) -> None:
    result = result_of(TASK, [tale([4] * 199, errors={"status 500": 1})])

    assert len(broken_limits(result, limits)) == broken


def remarks(result: Result) -> str:
    return " ".join(result.remarks)


def test_it_says_when_it_was_the_limit_itself() -> None:
    assert "busy with 95%" in remarks(result_of(TASK, [tale([1], cpu_s=9.5)]))
    assert "late by the load tool" in remarks(result_of(TASK, [tale([1], late_ms=20)]))
    assert "nothing was due" in remarks(result_of(TASK, [tale([])]))


def test_what_was_due_in_the_warm_up_leaves_no_trace() -> None:
    tally = Tally(begin_s=10.0)
    tally.noticed(9.9, 9.95)
    tally.answer(9.9, 9.95, 10.5)
    tally.fail(9.9, "status 500")
    assert (tally.answered, tally.errors, tally.late.count, tally.uncounted) == (0, {}, 0, 1)

    tally.answer(10.0, 10.2, 10.5)

    assert (tally.from_due.max_us, tally.from_sent.max_us) == (500_000, 300_000)


def test_a_server_that_words_each_error_anew_does_not_fill_the_memory() -> None:
    tally = Tally(begin_s=0.0)
    for number in range(1000):
        tally.fail(1.0, f"error {number}")

    assert len(tally.errors) == MOST_ERRORS + 1
    assert tally.errors[OTHER_ERRORS] == 1000 - MOST_ERRORS


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://localhost/", "ws://[::1]:80", "grpc://127.0.0.1:80"]
)
def test_servers_of_this_machine_may_be_loaded(url: str) -> None:
    check_owned(url, own=False)


def test_servers_elsewhere_only_by_their_owner() -> None:
    with pytest.raises(ForbiddenError, match="--i-own-this-server"):
        check_owned("http://203.0.113.7/", own=False)
    check_owned("http://203.0.113.7/", own=True)


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        check_owned(url, own=True)
