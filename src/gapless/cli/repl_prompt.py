"""A prompt in a terminal: lines with history and Tab, where the standard library's readline is there.

In: keys. Out: what belongs together, with the number of its first line. Invariants: Ctrl-C drops the line, Ctrl-D ends;
the history is kept in the user's folder for state, for the user alone. Thread: main.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from gapless.play.prompt.entry import COMMAND_SIGN, goes_on, is_open, joined
from gapless.play.prompt.vocabulary import beginning_with

PROMPT: Final = "~ "
MORE: Final = ". "
MOST_KEPT: Final = 1000
"""Lines of history."""
BETWEEN_NAMES: Final = " \t\n\"'()[]{}<>,*/!?|+"
"""What ends a name that Tab completes."""


class Prompt:
    """Reads what a person types."""

    def __init__(self, read_line: Callable[[str], str] = input) -> None:
        self._read_line = read_line
        self._line = 0

    def entries(self, names: Callable[[], Sequence[str]]) -> Iterator[tuple[int, str]]:
        """What was typed, until it ends.

        Args:
            names: own names and commands, for Tab.
        """
        with suppress(ImportError):
            _use(import_module("readline"), names)
        first, last = 1, ""
        while True:
            try:
                text = self._next(PROMPT)
                if not text.strip():
                    last = ""
                    continue
                if last and goes_on(last, text):
                    text = f"{last}\n{text}"
                else:
                    first = self._line
                while is_open(text):
                    line = self._next(MORE)
                    if not line.strip():
                        break
                    text = joined(text, line)
            except KeyboardInterrupt:
                click.echo()
                last = ""
                continue
            except EOFError:
                click.echo()
                return
            last = "" if text.startswith(COMMAND_SIGN) else text
            yield first, text

    def _next(self, prompt: str) -> str:
        line = self._read_line(prompt)
        self._line += 1
        return line


def completions(start: str, own: Sequence[str]) -> list[str]:
    """What Tab offers.

    Args:
        start: the name so far.
        own: own names and commands.
    """
    if start.startswith(COMMAND_SIGN):
        return [name for name in own if name.startswith(start)]
    return beginning_with(start, [name for name in own if not name.startswith(COMMAND_SIGN)])


def _use(readline: Any, names: Callable[[], Sequence[str]]) -> None:
    """History and Tab."""
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    history = state / "gapless" / "repl_history"

    def complete(start: str, number: int) -> str | None:
        found = completions(start, names())
        return found[number] if number < len(found) else None

    readline.set_completer_delims(BETWEEN_NAMES)
    readline.set_completer(complete)
    is_editline = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_editline else "tab: complete")
    with suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(MOST_KEPT)
    click.get_current_context().call_on_close(lambda: _keep(readline, history))


def _keep(readline: Any, history: Path) -> None:
    with suppress(OSError):
        history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        readline.write_history_file(history)
        history.chmod(0o600)
