"""What people write who know other languages, or who begin: what to write instead.

In: the tokens of a statement that is none. Out: advice. Thread: any (pure).
"""

from __future__ import annotations

from typing import Final

from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.elsewhere import ELSEWHERE
from gapless.play.language.tokens import COMMANDS, SETTINGS, Statement, is_output
from gapless.play.pattern import Place

STATEMENTS: Final = (
    "out: ...",
    "o1: ...",
    "~bus: ...",
    "@template: ...",
    "%pattern: ...",
    "fn name a b = ...",
    "tempo: 0.5",
    "hush",
)
_ASSIGNED: Final = frozenset(("COLON", "EQUALS"))
_DECLARING: Final = frozenset(("let", "const", "var"))


def no_statement(statement: Statement) -> PlayError:
    """The mistake of a statement that begins as none does."""
    first, *rest = statement.tokens
    word = first.text
    expected: tuple[str, ...] = STATEMENTS
    nearest = nearest_name(word, (*SETTINGS, *COMMANDS, "out", "fn"))
    following = rest[0].kind if rest else ""
    if is_output(word.lower()):
        expected, nearest = (), word.lower()
    elif word in ELSEWHERE:
        expected, nearest = (ELSEWHERE[word],), None
    elif first.kind == "DOLLAR":
        expected = ("o1: ... for what is to be heard",)
    elif word in _DECLARING and rest:
        expected, nearest = (f"~{rest[0].text}: ... for a sound or pattern by name",), None
    elif first.kind == "NAME" and following in _ASSIGNED and nearest is None:
        expected = (f"~{word}: ... for a sound or pattern by name", "o1: ... for what is heard")
    elif first.kind == "NAME" and following and nearest is None:
        expected = (f"o1: {word} ... for what is to be heard", f"~name: {word} ...")
    message = f"no statement begins with {word}"
    return PlayError(message, place=first.place, expected=expected, nearest=nearest)


def meant_instead(statement: Statement, place: Place) -> str | None:
    """What someone means who writes what does not belong at a place; None: nobody knows."""
    at = next((n for n, one in enumerate(statement.tokens) if one.place == place), 0)
    token, before = statement.tokens[at], statement.tokens[at - 1]
    begins_line = at > 0 and before.place.line > statement.tokens[max(at - 2, 0)].place.line
    if token.kind in _ASSIGNED and begins_line:
        line = statement.place.line
        return f"this line to begin where line {line} does, if it is another statement"
    if token.kind in _ASSIGNED and before.kind == "NAME":
        return f"its value behind a space: {before.text} 1"
    if token.kind == "COMMA":
        return "stack [a, b] for several at once"
    if token.kind == "HASH" and before.kind == "HASH":
        return "one # before each effect or parameter"
    if token.kind in ("CALL", "OPEN") and statement.tokens[0].kind == "FN":
        return "fn name a b = ..."
    return None
