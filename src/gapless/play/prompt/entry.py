"""What is typed at a prompt: statements, or an expression to look at.

In: lines. Out: statements with their names and their text, or an expression; and whether more lines belong to them.
Invariants: what belongs together and what is a statement is what the language says of it. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

from gapless.play.errors import PlayError
from gapless.play.language import tree
from gapless.play.language.compile import output_name
from gapless.play.language.mistakes import ProgramError
from gapless.play.language.parse import parse
from gapless.play.language.tokens import Line, Statement, Token, statements, tokens
from gapless.play.pattern import Place

OPENERS: Final = "(["
CLOSERS: Final = ")]"
GOES_ON: Final = "\\"
INDENT: Final = "  "
COMMENTS: Final = ("--", "#")
COMMAND_SIGN: Final = ":"
"""Begins what is said to the prompt and not to the language."""

EXPRESSIONS: Final = frozenset(("STRING", "NUMBER", "NEGATIVE", "MINUS", "OPEN", "LIST"))
"""What an expression may begin with, and no statement does."""
EITHER: Final = frozenset(("BUS", "TEMPLATE", "NAMED", "COMMAND"))
"""What both may begin with."""


class Kept(NamedTuple):
    """A statement that stays in the program until another of its name comes."""

    name: str
    """What replaces what: ``o1``, ``~bass``, ``fn twice``, ``%rhythm``, ``@loud``, ``tempo``, ``outmix``."""
    text: str
    """Its lines, with the comments before it."""
    line: int
    """The first of them in what was typed."""
    indent: int
    """By which they were indented there."""


class Once(NamedTuple):
    """A command: it acts, and does not stay."""

    name: str
    text: str
    line: int
    indent: int


class Entry(NamedTuple):
    """What was typed."""

    kept: tuple[Kept, ...] = ()
    once: tuple[Once, ...] = ()
    is_expression: bool = False


def read(text: str, name: str = "<text>") -> Entry:
    """Understand what belongs together in a text.

    Args:
        text: whole lines.
        name: for messages.

    Raises:
        ProgramError: statements that are none; all of them.
    """
    groups = list(statements(text))
    if len(groups) == 1 and _is_expression(groups[0]):
        return Entry(is_expression=True)
    written = text.splitlines()
    kept: list[Kept] = []
    once: list[Once] = []
    mistakes: list[PlayError] = []
    end = 0
    for lines in groups:
        begin, end = end, lines[-1].number
        try:
            node = parse(tokens(lines))
        except PlayError as mistake:
            mistakes.append(mistake)
            continue
        indent = lines[0].indent
        if isinstance(node, tree.Command):
            once.append(Once(node.name, lines[0].text[indent:], lines[0].number, indent))
            continue
        while begin < end and not written[begin].strip():
            begin += 1
        shown = "\n".join(_dedented(line, indent) for line in written[begin:end])
        kept.append(Kept(name_of(node), shown, begin + 1, indent))
    if mistakes:
        raise ProgramError(mistakes, text, name)
    return Entry(tuple(kept), tuple(once))


def entries(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """What belongs together in a script, each with the number of its first line.

    A statement goes on in lines that lie deeper, so it is complete when another line follows that does not; an empty
    line ends it at once. A line that begins with a colon stands alone.
    """
    text, first = "", 0
    for number, written in enumerate(lines, 1):
        line = written.rstrip("\r\n")
        if not line.strip():
            if text:
                yield first, text
            text = ""
        elif text and is_open(text):
            text = joined(text, line)
        elif text and (goes_on(text, line) or _is_comment(text)) and line[0] != COMMAND_SIGN:
            text = f"{text}\n{line}"
        else:
            if text:
                yield first, text
            text, first = line, number
            if line[0] == COMMAND_SIGN:
                yield first, text
                text = ""
    if text:
        yield first, text


def goes_on(text: str, line: str) -> bool:
    """Whether a line belongs to the statement before it: it lies deeper, or begins with a closing bracket."""
    begins = next((one for one in text.splitlines() if one.strip() and not _is_comment(one)), "")
    return len(_indent(line)) > len(_indent(begins)) or line[0] in CLOSERS


def expression(lines: list[Line]) -> tree.Node:
    """The tree of an expression.

    Raises:
        PlayError: it is none.
    """
    first, *rest = tokens(lines).tokens
    if first.kind == "COMMAND":
        first = first._replace(kind="NAME")
    # As if it stood behind a name, which is nowhere in the text.
    nowhere = Place(first.place.line, 0, 0)
    named = (Token("NAMED", "%it", nowhere), Token("COLON", ":", nowhere), first, *rest)
    return cast("tree.Definition", parse(Statement(named))).body


def name_of(node: tree.Setting | tree.Definition) -> str:
    """By which a statement replaces another: ``d1``, ``out1`` and ``o1`` are one output, all tempos are one."""
    if isinstance(node, tree.Setting):
        return "outmix" if node.name == "outmix" else "tempo"
    if node.kind == "out":
        return output_name(node.name)
    return {"#": "~", "fn": "fn "}.get(node.kind, node.kind) + node.name


def is_open(text: str) -> bool:
    """Whether more lines must follow: a bracket or a quote is open, or the last line ends in a backslash."""
    return text.endswith(GOES_ON) or bool(_open_at_end(text))


def joined(text: str, line: str) -> str:
    """A text with the line that follows because it is open."""
    text = text.removesuffix(GOES_ON)
    if _open_at_end(text) == '"':
        # Quotes end in their line.
        return f"{text.rstrip()} {line.lstrip()}"
    if goes_on(text, line):
        return f"{text}\n{line}"
    return f"{text}\n{_indent(text)}{INDENT}{line.lstrip()}"


def _open_at_end(text: str) -> str:
    """What is open at the end: a quote, brackets, or nothing."""
    still_open = ""
    for line in text.splitlines():
        in_quotes = False
        for at, letter in enumerate(line):
            if letter == '"':
                in_quotes = not in_quotes
            elif not in_quotes and line.startswith("--", at):
                break
            elif not in_quotes and letter in OPENERS:
                still_open += letter
            elif not in_quotes and letter in CLOSERS:
                still_open = still_open[:-1]
        if in_quotes:
            return '"'
    return still_open


def _is_expression(lines: list[Line]) -> bool:
    try:
        found = tokens(lines)
    except PlayError:
        return False
    first, *rest = found.tokens
    if first.kind == "NAME":
        return not (rest and rest[0].kind in ("COLON", "EQUALS"))
    if first.kind not in EITHER:
        return first.kind in EXPRESSIONS
    try:
        parse(found)
    except PlayError:
        try:
            expression(lines)
        except PlayError:
            return False
        return True
    return False


def _is_comment(text: str) -> bool:
    """Whether there is nothing else in it."""
    return all(line.lstrip().startswith(COMMENTS) for line in text.splitlines())


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _dedented(line: str, indent: int) -> str:
    return line[indent:] if not line[:indent].strip() else line.lstrip()
