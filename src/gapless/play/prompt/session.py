"""A program that is made statement by statement while it plays.

In: what is typed. Out: programs, for whoever plays them, and what is to be told. Invariants: the program is a list of
statements, each with a name; a statement replaces the one of its name, and a mistake changes nothing. No input or
output is done here. Thread: one.

Commands act once and do not stay. ``hush``, ``hush1`` and ``panic`` make outputs silent; one sounds again after
``unhush``, ``unhush1``, or when it is entered anew: whoever writes an output wants to hear it. That outputs are silent
is no part of the text: it is neither saved nor undone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, final

from gapless.errors import ConfigError
from gapless.play.errors import PlayError, nearest_name
from gapless.play.language.mistakes import MOST_SHOWN, ProgramError
from gapless.play.pattern import Place
from gapless.play.program import Program, Remark
from gapless.play.prompt.entry import Entry, Kept, Once, read
from gapless.play.prompt.events import Row, rows_of_expression, rows_of_program
from gapless.play.prompt.silence import commands_for, entered_outputs, outputs_of

MOST_UNDONE: Final = 100
MOST_CYCLES: Final = 64
MOST_ROWS: Final = 200
"""That are shown at a time."""
PROGRAM: Final = "program"
"""What the text of all statements is called in messages."""
Play: TypeAlias = Callable[[str], Program]
"""Plays a text from now on; raises as ``compile_program`` does, and ConfigError where there is no room for it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """It was understood and plays."""

    what: str
    """What was done, for people."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What an expression or the program would play."""

    rows: tuple[Row, ...]
    more: int = 0
    """Rows that were left out."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """It was not, and nothing was changed."""

    shown: str


Answer: TypeAlias = Changed | Found | Wrong


class _Block(NamedTuple):
    """Lines of the whole text that were typed just now."""

    first: int
    n_lines: int
    typed: Kept | Once


@final
class Session:
    """What was entered so far.

    Args:
        play: is given each new text.
        name: of what is typed, in messages.
    """

    def __init__(self, play: Play, name: str = "typed") -> None:
        self._play = play
        self._name = name
        self._kept: tuple[Kept, ...] = ()
        self._hushed: frozenset[str] = frozenset()
        self._past: deque[tuple[Kept, ...]] = deque(maxlen=MOST_UNDONE)
        self._told: frozenset[str] = frozenset()
        """Remarks on the program as it is."""
        self.program = Program(outputs={})
        """The last good one."""

    @property
    def text(self) -> str:
        """All statements, as they would be saved."""
        return "".join(f"{one.text}\n" for one in self._kept)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the statements, in their order."""
        return tuple(one.name for one in self._kept)

    @property
    def hushed(self) -> frozenset[str]:
        """Outputs that are silent."""
        return self._hushed & self.program.outputs.keys()

    def enter(self, text: str, line: int = 1, cycle: int = 0) -> Answer:
        """Take in what was typed.

        Args:
            text: whole lines: statements, commands, or one expression.
            line: the number of the first.
            cycle: in which an expression is looked at.
        """
        # Lines are counted from the beginning of all that was typed.
        source = "\n" * (line - 1) + text
        try:
            entry = read(source, self._name)
        except PlayError as mistake:
            return Wrong(mistake.shown(source, self._name))
        if entry.is_expression:
            return self.events(source, cycle)
        return self._change(self._with(entry.kept), entry, source)

    def replace(self, text: str, name: str) -> Answer:
        """Have another program, of a file, instead of this one.

        Args:
            text: all of it.
            name: of the file.
        """
        try:
            entry = read(text, name)
        except PlayError as mistake:
            return Wrong(mistake.shown(text, name))
        if entry.is_expression:
            return Wrong(
                f"{name} is no program but an expression; write it behind a name, as o1: ..."
            )
        return self._change(_last_of_each(entry.kept), entry, text, name)

    def delete(self, name: str) -> Answer:
        """Take a statement away."""
        meant = _meant(name, self.names)
        if meant is None:
            near = nearest_name(name, self.names)
            hint = (
                f"did you mean {near}?" if near else f"there are {', '.join(self.names) or 'none'}"
            )
            return Wrong(f"there is no statement called {name}; {hint}")
        return self._change(tuple(one for one in self._kept if one.name != meant))

    def undo(self) -> Answer:
        """Go back to the statements before the last change."""
        if not self._past:
            return Wrong("there is nothing to undo")
        before = self._past.pop()
        answer = self._change(before)
        # What was undone is no step that could be undone, and what could not be undone still can.
        if isinstance(answer, Wrong):
            self._past.append(before)
        else:
            self._past.pop()
        return answer

    def events(self, source: str = "", begin: int = 0, cycles: int = 1) -> Answer:
        """What would be played.

        Args:
            source: an expression, as it was typed; empty: the whole program.
            begin: the first cycle to look at.
            cycles: how many.
        """
        end = begin + min(cycles, MOST_CYCLES)
        try:
            if source.strip():
                rows = rows_of_expression(self.text, source, begin, end)
            else:
                rows = rows_of_program(self.program, begin, end)
        except PlayError as mistake:
            return Wrong(mistake.shown(source, self._name))
        return Found(rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))

    # --- changes ---

    def _with(self, entered: Iterable[Kept]) -> tuple[Kept, ...]:
        """The statements with others, each in the place of the one that it replaces."""
        by_name = {one.name: one for one in self._kept}
        by_name.update((one.name, one) for one in entered)
        return tuple(by_name.values())

    def _change(
        self,
        kept: tuple[Kept, ...],
        entry: Entry | None = None,
        source: str = "",
        name: str | None = None,
    ) -> Answer:
        entry = entry or Entry()
        hushed = self._hushed - entered_outputs(entry.kept)
        commands = [one.text for one in entry.once]
        text, blocks = _whole(kept, [*commands_for(hushed, outputs_of(kept)), *commands], entry)
        origin = _Origin(text, blocks, source, name or self._name)
        try:
            program = self._play(text)
        except PlayError as mistake:
            return Wrong(origin.shown(mistake))
        except ConfigError as error:
            return Wrong(error.message)
        told = frozenset(one.text for one in program.remarks)
        remarks = [origin.remark(one) for one in program.remarks if one.text not in self._told]
        if kept != self._kept:
            self._past.append(self._kept)
        self._kept, self._told, self.program = kept, told, program
        # What is silent and was taken away is still silent if that is undone.
        away = hushed - program.outputs.keys()
        self._hushed = program.hushed | (frozenset() if "unhush" in commands else away)
        return Changed(_what(kept, entry), tuple(remarks))


