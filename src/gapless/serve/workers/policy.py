"""When workers are started, replaced and stopped: the supervisor's decisions, without processes, signals or clocks.

In: what happened (a worker is ready, died; a reload or the end was asked for), and the time. Out: what to do about it.
Invariants: the first worker of a start or reload begins alone, so that what is wrong shows once and is made once
(migrations, compiled kernels); while a reload is under way the old workers serve, and they go on if it fails; whoever
dies is started again, later each time it dies soon; the server gives up only while nobody serves or is about to.
Thread: any, one at a time; ``now_s`` does not go back.

    a generation: first worker ──ready──> all others ──all ready──> in force; the generation before retires
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, final

from msgspec import Struct

from gapless.serve.workers.siblings import worker_name

STEADY_S: Final = 10.0
"""Who died after serving for longer than this was not ill from the start, and is started again at once."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0

MOST_DEATHS: Final = 5
"""Deaths in a row, each soon after the start, after which the server gives up if nobody serves."""

START_S: Final = 600.0
"""A worker that is not ready after this hangs: loading the largest models takes a fraction."""

CLOSE_S: Final = 45.0
"""What a worker that stops may take to close its engine, besides draining its streams."""


class Plan(Struct, frozen=True):
    """What is to be run."""

    workers: int
    drain_s: float
    """For streams when they stop."""
    reload_drain_s: float
    """For streams of workers that are replaced."""


class Start(Struct, frozen=True):
    """Start a worker."""

    name: str
    number: int


class Retire(Struct, frozen=True):
    """Tell a worker to take nothing new, and to end when what it has is over."""

    name: str


class Stop(Struct, frozen=True):
    """Tell a worker to stop in order."""

    name: str


class Kill(Struct, frozen=True):
    """End a worker at once."""

    name: str


class InForce(Struct, frozen=True):
    """All workers of a generation are ready, and those before are told to go."""

    generation: int


class ReloadFailed(Struct, frozen=True):
    """New workers did not start; the old ones go on."""

    reason: str


class Again(Struct, frozen=True):
    """A worker died, and is started again after a pause."""

    name: str
    reason: str
    pause_s: float


class GaveUp(Struct, frozen=True):
    """Workers die at the start, and nobody serves."""

    reason: str


Action: TypeAlias = Start | Retire | Stop | Kill | InForce | ReloadFailed | Again | GaveUp


class _Slot(Struct):
    """A place for a worker."""

    number: int
    state: Literal["empty", "starting", "ready"] = "empty"
    since_s: float = 0.0
    due_s: float = 0.0
    """When an empty one may be filled."""
    deaths: int = 0
    """In a row, soon after the start."""


class _Generation(Struct):
    """The workers of one start or reload."""

    number: int
    plan: Plan
    slots: list[_Slot]
    opened: bool = False
    """One of them has been ready."""

    def slot_of(self, name: str) -> _Slot | None:
        """The place of a worker."""
        return next((slot for slot in self.slots if self.name_of(slot) == name), None)

    def name_of(self, slot: _Slot) -> str:
        """The worker of a place."""
        return worker_name(self.number, slot.number)

    @property
    def serving(self) -> bool:
        """Whether any of them accepts connections."""
        return any(slot.state == "ready" for slot in self.slots)

    @property
    def complete(self) -> bool:
        """Whether all are ready."""
        return all(slot.state == "ready" for slot in self.slots)


class _Leaving(Struct):
    """A worker that was told to go."""

    until_s: float
    is_retiring: bool
    drain_s: float


def _generation(number: int, plan: Plan) -> _Generation:
    return _Generation(number, plan, [_Slot(each) for each in range(plan.workers)])


