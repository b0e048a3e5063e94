"""What is said to the prompt: statements and patterns for the session, and commands that begin with a colon.

In: what was typed. Out: words and tables on standard output, mistakes on standard error. Invariants: whatever is typed,
the prompt goes on. Thread: main.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from gapless.play.prompt.entry import COMMAND_SIGN
from gapless.play.prompt.session import MOST_CYCLES, Answer, Changed, Session, Wrong
from gapless.play.prompt.vocabulary import about, nearest

if TYPE_CHECKING:
    from gapless.play.live.stage import Stage
    from gapless.play.prompt.events import Row

MOST_BYTES: Final = 1 << 20
"""Of a program's file."""


class Desk:
    """Who answers what is typed.

    Args:
        session: what was entered so far.
        stage: where it sounds; None: nowhere.
    """

    def __init__(self, session: Session, stage: Stage | None = None) -> None:
        self.over = False
        """``:quit`` was said."""
        self.mistakes = 0
        self._session = session
        self._stage = stage
        self._file = ""

    def take(self, text: str, line: int = 1) -> None:
        """Do what was typed.

        Args:
            text: what belongs together.
            line: the number of its first line.
        """
        if not text.lstrip().startswith(COMMAND_SIGN):
            self._answer(self._session.enter(text, line, self._next_cycle()))
            return
        name, _, rest = text.strip().removeprefix(COMMAND_SIGN).partition(" ")
        found = [one for one in COMMANDS if one.name == name]
        found = found or [one for one in COMMANDS if name and one.name.startswith(name)]
        if len(found) != 1:
            names = " ".join(f":{one.name}" for one in COMMANDS)
            self._wrong(f"there is no command :{name}; there are {names}")
            return
        found[0].run(self, rest.strip())

    def names(self) -> tuple[str, ...]:
        """What Tab may complete besides the language: own names and commands."""
        return (*self._session.names, *(f":{one.name}" for one in COMMANDS))

    # --- commands ---

    def help(self, name: str) -> None:
        """What a name means, or which commands there are."""
        if not name:
            click.echo(HELP)
            return
        lines = about(name)
        if lines:
            click.echo("\n".join(lines))
            return
        near = nearest(name)
        hint = f"did you mean {near}?" if near else "type the beginning of one and Tab"
        self._wrong(f"there is no {name}; {hint}")

    def list(self, _: str) -> None:
        """The program."""
        lines = self._session.text.splitlines()
        for number, line in enumerate(lines, 1):
            click.echo(f"{number:3}  {line}")
        if self._session.hushed:
            click.echo(f"silent: {', '.join(sorted(self._session.hushed))}")

    def delete(self, name: str) -> None:
        """A statement goes."""
        self._answer(self._session.delete(name))

    def undo(self, _: str) -> None:
        """The statements before the last change."""
        self._answer(self._session.undo())

    def events(self, said: str) -> None:
        """What is played in the next cycles, or what an expression would play."""
        first, _, rest = said.partition(" ")
        cycles = min(int(first), MOST_CYCLES) if first.isdecimal() else 0
        source = rest if cycles else said
        answer = self._session.events(source, self._next_cycle(), max(cycles, 1))
        self._answer(answer)

    def save(self, name: str) -> None:
        """The program as a file, which is written whole or not at all."""
        path = Path(name or self._file).expanduser()
        if not path.name:
            self._wrong("give it a name: :save beat.ph")
            return
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            unfinished.write_text(self._session.text, "utf-8")
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            self._wrong(f"cannot write {path}: {error.strerror}; choose another place")
            return
        self._file = str(path)
        click.echo(f"saved {path}")

    def load(self, name: str) -> None:
        """A file instead of the program."""
        path = Path(name).expanduser()
        try:
            if path.stat().st_size > MOST_BYTES:
                self._wrong(f"{path} is too long; a program has {MOST_BYTES} bytes at most")
                return
            text = path.read_text("utf-8")
        except OSError as error:
            self._wrong(f"cannot read {path}: {error.strerror}; check its name")
            return
        except UnicodeDecodeError:
            self._wrong(f"{path} is no text; save it as UTF-8")
            return
        self._file = str(path)
        self._answer(self._session.replace(text, str(path)))

    def quit(self, _: str) -> None:
        """No more."""
        self.over = True

    # --- answers ---

    def _next_cycle(self) -> int:
        """The one that has not begun."""
        if self._stage is None or not self._session.program.outputs:
            return 0
        return math.ceil(self._stage.performance.player.cycle)

    def _answer(self, answer: Answer) -> None:
        match answer:
            case Wrong():
                self._wrong(answer.shown)
            case Changed():
                at = "" if self._stage is None else f"cycle {self._cycle():.2f}: "
                click.echo(f"{at}{answer.what}")
                for remark in answer.remarks:
                    click.secho(remark, fg="yellow", err=True)
            case _:
                _print_rows(answer.rows)
                if answer.more:
                    click.echo(f"and {answer.more} more")

    def _cycle(self) -> float:
        # What is heard first has been asked for, but its sample is still to come.
        return max(0.0, float(self._stage.performance.player.cycle)) if self._stage else 0.0

    def _wrong(self, text: str) -> None:
        self.mistakes += 1
        click.secho(text, fg="red", err=True)


class _Command(NamedTuple):
    name: str
    usage: str
    doc: str
    run: Callable[[Desk, str], None]


COMMANDS: Final = (
    _Command("help", ":help [NAME]", "What a transform, a unit or another name means.", Desk.help),
    _Command("list", ":list", "The program, and which outputs are silent.", Desk.list),
    _Command("del", ":del NAME", "Take a statement away: :del o1, :del ~bass.", Desk.delete),
    _Command("undo", ":undo", "Go back to the program before the last change.", Desk.undo),
    _Command(
        "events",
        ":events [N] [PATTERN]",
        "The events of the next N cycles, of all outputs or of a pattern.",
        Desk.events,
    ),
    _Command(
        "save", ":save [FILE]", "Write the program; without a name where it is from.", Desk.save
    ),
    _Command("load", ":load FILE", "Play a file instead.", Desk.load),
    _Command("quit", ":quit", "Fade out and end; so does Ctrl-D.", Desk.quit),
)

HELP: Final = "\n".join(
    (
        'o1: s "bd*4"           a statement plays, and replaces the one of its name',
        'every 4 rev $ s "bd"   a pattern alone is printed as a table of its events',
        "hush, panic, nudge ... act once and do not stay in the program",
        "",
        *(f"{one.usage:<22} {one.doc}" for one in COMMANDS),
        "",
        "A line that begins with space goes on with the statement before it.",
    )
)


def _print_rows(rows: Iterable[Row]) -> None:
    """Aligned, with times as fractions of cycles."""
    shown = [
        (_time(row.begin), _time(row.end), *((row.output,) if row.output else ()), row.value)
        for row in rows
    ]
    if not shown:
        click.echo("no events")
        return
    heading = (
        ("begin", "end", "output", "value") if len(shown[0]) > 3 else ("begin", "end", "value")
    )
    table = [heading, *shown]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        *fixed, last = cells
        padded = (cell.ljust(width) for cell, width in zip(fixed, widths, strict=False))
        click.echo("  ".join((*padded, last)))


def _time(cycles: Fraction) -> str:
    """``2 1/3``: a cycle and how far in it."""
    whole, rest = divmod(cycles, 1)
    if not rest:
        return str(whole)
    return f"{whole} {rest}" if whole else str(rest)
