"""A pattern is a function from a span of time to the events in it.

In: a span, in cycles. Out: events: what holds (``whole``), the piece of it that was asked for (``part``), a value, and
where in the text it was written. Invariants: pure, so that asking twice gives the same, and asking in pieces gives the
pieces of the same; an event without ``whole`` is a sample of something continuous. Thread: any.

Source: A. McLean, "Making Programming Languages to Dance to: Live Coding with Tidal", FARM 2014; the meaning of every
operation is that of TidalCycles 1.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, final

from gapless.play.ratio import ratio, whole_number
from gapless.play.time import Span, cycle_of, whole_cycle

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")

Time: TypeAlias = Fraction | int
"""A time or a factor of it; floats are not exact and have no place here."""


class Place(NamedTuple):
    """Where in a text something was written."""

    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    length: int


@final
class Event(Generic[T]):
    """One value and when it holds."""

    __slots__ = ("part", "spans", "value", "whole")

    def __init__(
        self, whole: Span | None, part: Span, value: T, spans: tuple[Place, ...] = ()
    ) -> None:
        self.whole = whole
        """All the time for which it holds; None: it is a sample of something continuous."""
        self.part = part
        """The piece of it that was asked for."""
        self.value = value
        self.spans = spans
        """What was written to make it, the outermost first."""

    @property
    def has_onset(self) -> bool:
        """Whether it begins within its part, so that it is to be played."""
        return self.whole is not None and self.whole.begin == self.part.begin

    def with_value(self, value: U) -> Event[U]:
        """The same with another value."""
        return Event(self.whole, self.part, value, self.spans)

    def with_time(self, change: Callable[[Fraction], Fraction]) -> Event[T]:
        """The same at another time."""
        part = self.part.map(change)
        # Most events are seen as a whole, and exact arithmetic is what takes the time here.
        whole = part if self.whole == self.part else self.whole and self.whole.map(change)
        return Event(whole, part, self.value, self.spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and (
            (self.whole, self.part, self.value, self.spans)
            == (other.whole, other.part, other.value, other.spans)
        )

    __hash__ = None  # type: ignore[assignment]  # values may be dictionaries

    def __repr__(self) -> str:
        whole = "~" if self.whole is None else f"{self.whole.begin}..{self.whole.end}"
        return f"Event({whole}, {self.part.begin}..{self.part.end}, {self.value!r})"


Query: TypeAlias = Callable[[Span], list[Event[T]]]


class Constant(NamedTuple, Generic[T]):
    """What a pattern is that has the same value for ever, once a cycle."""

    value: T
    places: tuple[Place, ...]


@final
class Pattern(Generic[T]):
    """See above.

    Args:
        ask: gives the events whose wholes meet a span, each with the part that does. It is asked for spans of any
            length and must not keep anything between two questions.
        constant: what it is if it never changes; an argument that is constant costs nothing at a question.
    """

    __slots__ = ("ask", "constant")

    def __init__(self, ask: Query[T], constant: Constant[T] | None = None) -> None:
        self.ask = ask
        self.constant = constant

    def query(self, begin: Time, end: Time) -> list[Event[T]]:
        """The events from ``begin`` up to ``end``, in cycles."""
        return self.ask(Span(ratio(begin), ratio(end)))

    # --- values and events ---

    def map(self, change: Callable[[T], U]) -> Pattern[U]:
        """Every value changed."""
        if self.constant is not None:
            return pure(change(self.constant.value), *self.constant.places)
        return self.map_events(lambda event: event.with_value(change(event.value)))

    def map_events(self, change: Callable[[Event[T]], Event[U]]) -> Pattern[U]:
        """Every event changed; its time may only be narrowed."""
        return Pattern(lambda span: [change(event) for event in self.ask(span)])

    def keep(self, wanted: Callable[[Event[T]], bool]) -> Pattern[T]:
        """Only the events that are wanted."""
        return Pattern(lambda span: [event for event in self.ask(span) if wanted(event)])

    def at(self, *places: Place) -> Pattern[T]:
        """Every event says that it was written here, too."""
        if self.constant is not None:
            return pure(self.constant.value, *places, *self.constant.places)
        return self.map_events(
            lambda event: Event(event.whole, event.part, event.value, (*places, *event.spans))
        )

    # --- time ---

    def by_cycle(self) -> Pattern[T]:
        """Asked for one cycle at a time, so that ``ask`` need not care."""

        def ask(span: Span) -> list[Event[T]]:
            parts = span.cycles()
            if len(parts) == 1:
                return self.ask(parts[0])
            return [event for part in parts for event in self.ask(part)]

        return Pattern(ask)

    def warp(
        self, to_inner: Callable[[Fraction], Fraction], to_outer: Callable[[Fraction], Fraction]
    ) -> Pattern[T]:
        """Time changed by a function that grows, and back."""

        def ask(span: Span) -> list[Event[T]]:
            return [event.with_time(to_outer) for event in self.ask(span.map(to_inner))]

        return Pattern(ask)

    def fast(self, factor: Time) -> Pattern[T]:
        """``factor`` times as fast; not at all for 0, backwards for less."""
        factor = ratio(factor)
        if not factor:
            return silence()
        if factor < 0:
            return self.fast(-factor).rev()
        return self.warp(lambda t: t * factor, lambda t: t / factor)

    def slow(self, factor: Time) -> Pattern[T]:
        """``factor`` times as slow; silence for 0."""
        return self.fast(1 / ratio(factor)) if factor else silence()

    def early(self, shift: Time) -> Pattern[T]:
        """Sooner by so many cycles."""
        shift = ratio(shift)
        return self.warp(lambda t: t + shift, lambda t: t - shift)

    def late(self, shift: Time) -> Pattern[T]:
        """Later by so many cycles."""
        return self.early(-ratio(shift))

    def rev(self) -> Pattern[T]:
        """Every cycle backwards."""

        def turned(asked: Span, mirror: int) -> list[Event[T]]:
            def turn(other: Span) -> Span:
                return Span(mirror - other.end, mirror - other.begin)

            return [
                Event(event.whole and turn(event.whole), turn(event.part), event.value, event.spans)
                for event in self.ask(turn(asked))
            ]

        def ask(span: Span) -> list[Event[T]]:
            mirror = 2 * cycle_of(span.begin) + 1
            if span.begin < span.end:
                return turned(span, mirror)
            # At a point, what holds is what began there or before; mirrored, that would be what ends there or
            # after, which no question about a point can give.
            held = [event for event in turned(whole_cycle(span.begin), mirror) if event.whole]
            parts = [(event, event.part.meet(span)) for event in held]
            return [
                *(Event(one.whole, part, one.value, one.spans) for one, part in parts if part),
                *(event for event in turned(span, mirror) if event.whole is None),
            ]

        return Pattern(ask).by_cycle()

    def compress(self, begin: Time, end: Time) -> Pattern[T]:
        """Each cycle squeezed into a part of it; silence around."""
        begin, end = ratio(begin), ratio(end)
        if not 0 <= begin < end <= 1:
            return silence()
        return self.fast_gap(1 / (end - begin)).late(begin)

    def fast_gap(self, factor: Time) -> Pattern[T]:
        """Each cycle ``factor`` times as fast, once, then silence until the next."""
        factor = max(ratio(factor), ratio(1))

        def ask(span: Span) -> list[Event[T]]:
            cycle = whole_number(cycle_of(span.begin))

            def inner(time: Fraction) -> Fraction:
                return min(cycle + 1, cycle + (time - cycle) * factor)

            def outer(time: Fraction) -> Fraction:
                return cycle + (time - cycle) / factor

            asked = span.map(inner)
            if asked.begin == cycle + 1:
                return []
            events = []
            for event in self.ask(asked):
                part = event.part.map(outer).meet(span)
                if part is not None:
                    # A whole may reach out of its cycle: what is longer than a cycle begins but once.
                    whole = event.whole and event.whole.map(outer)
                    events.append(Event(whole, part, event.value, event.spans))
            return events

        return Pattern(ask).by_cycle()

    def zoom(self, begin: Time, end: Time) -> Pattern[T]:
        """A part of each cycle, stretched to the whole of it."""
        begin, end = ratio(begin), ratio(end)
        if begin >= end:
            return silence()
        length = end - begin

        def ask(span: Span) -> list[Event[T]]:
            cycle = cycle_of(span.begin)

            def inner(time: Fraction) -> Fraction:
                return (time - cycle) * length + cycle + begin

            def outer(time: Fraction) -> Fraction:
                return (time - cycle - begin) / length + cycle

            return [event.with_time(outer) for event in self.ask(span.map(inner))]

        return Pattern(ask).by_cycle()

    # --- two patterns together ---

    def both(self, other: Pattern[U], join: Callable[[T, U], V]) -> Pattern[V]:
        """Values of both where both hold: structure from both."""

        def ask(span: Span) -> list[Event[V]]:
            theirs = other.ask(span)
            events = []
            for left in self.ask(span):
                for right in theirs:
                    part = left.part.meet(right.part)
                    if part is None:
                        continue
                    whole = None
                    if left.whole is not None and right.whole is not None:
                        whole = left.whole.meet(right.whole)
                    spans = (*left.spans, *right.spans)
                    events.append(Event(whole, part, join(left.value, right.value), spans))
            return events

        return Pattern(ask)

    def left(self, other: Pattern[U], join: Callable[[T, U], V]) -> Pattern[V]:
        """Values of both, structure from this one: the other is asked for each event's whole."""
        if other.constant is not None:
            return self._left_of(other.constant, join)

        def ask(span: Span) -> list[Event[V]]:
            events = []
            whole: Span | None = None
            part: Span | None = None
            met: list[tuple[Span, Event[U]]] = []
            for mine in self.ask(span):
                # The tones of a chord have one and the same time: the other need not be asked for each.
                if mine.whole is not whole or mine.part is not part:
                    whole, part = mine.whole, mine.part
                    held = [(part.meet(one.part), one) for one in other.ask(whole or part)]
                    met = [(both, one) for both, one in held if both is not None]
                for both, theirs in met:
                    value = join(mine.value, theirs.value)
                    events.append(Event(whole, both, value, (*mine.spans, *theirs.spans)))
            return events

        return Pattern(ask)

    def _left_of(self, other: Constant[U], join: Callable[[T, U], V]) -> Pattern[V]:
        """As ``left``, without asking."""

        def ask(span: Span) -> list[Event[V]]:
            events = []
            for mine in self.ask(span):
                whole, part = mine.whole, mine.part
                for held in (whole or part).cycles():
                    both = part.meet(held)
                    if both is not None:
                        value = join(mine.value, other.value)
                        events.append(Event(whole, both, value, (*mine.spans, *other.places)))
            return events

        return Pattern(ask)

    def right(self, other: Pattern[U], join: Callable[[T, U], V]) -> Pattern[V]:
        """Values of both, structure from the other."""
        return other.left(self, lambda theirs, mine: join(mine, theirs))

    # --- patterns of patterns ---

    def inner_join(self: Pattern[Pattern[U]]) -> Pattern[U]:
        """The inner patterns, each heard while its event holds: structure from within."""

        def ask(span: Span) -> list[Event[U]]:
            events = []
            for outer in self.ask(span):
                for inner in outer.value.ask(outer.part):
                    spans = (*outer.spans, *inner.spans)
                    events.append(Event(inner.whole, inner.part, inner.value, spans))
            return events

        return Pattern(ask)

    def bind(self, make: Callable[[T], Pattern[U]]) -> Pattern[U]:
        """The pattern that is made of each value, heard while the value holds; structure from within."""
        return self.map(make).inner_join()

    def outer_join(self: Pattern[Pattern[U]]) -> Pattern[U]:
        """The inner patterns, each sampled where its event begins: structure from without."""

        def ask(span: Span) -> list[Event[U]]:
            events = []
            for outer in self.ask(span):
                begin = (outer.whole or outer.part).begin
                for inner in outer.value.ask(Span(begin, begin)):
                    spans = (*outer.spans, *inner.spans)
                    events.append(Event(outer.whole, outer.part, inner.value, spans))
            return events

        return Pattern(ask)

    def join(self: Pattern[Pattern[U]]) -> Pattern[U]:
        """The inner patterns, each heard while its event holds and cut by it: structure from both."""

        def ask(span: Span) -> list[Event[U]]:
            events = []
            for outer in self.ask(span):
                for inner in outer.value.ask(outer.part):
                    whole = None
                    if outer.whole is not None and inner.whole is not None:
                        whole = outer.whole.meet(inner.whole)
                    spans = (*outer.spans, *inner.spans)
                    events.append(Event(whole, inner.part, inner.value, spans))
            return events

        return Pattern(ask)

    def squeeze_join(self: Pattern[Pattern[U]]) -> Pattern[U]:
        """A cycle of each inner pattern, squeezed into its event."""

        def ask(span: Span) -> list[Event[U]]:
            events = []
            for outer in self.ask(span):
                if outer.whole is None or outer.whole.begin == outer.whole.end:
                    continue
                squeezed = outer.value.focus(outer.whole)
                for inner in squeezed.ask(outer.part):
                    whole = inner.whole and inner.whole.meet(outer.whole)
                    part = inner.part.meet(outer.part)
                    if part is not None and whole is not None:
                        spans = (*outer.spans, *inner.spans)
                        events.append(Event(whole, part, inner.value, spans))
            return events

        return Pattern(ask)

    def focus(self, into: Span) -> Pattern[T]:
        """The cycle that ``into`` begins in, in its place; the cycles after it behind it."""
        length = into.end - into.begin
        cycle = cycle_of(into.begin)
        return self.warp(
            lambda t: (t - into.begin) / length + cycle, lambda t: (t - cycle) * length + into.begin
        )