@final
class Policy:
    """See the module's head; ``tick`` it first, and whenever ``due_s`` has come.

    Args:
        plan: what is to be run.
    """

    def __init__(self, plan: Plan) -> None:
        self._current = _generation(1, plan)
        self._next: _Generation | None = None
        self._leaving: dict[str, _Leaving] = {}
        self._announced = 0
        """The last generation that was."""
        self._last = 1
        self.stopping = False
        self.failure: str | None = None
        """Why it gave up."""

    @property
    def newest(self) -> int:
        """The generation of the last start or reload."""
        return self._last

    @property
    def finished(self) -> bool:
        """Whether it is over: asked to stop, and nobody is left."""
        return self.stopping and not self._leaving

    @property
    def due_s(self) -> float | None:
        """When ``tick`` has something to do, if nothing happens before."""
        times = [leaving.until_s for leaving in self._leaving.values()]
        for generation in self._generations():
            for slot in _wanted(generation):
                if slot.state == "empty":
                    times.append(slot.due_s)
                elif slot.state == "starting":
                    times.append(slot.since_s + START_S)
        return min(times, default=None)

    def tick(self, now_s: float) -> list[Action]:
        """Do what is due."""
        actions: list[Action] = []
        for generation in self._generations():
            for slot in _wanted(generation):
                name = generation.name_of(slot)
                if slot.state == "empty" and slot.due_s <= now_s:
                    slot.state, slot.since_s = "starting", now_s
                    actions.append(Start(name, slot.number))
                elif slot.state == "starting" and slot.since_s + START_S <= now_s:
                    slot.since_s = now_s  # its death is told when it comes
                    actions.append(Kill(name))
        for name, leaving in self._leaving.items():
            if leaving.until_s > now_s:
                continue
            if leaving.is_retiring:
                actions.append(self._stop(name, leaving.drain_s, now_s))
            else:
                leaving.until_s = now_s + CLOSE_S
                actions.append(Kill(name))
        return actions

    def ready(self, name: str, now_s: float) -> list[Action]:
        """A worker accepts connections."""
        for generation in self._generations():
            slot = generation.slot_of(name)
            if slot is not None and slot.state == "starting":
                slot.state, slot.since_s = "ready", now_s
                generation.opened = True
        return [*self._take_over(now_s), *self.tick(now_s)]

    def died(self, name: str, reason: str, now_s: float) -> list[Action]:
        """A worker's process has ended.

        Args:
            name: of the worker.
            reason: as a sentence.
            now_s: the time.
        """
        if self._leaving.pop(name, None) is not None:
            return []
        if self._next is not None and self._next.slot_of(name) is not None:
            self._next.slots = [s for s in self._next.slots if self._next.name_of(s) != name]
            return [*self._drop_next(now_s), ReloadFailed(reason)]
        slot = self._current.slot_of(name)
        if slot is None:
            return []
        served_s = now_s - slot.since_s if slot.state == "ready" else 0.0
        slot.state = "empty"
        slot.deaths = 0 if served_s >= STEADY_S else slot.deaths + 1
        is_hopeless = slot.deaths >= MOST_DEATHS or not self._current.opened
        if is_hopeless and self._next is None and not self._current.serving:
            self.failure = reason
            return [GaveUp(reason), *self.stop(now_s)]
        pause_s = min(FIRST_PAUSE_S * 2 ** (slot.deaths - 1), LONGEST_PAUSE_S) if slot.deaths else 0
        slot.due_s = now_s + pause_s
        return [Again(name, reason, pause_s), *self._take_over(now_s), *self.tick(now_s)]

    def reload(self, plan: Plan, now_s: float) -> list[Action]:
        """Replace all workers; a reload that is under way is given up for this one."""
        if self.stopping:
            return []
        actions = self._drop_next(now_s)
        self._last += 1
        self._next = _generation(self._last, plan)
        return [*actions, *self.tick(now_s)]

    def stop(self, now_s: float) -> list[Action]:
        """Stop all workers in order; asked a second time, end them at once."""
        if self.stopping:
            for leaving in self._leaving.values():
                leaving.is_retiring, leaving.until_s = False, now_s + CLOSE_S
            return [Kill(name) for name in self._leaving]
        self.stopping = True
        actions = self._drop_next(now_s)
        drain_s = self._current.plan.drain_s
        actions += [self._stop(name, drain_s, now_s) for name in self._names(self._current)]
        retiring = [name for name, leaving in self._leaving.items() if leaving.is_retiring]
        actions += [self._stop(name, self._leaving[name].drain_s, now_s) for name in retiring]
        self._current.slots = []
        return actions

    def _take_over(self, now_s: float) -> list[Action]:
        """Put a generation in force once it is complete, or the one before has nobody left who serves."""
        actions: list[Action] = []
        fresh = self._next
        if fresh is not None and (fresh.complete or (fresh.serving and not self._current.serving)):
            old, self._current, self._next = self._current, fresh, None
            for slot in old.slots:
                name = old.name_of(slot)
                if slot.state == "ready":
                    until_s = now_s + old.plan.reload_drain_s
                    self._leaving[name] = _Leaving(until_s, True, old.plan.drain_s)
                    actions.append(Retire(name))
                elif slot.state == "starting":
                    actions.append(self._stop(name, old.plan.drain_s, now_s))
        current = self._current
        if current.complete and current.slots and self._announced != current.number:
            self._announced = current.number
            actions.append(InForce(current.number))
        return actions

    def _drop_next(self, now_s: float) -> list[Action]:
        """Give up a reload that is under way."""
        dropped, self._next = self._next, None
        if dropped is None:
            return []
        return [self._stop(name, dropped.plan.drain_s, now_s) for name in self._names(dropped)]

    def _stop(self, name: str, drain_s: float, now_s: float) -> Stop:
        self._leaving[name] = _Leaving(now_s + drain_s + CLOSE_S, False, drain_s)
        return Stop(name)

    def _generations(self) -> list[_Generation]:
        return [self._current] if self._next is None else [self._current, self._next]

    @staticmethod
    def _names(generation: _Generation) -> list[str]:
        """Those that have a process."""
        return [generation.name_of(slot) for slot in generation.slots if slot.state != "empty"]


def _wanted(generation: _Generation) -> list[_Slot]:
    """The first alone, until one has been ready."""
    return generation.slots if generation.opened else generation.slots[:1]
