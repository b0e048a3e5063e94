"""The parser's tree into ours: reads numbers, names places, adds up costs.

In: Lark's tree of a text. Out: nodes. Invariants: arguments are numbers where they must be; no node is over a limit.
Thread: a builder is one thread's. Recursion goes as deep as the brackets do, and those are counted before.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias, cast

from lark import Token, Tree

from gapless.play.errors import PlayError
from gapless.play.euclid import MOST_STEPS
from gapless.play.mini import cost as costs
from gapless.play.mini.cost import Cost, StepCost
from gapless.play.mini.number import exact_number, not_a_number, number
from gapless.play.mini.place import place_in
from gapless.play.mini.tree import (
    Choice,
    Degrade,
    Euclid,
    Fast,
    Leaf,
    Node,
    Number,
    Polymeter,
    Range,
    Rest,
    Sequence,
    Slow,
    Stack,
    Step,
    Word,
    leaves,
)
from gapless.play.pattern import Place

Branch: TypeAlias = Tree[Token]

EVEN_CHANCE: Final = 0.5
"""Of a ``?`` without a number."""


class Built(NamedTuple):
    """A node and what it can come to."""

    node: Node
    cost: Cost


class BuiltSequence(NamedTuple):
    """A sequence and what its steps can come to."""

    node: Sequence
    steps: tuple[StepCost, ...]

    def alone(self) -> Built:
        """As a node like any other."""
        return Built(self.node, costs.in_sequence(self.steps))


class Builder:
    """Makes one tree.

    Args:
        text: What was parsed.
        at: Where its first character stands.
    """

    def __init__(self, text: str, at: Place) -> None:
        self._text = text
        self._at = at
        self._chances = 0

    def build(self, start: Branch) -> Node:
        """The whole text.

        Raises:
            PlayError: It asks for too much, or for what makes no sense.
        """
        return self._body(_branch(start.children[0])).node

    # --- one after the other, and at once ---

    def _body(self, branch: Branch) -> Built:
        if branch.data == "sequence":
            return self._affordable(self._sequence(branch).alone(), branch)
        parts = [self._sequence(_branch(child)).alone() for child in branch.children]
        nodes = tuple(part.node for part in parts)
        if branch.data == "stack":
            cost = costs.together(part.cost for part in parts)
            return self._affordable(Built(Stack(nodes), cost), branch)
        cost = costs.chosen_from(part.cost for part in parts)
        return self._affordable(Built(Choice(nodes, self._chance_of(branch)), cost), branch)

    def _sequence(self, branch: Branch) -> BuiltSequence:
        feet = [self._foot(_branch(foot)) for foot in branch.children]
        if len(feet) == 1:
            return feet[0]
        parts = [foot.alone() for foot in feet]
        return BuiltSequence(
            Sequence(tuple(Step(part.node, Fraction(1), 1) for part in parts)),
            tuple(StepCost(part.cost, Fraction(1), 1) for part in parts),
        )

    def _foot(self, branch: Branch) -> BuiltSequence:
        steps, prices = [], []
        for child in branch.children:
            step = _branch(child)
            node, cost = self._span(_branch(step.children[0]))
            weight, repeats = Fraction(1), 1
            for mark in cast("list[Token]", step.children[1:]):
                size = mark[1:]
                if mark.type == "WEIGHT":
                    weight += exact_number(size, self._place(mark)) - 1 if size else 1
                else:
                    repeats += int(exact_number(size, self._place(mark))) - 1 if size else 1
            steps.append(Step(node, weight, repeats))
            prices.append(StepCost(cost, weight, repeats))
            costs.within(cost._replace(size=cost.size * repeats), self._place(step))
        return BuiltSequence(Sequence(tuple(steps)), tuple(prices))

    # --- a step ---

    def _span(self, branch: Branch) -> Built:
        if branch.data == "term":
            return self._term(branch)
        first, last = (self._term(_branch(child)) for child in branch.children)
        low = [value.exact for value in self._numbers(first.node, whole=True)]
        high = [value.exact for value in self._numbers(last.node, whole=True)]
        if not low or not high:
            return Built(Stack(()), costs.LEAF)
        many = int(max(max(high) - min(low), max(low) - min(high))) + 1
        cost = costs.counted(first.cost, last.cost, many)
        return self._affordable(Built(Range(first.node, last.node), cost), branch)

    def _term(self, branch: Branch) -> Built:
        built = self._atom(branch.children[0])
        for operator in branch.children[1:]:
            if isinstance(operator, Token):
                built = self._degrade(built, operator, branch)
            elif operator.data == "euclid":
                built = self._euclid(built, operator)
            else:
                built = self._at_speed(built, operator)
            built = self._affordable(built, operator)
        return built

    def _degrade(self, built: Built, mark: Token, branch: Branch) -> Built:
        amount = float(exact_number(mark[1:], self._place(mark))) if mark[1:] else EVEN_CHANCE
        if amount > 1:
            raise PlayError(
                f"a chance of {mark[1:]} is more than certain",
                place=self._place(mark),
                expected=("a number from 0 to 1",),
            )
        node = Degrade(built.node, amount, self._chance_of(branch))
        return Built(node, built.cost._replace(depth=built.cost.depth + 1))

    def _at_speed(self, built: Built, operator: Branch) -> Built:
        factor = self._atom(operator.children[0])
        self._numbers(factor.node)
        if operator.data == "fast":
            cost = costs.sped_up(built.cost, factor.cost, costs.greatest(factor.node))
            return Built(Fast(built.node, factor.node), cost)
        cost = costs.sped_up(built.cost, factor.cost, 1 / costs.smallest(factor.node))
        return Built(Slow(built.node, factor.node), cost)

    def _euclid(self, built: Built, operator: Branch) -> Built:
        arguments = [self._sequence(_branch(child)).alone() for child in operator.children]
        for argument in arguments:
            self._numbers(argument.node, whole=True)
        pulses, steps, *rest = (argument.node for argument in arguments)
        most = int(max(costs.greatest(pulses), costs.greatest(steps)))
        if most > MOST_STEPS:
            raise PlayError(
                f"a rhythm of {most} steps is too long",
                place=self._place(operator),
                expected=(f"at most {MOST_STEPS}",),
            )
        cost = costs.pulsed(built.cost, (argument.cost for argument in arguments), most)
        return Built(Euclid(built.node, pulses, steps, rest[0] if rest else None), cost)

    # --- what a step begins with ---

    def _atom(self, part: Branch | Token) -> Built:
        if isinstance(part, Token):
            return Built(self._leaf(part), costs.LEAF)
        if part.data == "group":
            return self._body(_branch(part.children[0]))
        if part.data == "angles":
            once = Built(Number(1, Fraction(1), self._place(part)), costs.LEAF)
            return self._polymeter(part, part.children, once)
        last = part.children[-1]
        if isinstance(last, Tree) and last.data == "sequence":
            return self._polymeter(part, part.children, None)
        rate = self._atom(last)
        self._numbers(rate.node)
        return self._polymeter(part, part.children[:-1], rate)

    def _polymeter(self, branch: Branch, layers: Many[Branch | Token], rate: Built | None) -> Built:
        built = [self._sequence(_branch(layer)) for layer in layers]
        if rate is None:
            weight = built[0].node.weight
            rate = Built(Number(float(weight), weight, self._place(branch)), costs.LEAF)
        costs_of_layers = []
        for layer in built:
            weight = layer.node.weight
            by = costs.greatest(rate.node) / weight if weight else Fraction(0)
            costs_of_layers.append(costs.sped_up(layer.alone().cost, rate.cost, by))
        node = Polymeter(tuple(layer.node for layer in built), rate.node)
        return self._affordable(Built(node, costs.together(costs_of_layers)), branch)

    def _leaf(self, token: Token) -> Leaf:
        place = self._place(token)
        if token.type == "WORD":
            return Word(str(token), place)
        return number(token, place) if token.type == "NUMBER" else Rest(place)

    # --- what holds for all ---

    def _numbers(self, node: Node, *, whole: bool = False) -> list[Number]:
        """The leaves of an argument, which must be numbers."""
        found = []
        for leaf in leaves(node):
            if isinstance(leaf, Word):
                raise not_a_number(leaf)
            if isinstance(leaf, Number):
                if whole and leaf.exact.denominator != 1:
                    raise PlayError(
                        f"{leaf.value} is not a whole number",
                        place=leaf.place,
                        expected=("a whole number",),
                    )
                found.append(leaf)
        return found

    def _chance_of(self, branch: Branch) -> str:
        """Unlike that of any other place in the text, and of places in other texts where other things stand.

        It does not depend on where the text is: editing something else must not change what is heard.
        """
        self._chances += 1
        begin, end = _extent(branch)
        return f"{self._chances} {self._text[begin:end]}"

    def _affordable(self, built: Built, branch: Branch | Token) -> Built:
        costs.within(built.cost, self._place(branch))
        return built

    def _place(self, part: Branch | Token) -> Place:
        begin, end = _extent(part)
        return place_in(self._text, self._at, begin, end - begin)


def _branch(part: Branch | Token) -> Branch:
    """A part that the grammar makes a branch of."""
    return cast("Branch", part)


def _extent(part: Branch | Token) -> tuple[int, int]:
    """From which character to which; an empty sequence has none."""
    if isinstance(part, Token):
        begin = part.start_pos or 0
        return begin, begin + len(part)
    if part.meta.empty:
        return 0, 0
    return part.meta.start_pos, part.meta.end_pos