@final
class _Origin:
    """Where what is said of the whole text was typed."""

    def __init__(self, text: str, blocks: list[_Block], source: str, name: str) -> None:
        self._text = text
        self._blocks = blocks
        self._source = source
        self._name = name

    def shown(self, mistake: PlayError) -> str:
        """Mistakes, each in the line that was typed, or else in the program's."""
        all_of_them = mistake.mistakes if isinstance(mistake, ProgramError) else (mistake,)
        rows = []
        for one in all_of_them[:MOST_SHOWN]:
            place, source, name = self._typed(one.place)
            moved = PlayError(one.text, place=place, expected=one.expected, nearest=one.nearest)
            rows.append(moved.shown(source, name))
        more = len(all_of_them) - MOST_SHOWN
        return "\n".join([*rows, f"and {more} more"] if more > 0 else rows)

    def remark(self, remark: Remark) -> str:
        """With its place, if it has one."""
        if remark.place is None:
            return remark.text
        place, _, name = self._typed(remark.place)
        return f"{name}:{place.line}:{place.column}: {remark.text}"

    def _typed(self, place: Place) -> tuple[Place, str, str]:
        for first, n_lines, typed in self._blocks:
            if first <= place.line < first + n_lines:
                line = typed.line + place.line - first
                return (
                    place._replace(line=line, column=place.column + typed.indent),
                    self._source,
                    self._name,
                )
        return place, self._text, PROGRAM


def _whole(kept: Iterable[Kept], commands: list[str], entry: Entry) -> tuple[str, list[_Block]]:
    """The whole text, and which of its lines were typed just now."""
    lines: list[str] = []
    blocks = []
    typed: Kept | Once
    for typed in kept:
        own = typed.text.split("\n")
        if any(typed is one for one in entry.kept):
            blocks.append(_Block(len(lines) + 1, len(own), typed))
        lines += own
    first = len(lines) + 1 + len(commands) - len(entry.once)
    for number, typed in enumerate(entry.once, first):
        blocks.append(_Block(number, 1, typed))
    return "".join(f"{line}\n" for line in (*lines, *commands)), blocks


def _last_of_each(kept: Iterable[Kept]) -> tuple[Kept, ...]:
    return tuple({one.name: one for one in kept}.values())


def _meant(name: str, names: tuple[str, ...]) -> str | None:
    """The statement that somebody means who wrote ``bass``, ``d1`` or ``bpm``."""
    same = {"bpm": "tempo", "cps": "tempo"}.get(name, name)
    number = name.lstrip("out d")
    if number.isdecimal() and name.removesuffix(number) in ("o", "d", "out"):
        same = f"o{int(number)}"
    possible = [same, *(f"{sign}{name}" for sign in ("~", "fn ", "%", "@"))]
    return next((one for one in possible if one in names), None)


def _what(kept: tuple[Kept, ...], entry: Entry) -> str:
    parts = [*dict.fromkeys(one.name for one in entry.kept), *(one.text for one in entry.once)]
    return ", ".join(parts) or ", ".join(one.name for one in kept) or "nothing"
