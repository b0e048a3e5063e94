"""How much a pattern can come to, found from its text alone, so that nothing explodes while it sounds.

In: nodes and the costs of their parts. Out: what they can come to at the worst: every factor at its greatest, nothing
left out by chance. Invariants: what is over a limit is an error at once, at the place that goes too far, so that no
question costs more than about ``MOST_EVENTS`` per cycle. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

from gapless.play.errors import PlayError
from gapless.play.mini.tree import Node, Number, leaves
from gapless.play.pattern import Place

MOST_CHARACTERS: Final = 10_000
"""Of one text."""
MOST_BRACKETS: Final = 32
"""One in the other."""
MOST_DEPTH: Final = 64
"""Brackets and operators, one around the other: a question passes through all of them."""
MOST_EVENTS: Final = 16_384
"""Within any one cycle, rests included."""


class Cost(NamedTuple):
    """Of a node."""

    depth: int
    """Nodes, one in the other."""
    events: int
    """Within any one cycle, rests included."""
    rate: Fraction
    """Events per cycle where they are densest."""
    voices: int
    """At any one time."""
    size: int
    """Patterns that it is built of."""

    @property
    def densest(self) -> Fraction:
        """Events per cycle, in its densest cycle or in the densest place of one."""
        return max(self.rate, Fraction(self.events))


LEAF: Final = Cost(1, 1, Fraction(1), 1, 1)


class StepCost(NamedTuple):
    """Of a step of a sequence."""

    cost: Cost
    weight: Fraction
    repeats: int


def within(cost: Cost, place: Place) -> Cost:
    """The same cost, if it is affordable.

    Raises:
        PlayError: It is not; ``place`` is what goes too far.
    """
    if cost.depth > MOST_DEPTH:
        raise PlayError(
            f"more than {MOST_DEPTH} brackets and operators, one around the other, are too many; "
            "split the pattern",
            place=place,
        )
    if max(cost.events, cost.size) > MOST_EVENTS:
        raise PlayError(
            f"up to {max(cost.events, cost.size)} events in a cycle are too many; "
            f"the limit is {MOST_EVENTS}: use smaller factors",
            place=place,
        )
    return cost


def greatest(node: Node) -> Fraction:
    """The largest number in it, whatever its sign; 0 if there is none."""
    sizes = (abs(leaf.exact) for leaf in leaves(node) if isinstance(leaf, Number))
    return max(sizes, default=Fraction(0))


def smallest(node: Node) -> Fraction:
    """The number in it that is closest to 0 without being it; 1 if there is none."""
    sizes = (abs(leaf.exact) for leaf in leaves(node) if isinstance(leaf, Number) and leaf.exact)
    return min(sizes, default=Fraction(1))


def together(costs: Iterable[Cost]) -> Cost:
    """Of nodes that sound at once."""
    every = tuple(costs)
    return Cost(
        1 + max((cost.depth for cost in every), default=0),
        sum(cost.events for cost in every),
        sum((cost.rate for cost in every), Fraction(0)),
        sum(cost.voices for cost in every),
        1 + sum(cost.size for cost in every),
    )


def chosen_from(costs: Iterable[Cost]) -> Cost:
    """Of nodes one of which sounds in each cycle."""
    every = tuple(costs)
    return together(every)._replace(
        events=max(cost.events for cost in every),
        rate=max(cost.rate for cost in every),
        voices=max(cost.voices for cost in every),
    )


def in_sequence(steps: Iterable[StepCost]) -> Cost:
    """Of steps that share a cycle."""
    heard = [step for step in steps if step.weight and step.repeats]
    total = sum((step.weight * step.repeats for step in heard), Fraction(0))
    return Cost(
        1 + max((step.cost.depth for step in heard), default=0),
        sum(step.cost.events * step.repeats for step in heard),
        max((step.cost.densest * total / step.weight for step in heard), default=Fraction(0)),
        max((step.cost.voices for step in heard), default=0),
        1 + sum(step.cost.size * step.repeats for step in heard),
    )


def sped_up(node: Cost, factor: Cost, by: Fraction) -> Cost:
    """Of a node that is played up to ``by`` times as fast, by a pattern of factors."""
    rate = node.rate * by
    cut = node.voices * _changes(factor)
    # Its cycles that lie in a cycle in part or as a whole; or those pieces of it that do, if it is as dense all over.
    events = min(node.events * _cycles_met(by), ceil(rate) + 2 * node.voices) + cut
    return Cost(
        1 + max(node.depth, factor.depth),
        events,
        rate + cut,
        node.voices,
        1 + node.size + factor.size,
    )


def pulsed(node: Cost, arguments: Iterable[Cost], steps: int) -> Cost:
    """Of a node that is played in up to ``steps`` steps of a cycle."""
    every = tuple(arguments)
    cut = node.voices * sum(_changes(cost) for cost in every)
    return Cost(
        1 + max(node.depth, *(cost.depth for cost in every)),
        node.events * steps + cut,
        node.densest * steps + cut,
        node.voices,
        1 + node.size * steps + sum(cost.size for cost in every),
    )


def counted(first: Cost, last: Cost, numbers: int) -> Cost:
    """Of a range of up to so many numbers."""
    voices = first.voices * last.voices
    events = numbers * voices + first.events * last.events
    return Cost(
        1 + max(first.depth, last.depth),
        events,
        Fraction(events),
        voices,
        numbers + first.size + last.size,
    )


def _cycles_met(factor: Fraction) -> int:
    """How many cycles a cycle lies on once it is ``factor`` times as long, at most."""
    if factor.denominator == 1 or factor.numerator == 1:
        return max(1, factor.numerator // factor.denominator)
    return ceil(factor) + 1


def _changes(argument: Cost) -> int:
    """How often a pattern of arguments may change within a cycle, and cut what sounds in two."""
    return argument.events if argument.depth > 1 else 0