def silence() -> Pattern[Any]:
    """No events."""
    return Pattern(lambda span: [])  # noqa: ARG005


def pure(value: T, *places: Place) -> Pattern[T]:
    """A value once a cycle."""

    def ask(span: Span) -> list[Event[T]]:
        return [Event(whole_cycle(part.begin), part, value, places) for part in span.cycles()]

    return Pattern(ask, Constant(value, places))


def signal(sample: Callable[[Fraction], T]) -> Pattern[T]:
    """Something continuous, sampled in the middle of each span that is asked for."""
    return Pattern(lambda span: [Event(None, span, sample((span.begin + span.end) / 2))])


def stack(patterns: Iterable[Pattern[T]]) -> Pattern[T]:
    """All at once."""
    together = tuple(patterns)
    return Pattern(lambda span: [event for one in together for event in one.ask(span)])


def slowcat(patterns: Sequence[Pattern[T]]) -> Pattern[T]:
    """One a cycle, in turn; each goes on from where it stopped."""
    if not patterns:
        return silence()
    count = len(patterns)

    def ask(span: Span) -> list[Event[T]]:
        cycle = cycle_of(span.begin)
        # The n-th time that it is its turn, a pattern plays its n-th cycle.
        shift = cycle - cycle // count
        moved = span.map(lambda t: t - shift)
        return [
            event.with_time(lambda t: t + shift) for event in patterns[cycle % count].ask(moved)
        ]

    return Pattern(ask).by_cycle()


def fastcat(patterns: Sequence[Pattern[T]]) -> Pattern[T]:
    """All within a cycle, one after the other."""
    return slowcat(patterns).fast(len(patterns)) if patterns else silence()


def timecat(weighted: Sequence[tuple[Time, Pattern[T]]]) -> Pattern[T]:
    """All within a cycle, each as long as its weight says; not at all if that is not positive."""
    total = sum((max(ratio(weight), ratio(0)) for weight, _ in weighted), ratio(0))
    parts = []
    begin = ratio(0)
    for weight, pattern in weighted:
        if weight > 0:
            end = begin + ratio(weight) / total
            parts.append(pattern.compress(begin, end))
            begin = end
    return stack(parts)
