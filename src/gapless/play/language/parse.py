"""Tokens of a statement into its tree.

In: a statement's tokens. Out: a node. Invariants: whatever the tokens, a node or a ``PlayError`` comes out; the depth
of the tree is bounded by that of brackets. Thread: any (the grammar is read once and never changed).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Final, final

from lark import Lark, Token, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.lexer import Lexer
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from gapless.play.errors import PlayError
from gapless.play.language import tokens, tree
from gapless.play.language.habits import meant_instead, no_statement
from gapless.play.language.tokens import Statement
from gapless.play.pattern import Place

MOST_DIGITS: Final = 18
"""Of a number: beyond that exactness is a way to stop the machine."""

_HIDDEN: Final = frozenset(
    ("COLON", "DOLLAR", "EQUALS", "HASH", "DOT", "COMMA", "CALL", "OPEN", "CLOSE", "LIST", "UNLIST")
)
"""Tokens that the tree needs no more; Lark drops those whose names begin with an underscore."""

_WRITTEN: Final = {
    "_COLON": "':'",
    "_DOLLAR": "'$'",
    "_EQUALS": "'='",
    "_HASH": "'#'",
    "_DOT": "'.'",
    "_COMMA": "','",
    "_CLOSE": "')'",
    "_UNLIST": "']'",
    "SUMOP": "'+'",
    "MULOP": "'*'",
    "NUMBER": "a number",
    "STRING": "a pattern in quotes",
    "NAME": "a function",
    "BUS": "a ~bus",
    "$END": "the end of the statement",
}
"""Tokens that are worth naming when something else stands in their place, in this order."""


def parse(statement: Statement) -> tree.StatementNode:
    """The tree of a statement.

    Raises:
        PlayError: it is none.
    """
    given: Any = [_for_lark(token) for token in statement.tokens]
    try:
        made: tree.StatementNode = _Build().transform(_grammar().parse(given))
    except UnexpectedToken as mistake:
        raise _unexpected(statement, mistake) from None
    except VisitError as mistake:
        raise mistake.orig_exc from None
    return made


@cache
def _grammar() -> Lark:
    text = files("gapless.play.language").joinpath("play.lark").read_text("utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer=_Given,
        propagate_positions=True,
        maybe_placeholders=False,
    )


@final
class _Given(Lexer):
    """Tokens that are there already."""

    def __init__(self, lexer_conf: Any) -> None:
        del lexer_conf

    def lex(self, data: Any) -> Iterator[Token]:  # type: ignore[override]
        """Hand them on."""
        return iter(data)


def _for_lark(token: tokens.Token) -> Token:
    kind = "_" + token.kind if token.kind in _HIDDEN else token.kind
    place = token.place
    return Token(
        kind,
        token.text,
        line=place.line,
        column=place.column,
        end_line=place.line,
        end_column=place.column + place.length,
    )


def _unexpected(statement: Statement, mistake: UnexpectedToken) -> PlayError:
    """What a person should hear of it."""
    accepted = set(mistake.accepts or mistake.expected)
    at = mistake.token
    if at.type == "$END":
        last = statement.tokens[-1].place
        place = Place(last.line, last.column + last.length, 1)
        message = "the statement ends too early"
    else:
        place = place_of(at)
        message = f"{at.value} does not belong here"
        if place == statement.place:
            return no_statement(statement)
        meant = meant_instead(statement, place)
        if meant is not None:
            return PlayError(message, place=place, expected=(meant,))
    if {"NUMBER", "STRING", "NAME"} <= accepted:
        expected = ["a number", "a pattern in quotes", "a function", "a ~bus", "'('"]
    else:
        expected = [written for kind, written in _WRITTEN.items() if kind in accepted]
        if "_COLON" in accepted and "NAME" in accepted:
            expected.remove(_WRITTEN["NAME"])
    return PlayError(message, place=place, expected=tuple(expected))


def place_of(at: Token | Meta) -> Place:
    """Where something is; of what goes over several lines the first character."""
    line, column = at.line or 1, at.column or 1
    length = (at.end_column or column + 1) - column if at.end_line == line else 1
    return Place(line, column, max(1, length))


def _number(token: Token) -> Fraction:
    text = token.value
    place = place_of(token)
    if len(text) > MOST_DIGITS:
        message = f"a number has no more than {MOST_DIGITS} characters"
        raise PlayError(message, place=place)
    over, _, under = text.replace("%", "/").partition("/")
    if not under:
        if "e" in over.lower() and abs(int(over.lower().partition("e")[2])) > MOST_DIGITS:
            raise PlayError("this number is too large or too small", place=place)
        return Fraction(over)
    if int(under) == 0:
        raise PlayError("nothing can be divided by 0", place=place)
    return Fraction(int(over), int(under))


@final
@v_args(meta=True)
class _Build(Transformer_NonRecursive[Token, Any]):
    """Nodes of rules; each method is called like the rule that it stands for."""

    # --- expressions ---

    def number(self, _: Meta, children: list[Token]) -> tree.Node:
        return tree.Literal(_number(children[0]), place_of(children[0]))

    def string(self, _: Meta, children: list[Token]) -> tree.Node:
        return tree.Quoted(children[0].value[1:-1], place_of(children[0]))

    def name(self, _: Meta, children: list[Token]) -> tree.Name:
        return tree.Name(children[0].value, place_of(children[0]))

    def bus_name(self, _: Meta, children: list[Token]) -> tree.BusName:
        return tree.BusName(children[0].value[1:], place_of(children[0]))

    def template_name(self, _: Meta, children: list[Token]) -> tree.Node:
        return tree.TemplateName(children[0].value[1:], place_of(children[0]))

    def pattern_name(self, _: Meta, children: list[Token]) -> tree.Node:
        return tree.PatternName(children[0].value[1:], place_of(children[0]))

    def keyword(self, _: Meta, children: list[Any]) -> Any:
        return tree.Keyword(children[0].value[1:], children[1], place_of(children[0]))

    def call(self, meta: Meta, children: list[Any]) -> tree.Node:
        head, *given = children
        called = self.bus_name(meta, [head]) if head.type == "BUS" else self.name(meta, [head])
        only = given[0] if len(given) == 1 else None
        if isinstance(only, tree.Several) and only.are_arguments:
            given = list(only.items)
        return tree.Call(
            called,
            tuple(one for one in given if not isinstance(one, tree.Keyword)),
            tuple(one for one in given if isinstance(one, tree.Keyword)),
            place_of(meta),
        )

    def several(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Several(tuple(children), place_of(meta))

    def arguments(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Several(tuple(children), place_of(meta), are_arguments=True)

    def chain_section(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Section("#", tuple(children), place_of(meta))

    def section(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Section(children[0].value, (children[1],), place_of(meta))

    def chain(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Chain(children[0], tuple(children[1:]), place_of(meta))

    def dollar(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Dollar(tuple(children), place_of(meta))

    def arithmetic(self, meta: Meta, children: list[Any]) -> tree.Node:
        operators = [token.value for token in children[1::2]]
        rest = tuple(zip(operators, children[2::2], strict=True))
        return tree.Arithmetic(children[0], rest, place_of(meta))

    def minus(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Minus(children[1], place_of(meta))

    def composed(self, meta: Meta, children: list[Any]) -> tree.Node:
        return tree.Composed(tuple(children), place_of(meta))

    # --- statements ---

    def setting(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        word, value, *meter = children
        quoted = self.string(_, meter) if meter else None
        return tree.Setting(word.value, value, quoted, place_of(word))  # type: ignore[arg-type]

    def bus(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        return self._definition("~", children, children[0].value[1:])

    def modifier(self, meta: Meta, children: list[Any]) -> tree.StatementNode:
        word, *steps = children
        body = tree.Section("#", tuple(steps), place_of(meta))
        return tree.Definition("#", word.value[1:], (), body, place_of(word))

    def function(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        return self._definition("fn", children[1:], children[1].value)

    def template(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        return self._definition("@", children, children[0].value[1:])

    def named(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        return self._definition("%", children, children[0].value[1:])

    def output(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        return self._definition("out", children, children[0].value)

    def command(self, _: Meta, children: list[Any]) -> tree.StatementNode:
        word, *given = children
        value = tree.Literal(_number(given[0]), place_of(given[0])) if given else None
        return tree.Command(word.value, value, place_of(word))

    def _definition(self, kind: str, children: list[Any], name: str) -> tree.Definition:
        word, *parameters, body = children
        named = tuple(tree.Name(token.value, place_of(token)) for token in parameters)
        return tree.Definition(kind, name, named, body, place_of(word))
