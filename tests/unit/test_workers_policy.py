"""When workers are started, replaced and stopped."""

from __future__ import annotations

from gapless.serve.workers.policy import (
    CLOSE_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    MOST_DEATHS,
    START_S,
    STEADY_S,
    Action,
    Again,
    GaveUp,
    InForce,
    Kill,
    Plan,
    Policy,
    ReloadFailed,
    Retire,
    Start,
    Stop,
)

TWO = Plan(2, drain_s=5.0, reload_drain_s=600.0)


def started(plan: Plan = TWO) -> Policy:
    """A policy whose workers are all ready at 0."""
    policy = Policy(plan)
    policy.tick(0)
    for number in range(plan.workers):
        policy.ready(f"g1w{number}", 0)
    return policy


def named(actions: list[Action], kind: type[Start | Retire | Stop | Kill]) -> list[str]:
    return [action.name for action in actions if isinstance(action, kind)]


def test_the_first_worker_begins_alone_and_the_others_when_it_is_ready() -> None:
    policy = Policy(Plan(3, 5, 600))

    assert policy.tick(0) == [Start("g1w0", 0)]
    assert policy.tick(1) == []
    assert policy.ready("g1w0", 2) == [Start("g1w1", 1), Start("g1w2", 2)]
    assert policy.ready("g1w1", 3) == []
    assert policy.ready("g1w2", 4) == [InForce(1)]


def test_a_server_whose_first_worker_cannot_start_gives_up_at_once() -> None:
    policy = Policy(TWO)
    policy.tick(0)

    assert policy.died("g1w0", "no such model", 1) == [GaveUp("no such model")]
    assert policy.failure == "no such model"
    assert policy.finished


def test_a_worker_that_dies_after_it_served_well_is_started_again_at_once() -> None:
    policy = started()

    assert policy.died("g1w1", "killed", STEADY_S) == [
        Again("g1w1", "killed", 0),
        Start("g1w1", 1),
    ]


def test_a_worker_that_dies_soon_is_started_later_each_time() -> None:
    policy = started()
    now_s, pauses = 0.0, []
    for _ in range(12):
        (again,) = policy.died("g1w1", "killed", now_s)
        assert isinstance(again, Again)
        pauses.append(again.pause_s)
        due_s = policy.due_s
        assert due_s == now_s + again.pause_s
        assert policy.tick(due_s - 0.001) == []
        assert named(policy.tick(due_s), Start) == ["g1w1"]
        now_s = due_s
    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert policy.failure is None, "the other one serves"


def test_the_server_gives_up_when_nobody_serves_and_workers_keep_dying() -> None:
    policy = started(Plan(1, 5, 600))
    now_s = 0.0
    for _ in range(MOST_DEATHS - 1):
        (again,) = policy.died("g1w0", "killed", now_s)
        assert isinstance(again, Again)
        now_s += again.pause_s
        policy.tick(now_s)

    assert policy.died("g1w0", "killed", now_s) == [GaveUp("killed")]
    assert policy.finished


def test_after_a_reload_the_old_workers_retire_when_all_new_ones_are_ready() -> None:
    policy = started()

    assert policy.reload(Plan(3, 5, 60), 10) == [Start("g2w0", 0)]
    assert policy.ready("g2w0", 11) == [Start("g2w1", 1), Start("g2w2", 2)]
    assert policy.ready("g2w1", 12) == []
    assert policy.ready("g2w2", 13) == [Retire("g1w0"), Retire("g1w1"), InForce(2)]
    # They have the patience of the settings they were started with; then they are stopped as at the end.
    assert policy.due_s == 13 + TWO.reload_drain_s
    assert policy.tick(13 + TWO.reload_drain_s) == [Stop("g1w0"), Stop("g1w1")]
    assert policy.died("g1w0", "", 620) == []
    assert policy.tick(13 + TWO.reload_drain_s + TWO.drain_s + CLOSE_S) == [Kill("g1w1")]


def test_a_reload_that_fails_leaves_the_old_workers_alone() -> None:
    policy = started()
    policy.reload(Plan(2, 5, 600), 10)
    policy.ready("g2w0", 11)

    assert policy.died("g2w1", "no such model", 12) == [
        Stop("g2w0"),
        ReloadFailed("no such model"),
    ]
    assert policy.died("g2w0", "", 13) == []
    # The old ones are looked after as before, and another reload begins anew.
    assert named(policy.died("g1w0", "killed", 100), Start) == ["g1w0"]
    assert policy.reload(TWO, 101) == [Start("g3w0", 0)]


def test_a_reload_during_a_reload_takes_its_place() -> None:
    policy = started()
    policy.reload(TWO, 10)

    assert policy.reload(TWO, 11) == [Stop("g2w0"), Start("g3w0", 0)]
    assert policy.ready("g2w0", 12) == []
    assert policy.died("g2w0", "", 13) == []


def test_stopping_stops_everybody_once_and_kills_when_asked_again() -> None:
    policy = started()
    policy.reload(Plan(1, 5, 600), 10)
    policy.ready("g2w0", 11)
    policy.reload(Plan(1, 5, 600), 12)

    assert sorted(named(policy.stop(13), Stop)) == ["g1w0", "g1w1", "g2w0", "g3w0"]
    assert policy.reload(TWO, 14) == []
    assert policy.died("g2w0", "", 14) == []
    assert not policy.finished
    assert sorted(named(policy.stop(15), Kill)) == ["g1w0", "g1w1", "g3w0"]
    for name in ("g1w0", "g1w1", "g3w0"):
        policy.died(name, "", 16)
    assert policy.finished


def test_a_worker_that_does_not_get_ready_is_ended() -> None:
    policy = Policy(TWO)
    policy.tick(0)

    assert policy.due_s == START_S
    assert policy.tick(START_S) == [Kill("g1w0")]
