"""``gapless repl``: a prompt that plays what is typed.

In: lines, of a person or a script. Out: sound; tables and words on standard output, mistakes on standard error.
Invariants: a mistake changes nothing. Exit code: 0; of a script 1 if it had a mistake. Thread: main.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import click

from gapless.cli.first_time import compiling
from gapless.cli.options import examples
from gapless.cli.play_options import SoundOptions, with_sound
from gapless.cli.play_source import say

if TYPE_CHECKING:
    from gapless.cli.repl_commands import Desk
    from gapless.cli.repl_prompt import Prompt
    from gapless.play.live.stage import Stage
    from gapless.play.program import Program

ENDINGS: Final = ("SIGTERM", "SIGHUP")


@click.command(
    epilog=examples(
        "gapless repl",
        "gapless repl beat.ph --output headphones",
        """echo 'every 4 rev $ s "bd sn"' | gapless repl --silent""",
    )
)
@click.argument("source", metavar="[FILE.ph]", required=False, type=click.Path(path_type=Path))
@click.option("--silent", is_flag=True, help="Use no sound device: only check and print.")
@with_sound
def repl(sound: SoundOptions, source: Path | None, *, silent: bool) -> None:
    """Play what is typed, a statement at a time.

    A statement, such as o1: s "bd*4", takes the place of the one of the same name and is heard at once; a mistake is
    shown and changes nothing. A pattern alone is printed as a table of its events. :help lists what else there is.
    Where standard input is no terminal it is read as a script, without a prompt.
    """
    from gapless.cli.repl_commands import Desk
    from gapless.cli.repl_prompt import Prompt
    from gapless.play.language.load import compile_program
    from gapless.play.prompt.session import PROGRAM, Session
    from gapless.play.sound.catalogue import UNITS

    prompt = Prompt() if sys.stdin.isatty() else None
    name = "typed" if prompt else "standard input"
    with ExitStack() as opened:
        stage: Stage | None = None
        play = partial(compile_program, name=PROGRAM, units=UNITS)
        if not silent:
            stage = opened.enter_context(sound.open_stage("Gapless repl"))
            play = partial(_heard_on, stage)
            _end_with_a_fade()
        desk = Desk(Session(play, name), stage)
        if source is not None:
            desk.load(str(source))
        if prompt is not None:
            where = "silent" if stage is None else f"on {stage.output}"
            click.echo(f"Gapless plays {where}. :help says what there is, :quit ends.")
        for line, text in _typed(prompt, desk):
            desk.take(text, line)
            _check(stage)
            if desk.over:
                break
    if prompt is None and desk.mistakes:
        raise SystemExit(1)


def _heard_on(stage: Stage, text: str) -> Program:
    from gapless.play.prompt.session import PROGRAM

    with compiling():
        return stage.performance.set(text, PROGRAM)


def _typed(prompt: Prompt | None, desk: Desk) -> Iterator[tuple[int, str]]:
    from gapless.play.prompt.entry import entries

    return entries(sys.stdin) if prompt is None else prompt.entries(desk.names)


def _check(stage: Stage | None) -> None:
    """Say what came up; the process ends with 1 if the device is gone."""
    if stage is None:
        return
    for remark in stage.performance.remarks():
        say("program", remark)
    if not stage.alive():
        click.secho("the sound device is gone; start again", fg="red", err=True)
        raise SystemExit(1)


def _end_with_a_fade() -> None:
    """What tells the process to end shall not cut the sound."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    for name in ENDINGS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
