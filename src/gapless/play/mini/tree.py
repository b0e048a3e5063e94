"""What a mini-notation text says, without its brackets and spaces.

In: nothing. Out: immutable nodes. Invariants: every leaf knows where it was written; every node has been found small
enough by ``cost.py``. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from gapless.play.pattern import Place


class Word(NamedTuple):
    """A name: ``bd``, ``bd:3``, ``c4'min7``, ``~bass``."""

    text: str
    place: Place


class Number(NamedTuple):
    """A number, as it was written and exactly."""

    value: int | float
    exact: Fraction
    place: Place


class Rest(NamedTuple):
    """Nothing, for a while."""

    place: Place


class Step(NamedTuple):
    """A part of a sequence, ``repeats`` times, each ``weight`` wide."""

    node: Node
    weight: Fraction
    repeats: int


class Sequence(NamedTuple):
    """One after the other within a cycle."""

    steps: tuple[Step, ...]

    @property
    def weight(self) -> Fraction:
        """Of all steps together."""
        return sum((step.weight * step.repeats for step in self.steps), Fraction(0))


class Stack(NamedTuple):
    """All at once: ``[a, b]``."""

    layers: tuple[Node, ...]


class Choice(NamedTuple):
    """One of them in each cycle, by chance: ``[a | b]``."""

    options: tuple[Node, ...]
    key: str
    """Makes its chance unlike that of other places."""


class Polymeter(NamedTuple):
    """Sequences at a common rate of steps per cycle: ``{a b, c d e}%4``; ``<a b>`` is one at rate 1."""

    layers: tuple[Sequence, ...]
    rate: Node


class Fast(NamedTuple):
    """``node*factor``."""

    node: Node
    factor: Node


class Slow(NamedTuple):
    """``node/factor``."""

    node: Node
    factor: Node


class Euclid(NamedTuple):
    """``node(pulses,steps,rotation)``."""

    node: Node
    pulses: Node
    steps: Node
    rotation: Node | None


class Degrade(NamedTuple):
    """``node?amount``: each event is left out with this probability."""

    node: Node
    amount: float
    key: str
    """Makes its chance unlike that of other places."""


class Range(NamedTuple):
    """``first .. last``."""

    first: Node
    last: Node


Leaf: TypeAlias = Word | Number | Rest
Node: TypeAlias = (
    Leaf | Sequence | Stack | Choice | Polymeter | Fast | Slow | Euclid | Degrade | Range
)


def children(node: Node) -> Iterator[Node]:
    """The nodes that a node is made of; none for a leaf."""
    match node:
        case Sequence(steps=steps):
            yield from (step.node for step in steps)
        case Stack(layers=parts) | Choice(options=parts):
            yield from parts
        case Polymeter():
            yield from node.layers
            yield node.rate
        case Fast() | Slow():
            yield node.node
            yield node.factor
        case Euclid():
            yield node.node
            yield node.pulses
            yield node.steps
            if node.rotation is not None:
                yield node.rotation
        case Degrade():
            yield node.node
        case Range():
            yield node.first
            yield node.last
        case _:
            return


def leaves(node: Node) -> Iterator[Leaf]:
    """All leaves below a node, in the order of the text."""
    if isinstance(node, Word | Number | Rest):
        yield node
        return
    for child in children(node):
        yield from leaves(child)


def is_random(node: Node) -> bool:
    """Whether chance decides anything in it."""
    return isinstance(node, Choice | Degrade) or any(is_random(child) for child in children(node))
