"""The language as Python functions: ``every(4, rev, s("bd*4"))``.

In: patterns, mini-notation, numbers, functions. Out: patterns. Invariants: names and the order of arguments are those
of the language; what is not given yet is waited for, so ``fast(2)`` is a function of a pattern. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

from gapless.errors import ConfigError
from gapless.play.errors import nearest_name
from gapless.play.language.kinds import numbers
from gapless.play.language.parameters import NAMES, control, settled
from gapless.play.mini import mini, mini_numbers
from gapless.play.pattern import Pattern, pure
from gapless.play.program import Controls, Played, Program
from gapless.play.structure import OPERATORS
from gapless.play.transforms.contract import Kind, Parameter, Transform
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS

DEFAULT_CPS: Final = Fraction(1, 2)


def as_pattern(value: Any) -> Pattern[Any]:
    """A pattern as it is, a string as mini-notation, any other value once a cycle.

    Raises:
        PlayError: the string is no mini-notation.
    """
    if isinstance(value, Pattern):
        return value
    return mini(value) if isinstance(value, str) else pure(value)


def chain(first: Pattern[Controls], *rest: Pattern[Controls]) -> Pattern[Controls]:
    """``first # rest # ...``: structure from the first, values from the last that says them."""
    for one in rest:
        first = OPERATORS["#"](first, one)
    return first


def operate(operator: str, left: Any, right: Any) -> Pattern[Any]:
    """Two patterns joined by an operator of the language: ``operate("|+", "0 4 7", "<0 12>")``.

    Raises:
        ConfigError: there is no such operator.
        PlayError: a string is no mini-notation.
    """
    if operator not in OPERATORS:
        raise ConfigError(f"there is no operator {operator!r}; there are {' '.join(OPERATORS)}")
    return OPERATORS[operator](as_pattern(left), as_pattern(right))


def as_program(*outputs: Pattern[Controls], cps: Fraction | float = DEFAULT_CPS) -> Program:
    """A program that plays patterns, each as an output of its own: for ``render``.

    Args:
        *outputs: of controls; at least one.
        cps: cycles per second.

    Raises:
        ConfigError: there is none, or no time goes by.
    """
    if not outputs or not cps > 0:
        raise ConfigError("give at least one pattern, and more than 0 cycles per second")
    played = {f"o{n}": Played(settled(one)) for n, one in enumerate(outputs, 1)}
    return Program(played, cps=Fraction(cps).limit_denominator(10**9))


def named(name: str) -> Any:
    """What a name of the language is in Python: a function, or a continuous pattern (``sine``).

    A quote in a name is an underscore: ``every_``.

    Raises:
        AttributeError: it has no such name.
    """
    written = name.replace("_", "'") if name.endswith("_") else name
    if written in SIGNALS:
        return SIGNALS[written]
    if written in TRANSFORMS:
        return partial(_transformed, TRANSFORMS[written])
    if written in NAMES:
        return partial(_said, written)
    nearest = nearest_name(written, names())
    hint = f"; did you mean {nearest}?" if nearest else ""
    raise AttributeError(f"module 'gapless.play' has no attribute {name!r}{hint}")


def names() -> Iterator[str]:
    """All that ``named`` knows."""
    for name in (*SIGNALS, *TRANSFORMS, *NAMES):
        yield name.replace("'", "_")


def _said(name: str, value: Any) -> Pattern[Controls]:
    return control(name, as_pattern(value))


def _transformed(transform: Transform, *given: Any) -> Any:
    """The pattern; or, if it is missing among the arguments, a function of it."""
    parameters = transform.parameters
    if not transform.changes and parameters and parameters[-1].many:
        first = len(parameters) - 1
        rest = given[first:]
        if not (len(rest) == 1 and isinstance(rest[0], Sequence) and not isinstance(rest[0], str)):
            given = (*given[:first], rest)
    wanted = len(parameters) + transform.changes
    if len(given) not in (len(parameters), wanted):
        order = ", ".join(parameter.name for parameter in parameters)
        pattern_too = ", and a pattern" if transform.changes else ""
        message = (
            f"{transform.name} takes {order or 'nothing'}{pattern_too}, not {len(given)} arguments"
        )
        raise TypeError(message)
    arguments = [_argument(*pair) for pair in zip(parameters, given, strict=False)]
    if len(given) < wanted:
        return lambda target: transform.apply(*arguments, as_pattern(target))
    if transform.changes:
        return transform.apply(*arguments, as_pattern(given[-1]))
    return transform.apply(*arguments)


def _argument(parameter: Parameter, value: Any) -> Any:
    if parameter.many:
        values = [value] if isinstance(value, str | Pattern) else list(value)
        return [_single(parameter, one) for one in values]
    return _single(parameter, value)


def _single(parameter: Parameter, value: Any) -> Pattern[Any] | Callable[[Any], Pattern[Any]]:
    if parameter.kind is Kind.CHANGE:
        if not callable(value):
            raise TypeError(f"{parameter.name} is a function of a pattern, such as rev or fast(2)")
        change: Callable[[Any], Pattern[Any]] = value
        return change
    if parameter.kind is Kind.TIME and isinstance(value, str):
        return mini_numbers(value)
    return numbers(as_pattern(value), parameter.kind)
