"""From patterns to triggers: what begins at which sample.

In: a graph's feeds, up to which sample to look. Out: triggers and steps in the records' queues, in order, each at the
sample nearest to its time; the same events to listeners, who draw them or pass them on to other machines. Invariants:
pure arithmetic, exact: no sample is asked for twice or left out, however long it runs; nothing is posted beyond what
was asked for; the speed may change at any sample, from which on the cycles go on without a jump. Thread: one.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.play.controls import MAX_SPEED, MIN_SPEED, mean_speed
from gapless.play.graph import Graph, Node, Steps, Voices
from gapless.play.pattern import Event
from gapless.play.program import Controls
from gapless.play.ratio import ratio
from gapless.play.samples.sound import Sound
from gapless.play.sound import steps, trigger
from gapless.play.time import Span
from gapless.play.voices import Voice

HALF: Final = ratio(1, 2)
MOST_REASONS: Final = 100
AHEAD_S: Final = 0.15
"""By which patterns are asked before what they say has to be posted; up to twice as much is asked at a time."""
CONTINUOUS_SAMPLES: Final = 256
"""Between two samples of a pattern that is continuous."""

Triggers: TypeAlias = npt.NDArray[np.void]


class Heard(NamedTuple):
    """An event that begins, whether or not a voice of ours plays it."""

    output: str
    event: Event[Controls]
    begin: int
    """Sample in which it begins."""
    end: int
    """Sample in which its time is over; what rings, rings on."""


Listener: TypeAlias = Callable[[Heard], None]
"""Is told each event once, in order, as far ahead as the scheduler posts. Neither blocks nor raises."""

Post: TypeAlias = tuple[Node, Triggers | float] | Heard
"""A trigger for a node, or a value of its steps; or what listeners are told."""


class MakeTrigger(Protocol):
    """Says who plays an event, and fills in the order: ``triggers_of`` of some sounds."""

    def __call__(
        self,
        event: Event[Controls],
        at: int,
        samples_per_cycle: Fraction,
        *,
        out: Any,
        instruments: Collection[str],
    ) -> Voice | None:
        """None: nobody does."""
        ...


@final
class Scheduler:
    """The clock of the patterns.

    Args:
        rate_hz: of the samples.
        cps: cycles per second.
        make_trigger: see above.
    """

    def __init__(self, rate_hz: int, cps: Fraction, make_trigger: MakeTrigger) -> None:
        self._rate_hz = rate_hz
        self._make_trigger = make_trigger
        self.cps: Fraction = ratio(cps)
        self._anchor: tuple[int, Fraction] = (0, ratio(0))
        """A sample and the cycle that it lies at."""
        self.posted = 0
        """Samples up to which everything has been posted."""
        self.unheard: Counter[str] = Counter()
        """Triggers that nobody could play, by what they asked for."""
        self.failed: Counter[str] = Counter()
        """Patterns that could not answer, by output and reason."""
        self.refused = 0
        """Triggers and steps for which there was no room."""
        self.listeners: Final[list[Listener]] = []
        self._graph: Graph | None = None
        self._asked_steps = 0
        """Samples up to which the patterns of that graph that are signals have been asked."""
        self._asked_voices: list[int] = []
        """The same of those that start voices, each for itself."""
        self._waiting: list[tuple[int, int, int, Post]] = []
        """What they said and is not posted yet, by its sample and its pattern; a heap."""
        self._said = 0
        self._held: list[tuple[int, int, Sound]] = []
        """Sounds that voices read, with the sample at which they are done; a heap."""
        self._held_count = 0

    def cycle_at(self, sample: int) -> Fraction:
        """Where a sample lies."""
        start, cycle = self._anchor
        return cycle + (sample - start) * self.cps / self._rate_hz

    def sample_at(self, cycle: Fraction) -> int:
        """The sample nearest to a time."""
        start, first = self._anchor
        return start + math.floor((cycle - first) * self._rate_hz / self.cps + HALF)

    def set_cps(self, cps: Fraction) -> None:
        """Another speed from the next sample on that is to be posted."""
        self._anchor = (self.posted, self.cycle_at(self.posted))
        self.cps = ratio(cps)
        self._forget()

    def set_cycle(self, cycle: Fraction) -> None:
        """Another time from the next sample on that is to be posted."""
        self._anchor = (self.posted, ratio(cycle))
        self._forget()

    def advance(self, graph: Graph, until: int) -> None:
        """Post all that begins before a sample.

        Args:
            graph: whose feeds.
            until: the sample.
        """
        if until <= self.posted:
            return
        if graph is not self._graph:
            self._graph = graph
            self._forget()
        self._ask(graph, until)
        triggers: dict[int, tuple[Node, list[Triggers]]] = {}
        values: dict[int, tuple[Node, list[tuple[int, float]]]] = {}
        while self._waiting and self._waiting[0][0] < until:
            at, _, _, post = heapq.heappop(self._waiting)
            if isinstance(post, Heard):
                self._tell(graph, post)
                continue
            node, what = post
            if isinstance(what, float):
                values.setdefault(id(node), (node, []))[1].append((at, what))
            else:
                triggers.setdefault(id(node), (node, []))[1].append(what)
        for node, orders in triggers.values():
            self.refused += len(orders) - trigger.post(node.record, _together(orders))
        for node, found in values.values():
            self._post_values(node, found)
        self.posted = until

    def _tell(self, graph: Graph, heard: Heard) -> None:
        output = graph.outputs.get(heard.output)
        if output is None or output.plays:
            for listener in self.listeners:
                listener(heard)

    def begin(self, graph: Graph) -> None:
        """Post what holds already where a graph begins: the values of its stepped patterns."""
        now = self._before(self.posted)
        for feed in graph.steps:
            self._guarded(feed.output, partial(self._begin, feed, now))

    def _begin(self, feed: Steps, now: Fraction) -> None:
        values = [event.value for event in feed.pattern.query(now, now)]
        if values:
            self._post_values(feed.node, [(self.posted, float(values[-1]))])

    def _before(self, sample: int) -> Fraction:
        start, cycle = self._anchor
        return cycle + (sample - start - HALF) * self.cps / self._rate_hz

    def _forget(self) -> None:
        """Ask anew from where everything has been posted."""
        self._waiting.clear()
        self._asked_steps = self.posted
        self._asked_voices = [self.posted] * (len(self._graph.voices) if self._graph else 0)

    def _ask(self, graph: Graph, until: int) -> None:
        # Asking costs much the same however little is asked for: it is done seldom, and before it is needed.
        ahead = round(AHEAD_S * self._rate_hz)
        if self._asked_steps < until + ahead:
            begin, self._asked_steps = self._asked_steps, max(until, self._asked_steps) + ahead
            span = self._span(begin, self._asked_steps)
            for number, feed in enumerate(graph.steps, len(graph.voices)):
                self._guarded(feed.output, partial(self._ask_steps, number, feed, span))
        # Those who have time take turns, so that no block pays for all: as many as there are when each is asked once
        # while what was asked ahead goes by.
        turns = 1 + len(graph.voices) * (until - self.posted) // ahead
        asked = self._asked_voices
        for number in sorted(range(len(asked)), key=asked.__getitem__):
            begin = asked[number]
            if begin >= until and (turns <= 0 or begin >= until + ahead):
                break
            turns -= 1
            asked[number] = until + 2 * ahead
            voices, span = graph.voices[number], self._span(begin, asked[number])
            self._guarded(voices.output, partial(self._ask_voices, number, voices, span))

    def _span(self, begin: int, end: int) -> Span:
        # The nearest sample of a time is below `end` as long as the time is half a sample before it.
        return Span(self._before(begin), self._before(end))

    def _guarded(self, output: str, ask: Callable[[], None]) -> None:
        """A pattern that cannot answer is silent for that time; the others play on."""
        try:
            ask()
        except Exception as error:  # noqa: BLE001  whatever a pattern's own code raises
            reason = f"{output}: {type(error).__name__}: {error}"
            if reason in self.failed or len(self.failed) < MOST_REASONS:
                self.failed[reason] += 1

    def _wait(self, at: int, feed: int, post: Post) -> None:
        # The numbers keep those of one sample in the order of the patterns, and in that in which they were said.
        self._said += 1
        heapq.heappush(self._waiting, (at, feed, self._said, post))

    def _ask_voices(self, number: int, voices: Voices, span: Span) -> None:
        samples_per_cycle = self._rate_hz / self.cps
        instruments = {name for name, _ in voices.instruments}
        for event in voices.pattern.ask(span):
            if not event.has_onset or event.whole is None:
                continue
            at = self.sample_at(event.whole.begin)
            if self.listeners:
                ends = self.sample_at(event.whole.end)
                self._wait(at, number, Heard(voices.output, event, at, ends))
            order = np.zeros(1, trigger.TRIGGER)
            voice = self._make_trigger(
                event, at, samples_per_cycle, out=order[0], instruments=instruments
            )
            if voice is None:
                continue
            effects = tuple(event.value.get("fx", ()))
            if voice.kind == trigger.INSTANCE:
                node = voices.instruments.get((voice.name, effects))
            else:
                node = voices.banks.get(effects)
            if node is None:
                self.unheard[voice.name] += 1
                continue
            if voice.sound is not None:
                self._hold(voice.sound, order[0])
            order["at"] = at
            self._wait(at, number, (node, order))

    def _hold(self, sound: Sound, order: Any) -> None:
        """Keep the memory of a sound for as long as a voice may read it."""
        while self._held and self._held[0][0] < self.posted:
            heapq.heappop(self._held)
        speed, octaves = (float(order["values"][n]) for n in (trigger.SPEED, trigger.ACCELERATE))
        pace = max(abs(speed) * mean_speed(octaves), MIN_SPEED / MAX_SPEED)
        # A loop goes on while it is released; one that comes too late begins now.
        held = float(order["hold"]) + float(order["values"][trigger.RELEASE_S]) * self._rate_hz
        begins = max(int(order["at"]), self.posted)
        ends = begins + math.ceil(max(held, order["length"] / pace)) + self._rate_hz
        self._held_count += 1
        heapq.heappush(self._held, (int(ends), self._held_count, sound))

    def _ask_steps(self, number: int, feed: Steps, span: Span) -> None:
        values: list[tuple[int, float]] = []
        events = feed.pattern.ask(span)
        if any(event.whole is None for event in events):
            length = CONTINUOUS_SAMPLES * self.cps / self._rate_hz
            count = math.ceil((span.end - span.begin) / length)
            begins = [span.begin + n * length for n in range(count)]
            values = [
                (self.sample_at(begin), float(event.value))
                for begin in begins
                for event in feed.pattern.query(begin, min(begin + length, span.end))
            ]
        else:
            values = [
                (self.sample_at(event.whole.begin), float(event.value))
                for event in events
                if event.has_onset and event.whole is not None
            ]
        for at, value in values:
            self._wait(at, number, (feed.node, value))

    def _post_values(self, node: Node, values: Sequence[tuple[int, float]]) -> None:
        waiting = np.zeros(len(values), steps.STEP)
        for row, (at, value) in zip(waiting, values, strict=True):
            row["at"], row["value"] = at, value
        self.refused += len(waiting) - steps.post(node.record, waiting)


def _together(orders: Sequence[Triggers]) -> Triggers:
    """Orders in one array; to concatenate them, NumPy would look at each field of each."""
    together = np.empty(len(orders), trigger.TRIGGER)
    for row, order in enumerate(orders):
        together[row] = order[0]
    return together
