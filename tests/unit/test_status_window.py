"""What was counted between looks at the metrics: rates, buckets, and counters that begin anew."""

from __future__ import annotations

import math

import pytest
from prometheus_client import Metric

from gapless.serve.status.window import Snapshot, Window, by, chosen, follow, take, total

NAMES = frozenset({"asked", "took", "workers"})


def snapshot(at_s: float, *, workers: int = 1, **asked: float) -> Snapshot:
    """Requests by dialect."""
    requests = Metric("asked", "Requests.", "counter")
    for dialect, count in asked.items():
        requests.add_sample("asked_total", {"dialect": dialect}, count)
        requests.add_sample("asked_created", {"dialect": dialect}, 1e9)
    several = Metric("workers", "Workers.", "gauge")
    several.add_sample("workers", {}, workers)
    return take([requests, several], NAMES, at_s, round(1000 * at_s))


def window_of(*snapshots: Snapshot) -> Window:
    """Over snapshots in a row."""
    told = [snapshots[0]]
    for snapshot in snapshots[1:]:
        told.append(follow(told[-1], snapshot, "workers"))
    return Window(told)


def counted(*snapshots: Snapshot) -> tuple[float, dict[str, float]]:
    """Seconds, and what was asked by dialect."""
    window = window_of(*snapshots)
    return window.seconds, by(window.increase("asked_total"), "dialect")


def test_what_grew_is_what_was_counted_in_between() -> None:
    window = window_of(snapshot(10, a=5, b=1), snapshot(15, a=7, b=1))

    assert window.seconds == 5
    assert by(window.increase("asked_total"), "dialect") == {"a": 2, "b": 0}
    assert window.rate("asked_total") == 0.4
    assert total(chosen(window.increase("asked_total"), dialect="a")) == 2


def test_what_was_not_there_before_counts_from_0() -> None:
    assert counted(snapshot(0, a=5), snapshot(5, a=5, b=3)) == (5, {"a": 0, "b": 3})


def test_a_step_over_which_a_counter_fell_counts_for_nothing() -> None:
    steps = [snapshot(0, a=100, b=1), snapshot(5, a=103, b=2), snapshot(10, a=2, b=9)]
    steps += [snapshot(15, a=4, b=10), snapshot(20, a=9, b=11)]

    # From 0 to 5 s, and from 10 to 20 s: what b grew by meanwhile is as doubtful as a.
    assert counted(*steps) == (15, {"a": 3 + 7, "b": 1 + 2})


def test_a_worker_that_did_not_answer_once_does_not_count_twice() -> None:
    steps = [snapshot(0, workers=2, a=1000), snapshot(5, workers=1, a=400)]
    steps += [snapshot(10, workers=2, a=1010), snapshot(15, workers=2, a=1015)]

    assert counted(*steps) == (5, {"a": 5})


def test_of_one_look_there_is_nothing_to_tell() -> None:
    window = window_of(snapshot(0, a=100))

    assert window.seconds == 0
    assert window.rate("asked_total") is None
    assert window.increase("asked_total") == {}
    assert window.per_s(3.0) == 0.0


def test_what_nobody_measures_is_none() -> None:
    window = window_of(snapshot(0), snapshot(5))

    assert window.rate("asked_total") is None
    assert total(window.now.of("asked_total")) is None


def test_histograms_are_told_together_or_by_label() -> None:
    def of(at_s: float, quick: int, slow: int) -> Snapshot:
        took = Metric("took", "Times.", "histogram")
        for dialect, count in (("a", quick), ("b", slow)):
            bounds = {"0.5": count if dialect == "a" else 0, "+Inf": count}
            for bound, at_most in bounds.items():
                took.add_sample("took_bucket", {"dialect": dialect, "le": bound}, at_most)
        return take([took], NAMES, at_s, 0)

    window = window_of(of(0, 10, 10), of(5, 13, 11))

    assert window.buckets("took") == [(0.5, 3.0), (math.inf, 4.0)]
    assert window.buckets("took", dialect="b") == [(0.5, 0.0), (math.inf, 1.0)]


def test_only_what_is_asked_for_is_kept() -> None:
    other = Metric("other", "Something else.", "gauge")
    other.add_sample("other", {}, 1.0)

    assert take([other], NAMES, 0, 0).series == {}


@pytest.mark.parametrize("count", [2, 12])
def test_a_window_over_many_looks_counts_as_one_over_the_first_and_the_last(count: int) -> None:
    steps = [snapshot(5.0 * i, a=float(i * i)) for i in range(count)]

    assert counted(*steps) == counted(steps[0], steps[-1])
