"""Expressions into values, by what they are.

In: trees. Out: values. Invariants: what stands behind ``#`` is worth steps. Thread: one program is made by one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gapless.play.errors import PlayError
from gapless.play.language import tree
from gapless.play.language.arithmetic import arithmetic, negative
from gapless.play.language.calls import TONES, call
from gapless.play.language.changing import change_of, changed, composed
from gapless.play.language.join import joined
from gapless.play.language.kinds import inside
from gapless.play.language.parameters import ALIASES, NAMES
from gapless.play.language.scope import Role, Scope
from gapless.play.language.speaking import control_of
from gapless.play.language.transforming import usage_of
from gapless.play.language.values import (
    Change,
    Items,
    Literal,
    MergeStep,
    Num,
    Steps,
    UnitStep,
    Value,
    Voices,
    Words,
    told,
)
from gapless.play.mini import mini
from gapless.play.mini.parse import parse
from gapless.play.mini.tree import Word, leaves
from gapless.play.pattern import Place

if TYPE_CHECKING:
    from gapless.play.language.evaluate import Evaluation

Compound: TypeAlias = (
    tree.Several
    | tree.Section
    | tree.Chain
    | tree.Dollar
    | tree.Composed
    | tree.Minus
    | tree.Arithmetic
)
"""Expressions that are made of others, and no calls."""


def worth(evaluation: Evaluation, node: tree.Node, scope: Scope, role: Role) -> Value:
    """What an expression is worth.

    Raises:
        PlayError: nothing, there.
        BrokenError: it needs something that has a mistake of its own.
    """
    found: Value
    match node:
        case tree.Literal():
            found = Num(node.value, node.place)
        case tree.Quoted():
            found = words_of(node)
        case tree.Name():
            found = call(evaluation, tree.Call(node, (), (), node.place), scope, role)
        case tree.Call():
            found = call(evaluation, node, scope, role)
        case tree.BusName():
            found = evaluation.bus_named(node.name, node.place)
        case tree.TemplateName():
            found = evaluation.template(node.name, node.place, role)
        case tree.PatternName():
            found = evaluation.pattern(node.name, node.place)
        case _:
            found = _compound(evaluation, node, scope, role)
    return _steps(found, node.place) if role is Role.EFFECT else found


def words_of(quoted: tree.Quoted) -> Words:
    """A text in quotes.

    Raises:
        PlayError: it is no mini-notation.
    """
    at = inside(quoted.place)
    pattern = mini(quoted.text, at)
    found = leaves(parse(quoted.text, at))
    literals = tuple(Literal(leaf.text, leaf.place) for leaf in found if isinstance(leaf, Word))
    return Words(pattern, literals, quoted)


def _compound(evaluation: Evaluation, node: Compound, scope: Scope, role: Role) -> Value:
    found: Value
    match node:
        case tree.Several():
            items = tuple(evaluation.value(one, scope) for one in node.items)
            found = Items(items, node.place)
        case tree.Section():
            found = _section(evaluation, node, scope)
        case tree.Chain():
            found = evaluation.value(node.first, scope, role)
            for operand in node.rest:
                found = _chained(evaluation, found, operand, scope)
        case tree.Dollar():
            found = _dollar(evaluation, node, scope, role)
        case tree.Composed():
            changes = [_part(evaluation, one, scope) for one in node.operands]
            found = composed(changes, node.place)
        case tree.Minus():
            found = negative(evaluation.rack, evaluation.value(node.operand, scope), node.place)
        case tree.Arithmetic():
            found = evaluation.value(node.first, scope)
            for operator, operand in node.rest:
                right = evaluation.value(operand, scope)
                found = arithmetic(evaluation.rack, operator, found, right, operand.place)
    return found


def _section(evaluation: Evaluation, node: tree.Section, scope: Scope) -> Value:
    if node.operator != "#":
        value = evaluation.value(node.operands[0], scope)
        return Steps((MergeStep(node.operator, value, node.place),), node.place)
    found: Value = Steps((), node.place)
    for operand in node.operands:
        found = _chained(evaluation, found, operand, scope)
    return found


def _chained(evaluation: Evaluation, left: Value, operand: tree.Node, scope: Scope) -> Value:
    right = evaluation.value(operand, scope, Role.EFFECT)
    if isinstance(right, Steps):
        for step in right.steps:
            left = joined(evaluation.rack, left, step)
    return left


def _part(evaluation: Evaluation, node: tree.Node, scope: Scope) -> Change:
    """Of what is composed."""
    value = evaluation.value(node, scope)
    if not isinstance(value, Change | Steps):
        message = f"a point stands between transforms, and this is {told(value)}"
        expected = ("$ before a transform: ... $ fast 2", "# before a parameter: ... # gain 0.8")
        raise PlayError(message, place=node.place, expected=expected)
    return change_of(evaluation.rack, value, "this", node.place)


def _steps(value: Value, place: Place) -> Steps:
    """A value behind ``#``."""
    match value:
        case Steps():
            return value
        case Voices():
            return Steps((MergeStep("#", value, place),), place)
        case Change(unit=None):
            message = f"{value.name} is a transform and stands behind $, not behind #"
            behind = f"note ({value.name} ...)" if value.name in TONES else f"$ {value.name} ..."
            raise PlayError(message, place=place, expected=(behind,))
        case Change(unit=UnitStep() as unit):
            return Steps((unit,), place)
    expected = ("an effect such as lpf 800", "a voice parameter such as gain 0.8", "a ~bus")
    message = f"{told(value)} cannot stand behind #"
    raise PlayError(message, place=place, expected=expected)


