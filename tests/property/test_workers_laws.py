"""What holds for a server of several workers, whatever happens to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.serve.workers.policy import Action, GaveUp, Kill, Plan, Policy, Retire, Start, Stop

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ready", "ready", "ready", "died", "reload", "tick", "stop"]),
        st.integers(0, 9),
        st.floats(0, 40),
    ),
    max_size=40,
)


class Machine:
    """Processes, as the policy's actions make them."""

    def __init__(self) -> None:
        self.serving: dict[str, str] = {}
        """What each process was last told, by name."""
        self.ready: set[str] = set()
        self.gave_up = False

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start():
                    assert action.name not in self.serving, "two processes of one name"
                    self.serving[action.name] = "serve"
                case Retire():
                    assert self.serving[action.name] == "serve"
                    assert action.name in self.ready
                    self.serving[action.name] = "retire"
                case Stop():
                    assert self.serving[action.name] in ("serve", "retire")
                    self.serving[action.name] = "stop"
                case Kill():
                    assert action.name in self.serving
                case GaveUp():
                    assert not self.accepting
                    self.gave_up = True
                case _:
                    pass

    @property
    def accepting(self) -> set[str]:
        return {name for name in self.ready if self.serving[name] == "serve"}


@pytest.mark.long
@given(EVENTS, st.integers(1, 4))
def test_the_port_is_always_served_once_it_was_until_somebody_stops_it(
    events: list[tuple[str, int, float]], workers: int
) -> None:
    policy, machine, now_s = Policy(Plan(workers, 5, 60)), Machine(), 0.0
    machine.do(policy.tick(now_s))
    for kind, number, pause_s in events:
        now_s += pause_s
        names = sorted(machine.serving)
        name = names[number % len(names)] if names else ""
        before = machine.accepting
        if kind == "ready" and name and machine.serving[name] == "serve":
            if name not in machine.ready:
                machine.ready.add(name)
                machine.do(policy.ready(name, now_s))
        elif kind == "died" and name:
            del machine.serving[name]
            machine.ready.discard(name)
            before -= {name}
            machine.do(policy.died(name, "killed", now_s))
        elif kind == "reload":
            machine.do(policy.reload(Plan(1 + number % 4, 5, 60), now_s))
        elif kind == "stop" and number == 0:
            machine.do(policy.stop(now_s))
        else:
            machine.do(policy.tick(now_s))
        if not policy.stopping:
            # Nothing that the policy does leaves the port to nobody.
            assert machine.accepting or not before
            assert machine.serving or policy.due_s is not None
        due_s = policy.due_s
        if due_s is not None and due_s <= now_s:
            machine.do(policy.tick(now_s))

    if not policy.stopping:
        machine.do(policy.stop(now_s))
    assert all(told == "stop" for told in machine.serving.values()), "nobody is forgotten"
    for name in list(machine.serving):
        del machine.serving[name]
        machine.ready.discard(name)
        machine.do(policy.died(name, "", now_s))
    assert policy.finished
