from __future__ import annotations

from gapless.bench.load.dispatch import Dispatch


def dispatch(*due_s: float, most_waiting: int = 10, patience_s: float = 100.0) -> Dispatch[str]:
    return Dispatch(iter(due_s), most_waiting=most_waiting, patience_s=patience_s)


def test_what_is_due_goes_to_free_connections_in_turn() -> None:
    desk = dispatch(1.0, 2.0, 3.0)
    desk.free("a", 0.0)
    desk.free("b", 0.0)

    assert list(desk.due(0.5)) == []
    assert list(desk.due(1.0)) == [(1.0, "a")]
    desk.free("a", 1.5)
    assert list(desk.due(3.0)) == [(2.0, "b"), (3.0, "a")]
    assert desk.is_done


def test_a_request_that_waits_for_a_connection_keeps_the_time_it_was_due() -> None:
    desk = dispatch(1.0, 2.0)

    assert list(desk.due(2.5)) == [(1.0, None), (2.0, None)]
    assert desk.waiting == 2
    assert not desk.is_done
    assert desk.free("a", 9.0) == 1.0
    assert desk.free("a", 9.5) == 2.0
    assert desk.free("a", 9.9) is None
    assert desk.is_done


def test_what_finds_no_place_is_given_up_and_told() -> None:
    desk = dispatch(1.0, 2.0, 3.0, most_waiting=1)

    list(desk.due(3.0))

    assert desk.waiting == 1
    assert list(desk.given_up) == [2.0, 3.0]


def test_who_has_waited_too_long_is_given_up_and_told() -> None:
    desk = dispatch(1.0, 2.0, patience_s=5.0)
    list(desk.due(2.0))

    assert desk.free("a", 6.5) == 2.0

    assert list(desk.given_up) == [1.0]


def test_a_lost_connection_gets_nothing() -> None:
    desk = dispatch(1.0)
    desk.free("a", 0.0)
    desk.free("b", 0.0)

    desk.lost("a")
    desk.lost("never free")

    assert list(desk.due(1.0)) == [(1.0, "b")]
