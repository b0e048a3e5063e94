"""What a program or an expression would play, as rows of a table.

In: texts, or a program; cycles. Out: rows, in the order of time. Invariants: nothing sounds. Thread: any (pure).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, Final, NamedTuple

from gapless.play.errors import PlayError
from gapless.play.fragments import defragment
from gapless.play.language import tree
from gapless.play.language.allowance import allowance
from gapless.play.language.evaluate import Evaluation
from gapless.play.language.kinds import bare
from gapless.play.language.parameters import settled
from gapless.play.language.parse import parse
from gapless.play.language.scope import Definitions
from gapless.play.language.tokens import statements, tokens
from gapless.play.language.values import Value, Voices, told
from gapless.play.pattern import Event, Pattern, Place
from gapless.play.program import Program
from gapless.play.prompt.entry import expression, name_of
from gapless.play.sound.catalogue import UNITS
from gapless.play.transforms.registry import TRANSFORMS

SAMPLES: Final = 8
"""Of a cycle of a pattern that is continuous."""


class Row(NamedTuple):
    """One event."""

    begin: Fraction
    end: Fraction
    value: str
    output: str = ""


def rows_of_program(program: Program, begin: int, end: int) -> tuple[Row, ...]:
    """The voices that begin in these cycles, in the order of time."""
    found = [
        _row(event, name) for name, events in program.events(begin, end).items() for event in events
    ]
    return tuple(sorted(found))


def rows_of_expression(text: str, source: str, begin: int, end: int) -> tuple[Row, ...]:
    """The events of an expression.

    Args:
        text: the program that its names are looked up in; it has no mistakes.
        source: the expression.
        begin: the first cycle.
        end: the cycle after the last.

    Raises:
        PlayError: it has a mistake, or no events.
    """
    *_, lines = statements(source)
    node = expression(lines)
    with allowance(node.place):
        pattern = _pattern(_evaluation(text).value(node), node.place)
    return tuple(sorted(map(_row, _asked(pattern, begin, end))))


def _evaluation(text: str) -> Evaluation:
    definitions = Definitions()
    for lines in statements(text):
        node = parse(tokens(lines))
        if isinstance(node, tree.Definition):
            name = name_of(node) if node.kind == "out" else node.name
            definitions.of(node.kind)[name] = node
    return Evaluation(definitions, UNITS, TRANSFORMS)


def _pattern(value: Value, place: Place) -> Pattern[Any]:
    if isinstance(value, Voices):
        return settled(value.pattern)
    words = bare(value)
    if words is None:
        raise PlayError(
            f"{told(value)} has no events",
            place=place,
            expected=('a pattern, such as "bd sn" or every 4 rev $ s "bd sn"',),
        )
    return words.pattern


def _asked(pattern: Pattern[Any], begin: int, end: int) -> list[Event[Any]]:
    events = pattern.query(begin, end)
    if any(event.whole is None for event in events):
        times = [Fraction(n, SAMPLES) for n in range(begin * SAMPLES, end * SAMPLES + 1)]
        events = list(chain.from_iterable(pattern.query(*pair) for pair in pairwise(times)))
    return defragment(events)


def _row(event: Event[Any], output: str = "") -> Row:
    span = event.part if event.whole is None else event.whole
    return Row(span.begin, span.end, _shown(event.value), output)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items() if key != "fx")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
