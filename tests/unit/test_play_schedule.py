"""The scheduler asks patterns in turns: nothing is late, left out or told twice, and no call asks them all."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from gapless.play.mini import mini
from gapless.play.pattern import Event, Pattern
from gapless.play.program import Controls
from gapless.play.schedule import Heard, Scheduler
from gapless.play.time import Span

RATE_HZ = 44_100
COUNT = 20
TEXTS = [f"[a b? <c d>]*{1 + n % 5}" for n in range(COUNT)]


class Counted:
    """Outputs, each with a pattern of words; says how many of them were asked."""

    def __init__(self) -> None:
        self.asked = 0
        voices = [
            SimpleNamespace(output=str(n), pattern=self._pattern(text), instruments={}, banks={})
            for n, text in enumerate(TEXTS)
        ]
        self.graph: Any = SimpleNamespace(voices=voices, steps=[], outputs={})

    def _pattern(self, text: str) -> Pattern[Controls]:
        inner = mini(text).map(lambda word: {"s": word})

        def ask(span: Span) -> list[Event[Controls]]:
            self.asked += 1
            return inner.ask(span)

        return Pattern(ask)


def silent_scheduler() -> tuple[Scheduler, list[Heard]]:
    scheduler = Scheduler(RATE_HZ, Fraction(1, 2), lambda *_, **__: None)
    heard: list[Heard] = []
    scheduler.listeners.append(heard.append)
    return scheduler, heard


@pytest.mark.parametrize("step", [64, 512, 4096, 100_000])
def test_all_is_told_in_time_and_in_order(step: int) -> None:
    scheduler, heard = silent_scheduler()
    graph = Counted().graph
    told = []
    while scheduler.posted < 5 * RATE_HZ:
        before = scheduler.posted
        scheduler.advance(graph, before + step)
        assert all(before <= one.begin < before + step for one in heard)
        told += [(one.begin, int(one.output), one.event.value["s"]) for one in heard]
        heard.clear()
    expected = [
        (scheduler.sample_at(event.whole.begin), number, event.value)
        for number, text in enumerate(TEXTS)
        for event in mini(text).query(0, scheduler.cycle_at(scheduler.posted) + 1)
        if event.has_onset and event.whole is not None
    ]
    assert told == sorted(one for one in expected if one[0] < scheduler.posted)


def test_patterns_take_turns() -> None:
    scheduler, _ = silent_scheduler()
    counted = Counted()
    scheduler.advance(counted.graph, 512)
    asked = []
    while scheduler.posted < 5 * RATE_HZ:
        counted.asked = 0
        scheduler.advance(counted.graph, scheduler.posted + 512)
        asked.append(counted.asked)
    assert max(asked) < COUNT / 4
    # Each is asked for at least 0.15 s at a time.
    assert sum(asked) <= COUNT * 5 / 0.15
