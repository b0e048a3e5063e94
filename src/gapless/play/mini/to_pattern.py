"""The tree of a mini-notation text into a pattern.

In: a node. Out: a pattern whose events carry the places of the leaves that made them. Invariants: time is exact;
chance depends on the time and on the place in the text alone. Thread: any.

Source: the meaning of each form is that of TidalCycles 1.9 (Sound.Tidal.ParseBP). One thing is added: copies of a step
(``a?!4``, ``a?(3,8)``) each have a chance of their own, while there all share one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from hashlib import blake2b
from typing import Final, Generic, TypeAlias, TypeVar

from gapless.play.chance import random_at
from gapless.play.euclid import bjorklund
from gapless.play.mini.slots import Slot, in_slots
from gapless.play.mini.tree import (
    Choice,
    Degrade,
    Euclid,
    Fast,
    Node,
    Number,
    Polymeter,
    Range,
    Sequence,
    Slow,
    Stack,
    Step,
    Word,
    is_random,
)
from gapless.play.pattern import Event, Pattern, Place, fastcat, pure, silence, stack
from gapless.play.ratio import ratio
from gapless.play.time import cycle_of, whole_cycle

T = TypeVar("T")

Copy: TypeAlias = tuple[int, ...]
"""Which copy of a step, from the outside in."""


class Maker(Generic[T]):
    """Makes patterns.

    Args:
        read: What a leaf is worth.
        count: What a number in a range is worth.
    """

    def __init__(self, read: Callable[[Word | Number], T], count: Callable[[int], T]) -> None:
        self._read = read
        self._count = count

    def make(self, node: Node, copy: Copy = ()) -> Pattern[T]:
        """What a node sounds like; ``copy``: where it stands among the copies of a step."""
        pattern: Pattern[T] = silence()
        match node:
            case Word() | Number():
                pattern = pure(self._read(node), node.place)
            case Sequence():
                pattern = self._sequence(node, copy)
            case Stack():
                pattern = stack(self.make(layer, copy) for layer in node.layers)
            case Choice():
                options = [self.make(option, copy) for option in node.options]
                pattern = _choose(options, _seed(node.key, copy))
            case Polymeter():
                pattern = stack(self._layer(layer, node.rate, copy) for layer in node.layers)
            case Fast():
                pattern = _at_speed(self.make(node.node, copy), node.factor, lambda by: by)
            case Slow():
                inner = self.make(node.node, copy)
                pattern = _at_speed(inner, node.factor, lambda by: by and 1 / by)
            case Euclid():
                pattern = self._euclid(node, copy)
            case Degrade():
                pattern = _degrade(self.make(node.node, copy), node.amount, _seed(node.key, copy))
            case Range():
                pattern = self._range(node)
        return pattern

    def _sequence(self, node: Sequence, copy: Copy) -> Pattern[T]:
        total = node.weight
        slots = []
        begin = ratio(0)
        for step in node.steps:
            if not step.weight:
                continue
            width = step.weight / total
            for pattern in self._copies(step.node, copy, step.repeats):
                slots.append(Slot(begin, begin + width, pattern))
                begin += width
        return in_slots(slots)

    def _copies(self, node: Node, copy: Copy, count: int) -> list[Pattern[T]]:
        """A pattern several times; only where there is chance in it do they differ."""
        if count > 1 and is_random(node):
            return [self.make(node, (*copy, index)) for index in range(count)]
        return [self.make(node, copy)] * count

    def _layer(self, node: Sequence, rate: Node, copy: Copy) -> Pattern[T]:
        weight = node.weight
        if not weight:
            return silence()
        return _at_speed(self._sequence(node, copy), rate, lambda steps: steps / weight)

    def _euclid(self, node: Euclid, copy: Copy) -> Pattern[T]:
        def rhythm(pulses: Fraction, steps: Fraction, rotation: Fraction) -> Pattern[T]:
            if steps <= 0:
                return silence()
            hits = bjorklund(int(pulses), int(steps))
            patterns = iter(self._copies(node.node, copy, sum(hits)))
            width = ratio(1, len(hits))
            pattern = in_slots(
                [
                    Slot(index * width, (index + 1) * width, next(patterns))
                    for index, hit in enumerate(hits)
                    if hit
                ]
            )
            return pattern.early(rotation / steps) if rotation else pattern

        turn = node.rotation or UNTURNED
        pulses, steps, rotation = constant(node.pulses), constant(node.steps), constant(turn)
        if pulses is not None and steps is not None and rotation is not None:
            return rhythm(pulses, steps, rotation)
        sizes = EXACT.make(node.pulses).both(EXACT.make(node.steps), lambda k, n: (k, n))
        turned = sizes.both(EXACT.make(turn), lambda size, r: (*size, r))
        return turned.bind(lambda arguments: rhythm(*arguments))

    def _range(self, node: Range) -> Pattern[T]:
        def run(ends: tuple[Fraction, Fraction]) -> Pattern[T]:
            first, last = (int(end) for end in ends)
            down = first > last
            numbers = range(first, last - 1, -1) if down else range(first, last + 1)
            return fastcat([pure(self._count(each)) for each in numbers])

        first, last = EXACT.make(node.first), EXACT.make(node.last)
        return first.both(last, lambda low, high: (low, high)).map(run).join()


def constant(node: Node) -> Fraction | None:
    """The number that an argument always is; None: it changes, or is not there all the time."""
    match node:
        case Number():
            return node.exact
        case Sequence(steps=(Step(node=inner, repeats=1, weight=weight),)) if weight:
            return constant(inner)
        case _:
            return None


def _at_speed(
    pattern: Pattern[T], factor: Node, speed: Callable[[Fraction], Fraction]
) -> Pattern[T]:
    """A pattern as fast as a factor says; structure from the pattern."""
    always = constant(factor)
    if always is not None:
        by = speed(always)
        return pattern if by == 1 else pattern.fast(by)
    return EXACT.make(factor).bind(lambda each: pattern.fast(speed(each)))


def _choose(options: list[Pattern[T]], seed: int) -> Pattern[T]:
    """One of them in each cycle, by chance."""

    def chosen(cycle: int) -> Pattern[T]:
        return options[int(random_at(Fraction(cycle), seed) * len(options))]

    cycles = Pattern(
        lambda span: [
            Event(whole_cycle(part.begin), part, chosen(cycle_of(part.begin)))
            for part in span.cycles()
        ]
    )
    return cycles.join()


def _degrade(pattern: Pattern[T], amount: float, seed: int) -> Pattern[T]:
    """Without the events that chance leaves out."""

    def stays(event: Event[T]) -> bool:
        return random_at((event.whole or event.part).begin, seed) >= amount

    return pattern.keep(stays)


def _seed(key: str, copy: Copy) -> int:
    """The seed of a chance, the same in every run."""
    digest = blake2b(f"{key}\0{copy}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _exact(leaf: Word | Number) -> Fraction:
    """The value of a leaf of an argument; the builder lets no words through."""
    if isinstance(leaf, Word):
        message = f"a word among numbers: {leaf.text}"
        raise TypeError(message)
    return leaf.exact


UNTURNED: Final = Number(0, Fraction(0), Place(1, 1, 0))
"""The rotation of a rhythm that was given none."""

EXACT: Final = Maker(_exact, Fraction)
"""Makes patterns of arguments."""
