"""Functions called: transforms, voice parameters, units, and the author's own.

In: a call and what names mean around it. Out: its value. Invariants: too many or too few arguments, and those of a
wrong kind, are mistakes at their place. Thread: one program is made by one thread.

What a name means is looked for among the parameters of the function that is being evaluated, the author's functions,
then: behind ``#`` voice parameters, effects, transforms; elsewhere waves that are units, too, transforms, voice
parameters, units, waves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language import tree
from gapless.play.language.join import joined
from gapless.play.language.kinds import bare
from gapless.play.language.names import no_bus, no_function
from gapless.play.language.parameters import ALIASES, NAMES
from gapless.play.language.scope import Argument, Role, Scope
from gapless.play.language.sounding import effect_of, sound_of
from gapless.play.language.speaking import said_of
from gapless.play.language.tones import chorded, scaled
from gapless.play.language.transforming import Asked, Given, transformed
from gapless.play.language.values import FunctionStep, Sound, Steps, UnitStep, Value, Words
from gapless.play.transforms.signals import SIGNALS

if TYPE_CHECKING:
    from gapless.play.language.evaluate import Evaluation

Meaning: TypeAlias = Callable[[Asked], Value | None]

TONES: Final[Mapping[str, Callable[[Asked], Value]]] = MappingProxyType(
    {"scale": scaled, "chord": chorded}
)
"""Functions of patterns that are no transforms, for they need to know all scales and chords by name."""


def call(evaluation: Evaluation, node: tree.Call, scope: Scope, role: Role) -> Value:
    """What a call is worth.

    Raises:
        PlayError: there is no such function, or its arguments are wrong.
    """
    head = node.head
    if isinstance(head, tree.BusName):
        definition = evaluation.definitions.buses.get(head.name)
        if definition is None:
            raise no_bus(evaluation.definitions, head.name, head.place)
        if not definition.parameters:
            message = f"~{head.name} is no function and takes no arguments"
            place = node.arguments[0].place if node.arguments else node.place
            raise PlayError(message, place=place, expected=("an operator", "'#'", "'$'"))
        return _own(evaluation, definition, node, scope, role)
    argument = scope.arguments.get(head.name)
    if argument is not None:
        if node.arguments or node.keywords:
            place = (*node.arguments, *node.keywords)[0].place
            message = f"{head.name} is no function here and takes no arguments"
            raise PlayError(message, place=place, expected=("an operator", "space around it"))
        return argument.value(role)
    function = evaluation.definitions.functions.get(head.name)
    if function is not None:
        return _own(evaluation, function, node, scope, role)
    return _known(evaluation, node, head, scope, role)


def _known(
    evaluation: Evaluation, node: tree.Call, head: tree.Name, scope: Scope, role: Role
) -> Value:
    """A function that is not the author's."""
    if head.name not in set(_known_names(evaluation, scope)):
        raise _no_function(evaluation, head, scope, role)
    _check_arguments(evaluation, node, scope)
    asked = Asked(
        evaluation,
        ALIASES.get(head.name, head.name),
        [Given(evaluation.value(one, scope), one.place) for one in node.arguments],
        {one.name: Given(evaluation.value(one.value, scope), one.place) for one in node.keywords},
        node.place,
    )
    behind_hash: tuple[Meaning, ...] = (_said_step, _effect) if role is Role.EFFECT else ()
    for meaning in (*behind_hash, _tones, _wave, _transform, _said, _sound, _cyclic):
        found = meaning(asked)
        if found is not None:
            return found
    raise _no_function(evaluation, head, scope, role)


def _check_arguments(evaluation: Evaluation, node: tree.Call, scope: Scope) -> None:
    """No voice parameter stands among them without its pattern, which would be the next one."""
    for one, _ in pairwise(node.arguments):
        name = one.name if isinstance(one, tree.Name) else ""
        if name in scope.arguments or name in evaluation.definitions.functions:
            continue
        if ALIASES.get(name, name) in NAMES and name not in evaluation.transforms:
            message = f"{name} and what is behind it are two arguments of {node.head.name} here"
            sign = "#" if ALIASES.get(node.head.name, node.head.name) in NAMES else "$"
            expected = (f"{sign} before {name}", f"brackets: ({name} ...)")
            raise PlayError(message, place=one.place, expected=expected)


def _said_step(asked: Asked) -> Value | None:
    return said_of(asked, Role.EFFECT) if asked.name in NAMES else None


def _effect(asked: Asked) -> Value | None:
    return effect_of(asked, asked.unit) if asked.unit is not None else None


def _tones(asked: Asked) -> Value | None:
    is_one = asked.name in TONES and bool(asked.given) and isinstance(asked.given[0].value, Words)
    return TONES[asked.name](asked) if is_one else None


