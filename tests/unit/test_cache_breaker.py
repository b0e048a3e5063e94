from __future__ import annotations

from gapless.cache.breaker import Breaker


def test_a_failure_opens_it_and_a_probe_closes_it() -> None:
    breaker = Breaker(1.0, 30.0)
    states = [breaker.state]
    assert breaker.failed(0.0)
    states.append(breaker.state)
    assert not breaker.probe(0.9)
    assert breaker.probe(1.0)
    states.append(breaker.state)
    assert not breaker.probe(1.0)
    breaker.probed(1.1, healthy=True)
    states.append(breaker.state)
    assert states == ["closed", "open", "half-open", "closed"]
    assert breaker.opened == 1


def test_failures_of_one_moment_count_once() -> None:
    breaker = Breaker(1.0, 30.0)
    assert [breaker.failed(0.0) for _ in range(3)] == [True, False, False]
    assert breaker.until_s == 1.0
    assert breaker.opened == 1


def test_pauses_double_up_to_their_bound_and_are_short_again() -> None:
    breaker, now_s, pauses = Breaker(1.0, 5.0), 0.0, []
    breaker.failed(now_s)
    for _ in range(5):
        pauses.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        assert breaker.probe(now_s)
        breaker.probed(now_s, healthy=False)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert breaker.probe(breaker.until_s)
    breaker.probed(100.0, healthy=True)
    breaker.failed(200.0)
    assert breaker.until_s == 201.0


def test_a_probe_that_nobody_began_says_nothing() -> None:
    breaker = Breaker(1.0, 5.0)
    breaker.failed(0.0)
    breaker.probed(0.5, healthy=True)
    assert breaker.state == "open"
