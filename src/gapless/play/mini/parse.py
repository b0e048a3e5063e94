"""A mini-notation text into a tree.

In: a text, and where it stands in a larger one. Out: a node. Invariants: whatever the text, either a node that is
within the limits of ``cost.py`` comes back or a ``PlayError`` says where it went wrong; Lark's own errors and the
interpreter's recursion limit are never met. Thread: any.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from gapless.play.errors import PlayError
from gapless.play.mini.build import Builder
from gapless.play.mini.cost import MOST_BRACKETS, MOST_CHARACTERS
from gapless.play.mini.grammar import A_STEP, GRAMMAR, SEPARATORS, STEP_TERMINALS
from gapless.play.mini.place import place_in
from gapless.play.mini.tree import Node
from gapless.play.pattern import Place

CLOSING: Final = {"[": "]", "<": ">", "{": "}", "(": ")"}
LONGEST_QUOTE: Final = 20
"""Characters of the text that a message repeats."""


def parse(text: str, at: Place) -> Node:
    """What a text says.

    Args:
        text: In mini-notation.
        at: Where its first character stands.

    Raises:
        PlayError: It cannot be understood, or asks for too much.
    """
    if len(text) > MOST_CHARACTERS:
        raise PlayError(
            f"a pattern of {len(text)} characters is too long; the limit is {MOST_CHARACTERS}: "
            "split it",
            place=at,
        )
    _check_brackets(text, at)
    try:
        tree: Tree[Token] = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(error, text, at) from None
    return Builder(text, at).build(tree)


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR, parser="lalr", lexer="basic", maybe_placeholders=False, propagate_positions=True
    )


def _check_brackets(text: str, at: Place) -> None:
    """Every bracket has its partner, and not too many are open at once.

    The parser would find it too, but only at the end of the text, and it could not say which bracket is at fault.
    """
    opened: list[int] = []
    for index, letter in enumerate(text):
        if letter in CLOSING:
            opened.append(index)
            if len(opened) > MOST_BRACKETS:
                raise PlayError(
                    f"more than {MOST_BRACKETS} brackets, one in the other, are too many; "
                    "split the pattern",
                    place=place_in(text, at, index, 1),
                )
        elif letter in CLOSING.values():
            wanted = CLOSING[text[opened.pop()]] if opened else None
            if letter != wanted:
                raise PlayError(
                    f"'{letter}' closes nothing",
                    place=place_in(text, at, index, 1),
                    expected=(f"'{wanted}'",) if wanted else (),
                )
    if opened:
        raise PlayError(
            f"'{text[opened[-1]]}' is never closed",
            place=place_in(text, at, opened[-1], 1),
            expected=(f"'{CLOSING[text[opened[-1]]]}'",),
        )


def _explained(error: UnexpectedInput, text: str, at: Place) -> PlayError:
    """What Lark found, in words of the notation."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        place = place_in(text, at, len(text), 1)
        return PlayError("the pattern ends too soon", place=place, expected=_expected(error))
    begin = error.pos_in_stream or 0
    if isinstance(error, UnexpectedToken):
        piece = str(error.token)
        place = place_in(text, at, begin, len(piece))
        return PlayError(f"'{piece}' cannot stand here", place=place, expected=_expected(error))
    piece = text[begin:].split(maxsplit=1)[0][:LONGEST_QUOTE]
    place = place_in(text, at, begin, len(piece))
    expected = (A_STEP,) if isinstance(error, UnexpectedCharacters) else ()
    return PlayError(f"'{piece}' is not understood", place=place, expected=expected)


def _expected(error: UnexpectedToken) -> tuple[str, ...]:
    """What could have stood in the place of a token; operators go without saying."""
    wanted = error.accepts or error.expected
    step = (A_STEP,) if wanted & STEP_TERMINALS else ()
    return (*step, *(name for terminal, name in SEPARATORS.items() if terminal in wanted))