def _wave(asked: Asked) -> Value | None:
    """``sine`` alone: an oscillator, or once a cycle if a pattern is wanted."""
    if asked.name not in SIGNALS or asked.unit is None or asked.given or asked.keywords:
        return None
    made = sound_of(asked, asked.unit)
    return Sound(made.signal, SIGNALS[asked.name]) if isinstance(made, Sound) else made


def _transform(asked: Asked) -> Value | None:
    transform = asked.evaluation.transforms.get(asked.name)
    if transform is None or asked.keywords:
        return None
    wanted = len(transform.parameters)
    step = _step_of(asked, wanted)
    if asked.unit is not None and asked.given and len(asked.given) != wanted:
        if step is not None and _is_sound(asked.given[-1]):
            # range 200 2000 (sine 0.5)
            return joined(asked.evaluation.rack, asked.given[-1].value, step)
        if _is_sound(asked.given[0]):
            return None
    return transformed(asked.evaluation.rack, transform, asked.given, asked.place, step)


def _is_sound(given: Given) -> bool:
    return isinstance(given.value, Sound) and given.value.cyclic is None


def _said(asked: Asked) -> Value | None:
    return said_of(asked, Role.VALUE) if asked.name in NAMES else None


def _sound(asked: Asked) -> Value | None:
    return sound_of(asked, asked.unit) if asked.unit is not None else None


def _cyclic(asked: Asked) -> Value | None:
    """A wave that is no unit."""
    if asked.name not in SIGNALS:
        return None
    for one in (*asked.given, *asked.keywords.values()):
        message = f"{asked.name} takes no arguments"
        raise PlayError(message, place=one.place, expected=(f"fast 2 {asked.name}",))
    return Words(SIGNALS[asked.name])


def _step_of(asked: Asked, wanted: int) -> UnitStep | None:
    """The effect that is called like a transform, with the transform's arguments."""
    values = asked.given[:wanted]
    if asked.unit is None or not asked.unit.is_effect or wanted > len(asked.unit.inputs) - 1:
        return None
    if any(bare(one.value) is None and not isinstance(one.value, Sound) for one in values):
        return None
    step = effect_of(asked._replace(given=values), asked.unit).steps[0]
    return step if isinstance(step, UnitStep) else None


def _own(
    evaluation: Evaluation, definition: tree.Definition, node: tree.Call, scope: Scope, role: Role
) -> Value:
    """A function of the author's."""
    names = [one.name for one in definition.parameters]
    usage = " ".join(
        (definition.name if definition.kind == "fn" else f"~{definition.name}", *names)
    )
    arguments: dict[str, Argument] = {}
    for keyword in node.keywords:
        if keyword.name not in names or keyword.name in arguments:
            message = f"{definition.name} has no argument called {keyword.name}"
            nearest = nearest_name(keyword.name, names)
            raise PlayError(message, place=keyword.place, expected=(usage,), nearest=nearest)
        arguments[keyword.name] = _argument(evaluation, keyword.value, scope)
    free = [name for name in names if name not in arguments]
    if len(node.arguments) > len(free):
        message = f"{definition.name} has too many arguments"
        raise PlayError(message, place=node.arguments[len(free)].place, expected=(usage,))
    missing = len(free) - len(node.arguments)
    if missing > 1 or (missing == 1 and role is not Role.EFFECT):
        message = f"{definition.name} has no {free[len(node.arguments)]}"
        raise PlayError(message, place=node.place, expected=(usage,))
    for name, one in zip(free[missing:], node.arguments, strict=True):
        arguments[name] = _argument(evaluation, one, scope)
    if not missing:
        return evaluation.value(definition.body, Scope(arguments), role)

    def apply(value: Value) -> Value:
        first = Argument(lambda _: value)
        return evaluation.value(definition.body, Scope({**arguments, free[0]: first}))

    return Steps((FunctionStep(apply, node.place),), node.place)


def _argument(evaluation: Evaluation, node: tree.Node, scope: Scope) -> Argument:
    return Argument(lambda role: evaluation.value(node, scope, role))


def _no_function(evaluation: Evaluation, head: tree.Name, scope: Scope, role: Role) -> PlayError:
    units = evaluation.units.values()
    effects = {*NAMES, *ALIASES, *(one.name for one in units if one.is_effect)}
    effects |= set(evaluation.definitions.functions)
    known = {Role.EFFECT: effects, Role.VALUE: set(_known_names(evaluation, scope))}
    return no_function(evaluation.definitions, head.name, head.place, known, role)


def _known_names(evaluation: Evaluation, scope: Scope) -> Iterator[str]:
    yield from scope.arguments
    yield from evaluation.definitions.functions
    yield from evaluation.transforms
    yield from evaluation.units
    yield from SIGNALS
    yield from NAMES
    yield from ALIASES
    yield from TONES
