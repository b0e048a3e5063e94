"""Patterns side by side within a cycle.

In: patterns, and which part of each cycle each has. Out: one pattern. Invariants: only those slots are asked that a
question meets; an event that is longer than its slot keeps its length, so that a later piece of it is not taken
for an onset. Thread: any.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Generic, NamedTuple, TypeVar

from gapless.play.pattern import Event, Pattern, silence
from gapless.play.ratio import whole_number
from gapless.play.time import Span

T = TypeVar("T")


class Slot(NamedTuple, Generic[T]):
    """A part of every cycle, in which a cycle of a pattern is heard."""

    begin: Fraction
    """From 0."""
    end: Fraction
    """Up to 1."""
    pattern: Pattern[T]


def in_slots(slots: Sequence[Slot[T]]) -> Pattern[T]:
    """Each pattern squeezed into its slot; they are in order and do not overlap."""
    if not slots:
        return silence()
    first = slots[0]
    if first.begin == 0 and first.end == 1:
        return first.pattern
    begins = [slot.begin for slot in slots]

    def ask(span: Span) -> list[Event[T]]:
        events: list[Event[T]] = []
        for part in span.cycles():
            cycle = floor(part.begin)
            low, high = part.begin - cycle, part.end - cycle
            index = max(bisect_right(begins, low) - 1, 0)
            while index < len(slots):
                slot = slots[index]
                index += 1
                if slot.begin >= high and slot.begin > low:
                    break
                if slot.end > low and (slot.begin < high or slot.begin == low):
                    asked = Span(max(low, slot.begin), min(high, slot.end))
                    events += _squeezed(slot, cycle, asked)
        return events

    return Pattern(ask)


def _squeezed(slot: Slot[T], cycle: int, asked: Span) -> list[Event[T]]:
    """What a slot gives for a part of it, which counts from the cycle's beginning."""
    constant = slot.pattern.constant
    if constant is not None:
        whole = Span(slot.begin + cycle, slot.end + cycle)
        is_seen = asked.begin == slot.begin and asked.end == slot.end
        part = whole if is_seen else Span(asked.begin + cycle, asked.end + cycle)
        return [Event(whole, part, constant.value, constant.places)]
    length = slot.end - slot.begin
    shift = slot.begin + cycle - cycle * length

    def outer(time: Fraction) -> Fraction:
        return time * length + shift

    if asked.begin == slot.begin and asked.end == slot.end:
        inner = Span(whole_number(cycle), whole_number(cycle + 1))
    else:
        inner = asked.map(lambda time: (time - slot.begin) / length + cycle)
    return [event.with_time(outer) for event in slot.pattern.ask(inner)]
