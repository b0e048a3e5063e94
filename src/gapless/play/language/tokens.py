"""Text into statements, and statements into tokens.

In: a program's text. Out: for each statement its tokens, with places. Invariants: every character belongs to a token,
to space between tokens or to a comment, or is a mistake; a statement has no more than ``MOST_TOKENS`` tokens, nested no
deeper than ``DEEPEST``. Thread: any (pure).

A line begins a statement unless it lies deeper than the statement that is open, or begins with a closing bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from gapless.play.errors import PlayError
from gapless.play.pattern import Place

MOST_STATEMENTS: Final = 1000
MOST_TOKENS: Final = 2000
"""In one statement."""
DEEPEST: Final = 24
"""Brackets within brackets."""
LONGEST: Final = 200_000
"""Characters of a program."""

SETTINGS: Final = ("tempo", "cps", "bpm", "outmix")
COMMANDS: Final = ("hush", "unhush", "panic", "resetCycles", "setCycle", "nudge")

_SETTING = re.compile(rf"\s*(?:{'|'.join(SETTINGS)})\b")
_OUTPUT = re.compile(r"out|(?:out|o|d)\d{1,3}")
_COMMAND = re.compile(r"(?:un)?hush\d{0,3}|panic|resetCycles|setCycle|nudge")

_KINDS: Final = (
    ("SPACE", r"[ \t]+"),
    ("COMMENT", r"--.*"),
    ("STRING", r'"[^"]*"'),
    ("NUMBER", r"(?:\d+[/%]\d+(?![\d.])|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"),
    ("BUS", r"~[A-Za-z_]\w*"),
    ("TEMPLATE", r"@[A-Za-z_]\w*"),
    ("NAMED", r"%[A-Za-z_]\w*"),
    ("KEY", r":[A-Za-z_]\w*"),
    ("NAME", r"[A-Za-z_][\w']*"),
    # Structured operators: a bar on the side, or the sides, that the structure comes from.
    ("MULOP", r"\|[*/]\|?|[*/]\||[*/]"),
    ("SUMOP", r"\|[+<>-]\|?|[+<>-]\||\+"),
    ("MINUS", r"-"),
    ("HASH", r"#"),
    ("DOLLAR", r"\$"),
    ("DOT", r"\."),
    ("COMMA", r","),
    ("COLON", r":"),
    ("EQUALS", r"="),
    ("OPEN", r"\("),
    ("CLOSE", r"\)"),
    ("LIST", r"\["),
    ("UNLIST", r"\]"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS))
_CLOSERS: Final = {"OPEN": "CLOSE", "CALL": "CLOSE", "LIST": "UNLIST"}
_WRITTEN: Final = {"CLOSE": ")", "UNLIST": "]"}
OTHER_QUOTES: Final = frozenset("'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb")
INSTEAD: Final = {
    ";": "the end of the line, which ends a statement",
    "{": "'(' or '['",
    "}": "')' or ']'",
    "&": "stack [a, b]",
    "|": "an operator such as |+ or +|",
    "!": '"bd!3" within a pattern',
    "?": '"bd?" within a pattern',
    "<": '"<a b>" within a pattern',
    ">": '"<a b>" within a pattern',
}
"""Of characters that belong to nothing."""
_ENDS_OPERAND: Final = frozenset(
    (
        "STRING",
        "NUMBER",
        "NEGATIVE",
        "BUS",
        "TEMPLATE",
        "NAMED",
        "NAME",
        "COMMAND",
        "CLOSE",
        "UNLIST",
    )
)


class Token(NamedTuple):
    """A word of a statement."""

    kind: str
    text: str
    place: Place


class Statement(NamedTuple):
    """The tokens of one."""

    tokens: tuple[Token, ...]

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.tokens[0].place


class Line(NamedTuple):
    """A line that is neither empty nor a comment."""

    number: int
    indent: int
    text: str


def statements(text: str) -> Iterator[list[Line]]:
    """The lines of each statement.

    Raises:
        PlayError: the text is too long.
    """
    if len(text) > LONGEST:
        raise PlayError(f"a program is no longer than {LONGEST} characters", place=Place(1, 1, 1))
    lines: list[Line] = []
    found = 0
    for number, written in enumerate(text.splitlines(), 1):
        bare = written.lstrip(" \t")
        indent = len(written) - len(bare)
        if not bare.strip() or bare.startswith("--"):
            continue
        goes_on = bool(lines) and (indent > lines[0].indent or bare[0] in ")]")
        if bare.startswith("#") and not goes_on:
            continue
        if lines and not goes_on:
            yield lines
            lines = []
        if not lines:
            found += 1
            if found > MOST_STATEMENTS:
                message = f"a program has no more than {MOST_STATEMENTS} statements"
                raise PlayError(message, place=Place(number, indent + 1, 1))
        lines.append(Line(number, indent, written))
    if lines:
        yield lines


def tokens(lines: list[Line]) -> Statement:
    """What a statement is made of.

    Raises:
        PlayError: a character that belongs to nothing, a string or bracket that is not closed, or too much of it all.
    """
    if _SETTING.match(lines[0].text):
        # Numbers go through no effects, so here a comment is meant.
        lines = [line._replace(text=line.text.partition("#")[0]) for line in lines]
    found: list[Token] = []
    for line in lines:
        found += _of_line(line)
        if len(found) > MOST_TOKENS:
            message = f"a statement has no more than {MOST_TOKENS} words"
            raise PlayError(message, place=found[MOST_TOKENS].place)
    _check_brackets(found)
    found[0] = _first(found[0])
    return Statement(tuple(_with_signs(found)))


def _of_line(line: Line) -> list[Token]:
    found: list[Token] = []
    at = 0
    text = line.text
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unknown(text, at, line.number)
        kind = match.lastgroup or ""
        place = Place(line.number, at + 1, match.end() - at)
        touches = bool(found) and found[-1].place.column + found[-1].place.length == at + 1
        if touches and kind == "MULOP" and found[-1].text == "/":
            place = Place(line.number, at, 2)
            raise PlayError(
                "this begins no comment", place=place, expected=("-- before a comment",)
            )
        if touches and kind == "OPEN" and found[-1].kind in ("NAME", "BUS"):
            kind = "CALL"
        if kind == "KEY" and touches and found[-1].kind in _ENDS_OPERAND:
            # ~x:saw 440
            kind, place = "COLON", place._replace(length=1)
        if kind not in ("SPACE", "COMMENT"):
            found.append(Token(kind, text[at : at + place.length], place))
        at += place.length
    return found


def _unknown(text: str, at: int, number: int) -> PlayError:
    """The mistake that a character is which begins no token."""
    if text[at] == '"':
        place = Place(number, at + 1, len(text.rstrip()) - at)
        return PlayError("a string that is not closed", place=place, expected=('a closing "',))
    if text[at].isdigit() or text[at] == ".":
        word = re.match(r"[\w.]+", text[at:])
        length = len(word.group()) if word else 1
        return PlayError("this is not a number", place=Place(number, at + 1, length))
    place = Place(number, at + 1, 1)
    if text[at] in "~@%":
        return PlayError(f"{text[at]!r} needs a name right behind it", place=place)
    if text[at] in OTHER_QUOTES:
        message = 'patterns are written in straight double quotes: "bd sn"'
        return PlayError(message, place=place)
    expected = (INSTEAD[text[at]],) if text[at] in INSTEAD else ()
    return PlayError(f"{text[at]!r} means nothing here", place=place, expected=expected)


def _check_brackets(found: list[Token]) -> None:
    still_open: list[Token] = []
    for token in found:
        if token.kind in _CLOSERS:
            still_open.append(token)
            if len(still_open) > DEEPEST:
                message = f"brackets go no deeper than {DEEPEST}: name a part of it as a bus"
                raise PlayError(message, place=token.place)
        elif token.kind in _WRITTEN:
            if not still_open:
                raise PlayError(f"{token.text!r} closes nothing", place=token.place)
            wanted = _CLOSERS[still_open.pop().kind]
            if wanted != token.kind:
                expected = (repr(_WRITTEN[wanted]),)
                raise PlayError(
                    f"{token.text!r} does not fit", place=token.place, expected=expected
                )
    if still_open:
        token = still_open[-1]
        raise PlayError(
            f"{token.text!r} is never closed",
            place=token.place,
            expected=(repr(_WRITTEN[_CLOSERS[token.kind]]),),
        )


def _first(token: Token) -> Token:
    """The first word of a statement, as the kind of statement that it begins."""
    if token.kind == "NAME":
        if token.text in SETTINGS:
            return token._replace(kind="SETTING")
        if token.text == "fn":
            return token._replace(kind="FN")
        if is_output(token.text):
            return token._replace(kind="OUTPUT")
        if _COMMAND.fullmatch(token.text):
            return token._replace(kind="COMMAND")
    return token


def is_output(word: str) -> bool:
    """Whether it names one: ``out``, ``o1``, ``d1``, ``out1``."""
    return _OUTPUT.fullmatch(word) is not None


def _with_signs(found: list[Token]) -> Iterator[Token]:
    """A minus that touches its number and nothing else is the number's sign: ``rotL -1``, but ``3 - 1``, ``3 -1``.

    Only an argument of a function can stand directly behind another operand, so that it must be one that is called.
    """
    heads: list[Token | None] = [None]
    last: Token | None = None
    skip = False
    for token, following in zip(found, [*found[1:], None], strict=True):
        if skip:
            skip = False
            continue
        if token.text == "-" and following is not None and following.kind == "NUMBER":
            touches = following.place.line == token.place.line and (
                following.place.column == token.place.column + 1
            )
            head = heads[-1]
            if touches and head is not None and last is not None and _is_apart(last, token):
                length = following.place.length + 1
                last = Token("NEGATIVE", "-" + following.text, token.place._replace(length=length))
                skip = True
                yield last
                continue
        _follow(heads, token)
        last = token
        yield token


def _follow(heads: list[Token | None], token: Token) -> None:
    """Keep the function that is being called, within each bracket."""
    if token.kind in _CLOSERS:
        heads.append(None)
    elif token.kind in _WRITTEN:
        heads.pop()
    elif token.kind in ("NAME", "COMMAND"):
        heads[-1] = heads[-1] or token
    elif token.kind not in _ENDS_OPERAND and token.kind != "KEY":
        heads[-1] = None


def _is_apart(left: Token, right: Token) -> bool:
    """Whether there is space between an operand and what follows."""
    if left.kind not in _ENDS_OPERAND and left.kind != "KEY":
        return False
    return (
        left.place.line != right.place.line
        or left.place.column + left.place.length < right.place.column
    )