def _dollar(evaluation: Evaluation, node: tree.Dollar, scope: Scope, role: Role) -> Value:
    """``t $ u $ x`` from the right, ``x $ t $ u`` from the left; without an x all transforms are one."""
    *fronts, last = node.operands
    values: list[Value | str] = [_front(evaluation, one, scope) for one in fronts]
    values.append(evaluation.value(last, scope))
    held = {n for n, value in enumerate(values) if not isinstance(value, Change | Steps | str)}
    if not held and role is Role.EFFECT:
        held = {n for n, value in enumerate(values) if isinstance(value, Steps)}
    if len(held) > 1:
        _check_fed(evaluation, [node.operands[n] for n in sorted(held)])
        message = "there are two patterns or sounds here, and $ needs one"
        raise PlayError(message, place=node.operands[max(held)].place)
    at = max(held, default=len(values))
    found: Value | None = values[at] if held else None  # type: ignore[assignment]
    if found is None:
        changes = []
        for value, operand in zip(values, node.operands, strict=True):
            if isinstance(value, str):
                message = f"{value} needs something behind $"
                raise PlayError(message, place=operand.place)
            changes.append(change_of(evaluation.rack, value, "this", operand.place))
        return composed(changes, node.place)
    for n in (*range(at + 1, len(values)), *range(at - 1, -1, -1)):
        found = _applied(evaluation, found, values[n], node.operands[n].place)
    return found


def _check_fed(evaluation: Evaluation, operands: list[tree.Node]) -> None:
    """No transform has a pattern already because it was given one argument more."""
    for one in operands:
        if isinstance(one, tree.Call) and one.head.name in evaluation.transforms and one.arguments:
            last = one.arguments[-1].place
            message = f"{one.head.name} takes this as the pattern to change, and $ brings another"
            usage = usage_of(evaluation.transforms[one.head.name])
            raise PlayError(message, place=last, expected=(usage,))


def _front(evaluation: Evaluation, node: tree.Node, scope: Scope) -> Value | str:
    """What stands before ``$``: a voice parameter alone takes what comes behind."""
    if isinstance(node, tree.Name) and node.name not in scope.arguments:
        name = ALIASES.get(node.name, node.name)
        if name in NAMES and name not in evaluation.transforms:
            return name
    return evaluation.value(node, scope)


def _applied(evaluation: Evaluation, value: Value, change: Value | str, place: Place) -> Value:
    if isinstance(change, str):
        return control_of(evaluation, change, value, place)
    if isinstance(change, Change):
        return changed(evaluation.rack, value, change)
    if isinstance(change, Steps):
        for step in change.steps:
            value = joined(evaluation.rack, value, step)
    return value
