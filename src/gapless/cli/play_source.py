"""Programs of the play language, as they are given to commands: a file, standard input or text.

In: arguments. Out: a program, and what to call it; mistakes and remarks on standard error. Thread: main.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gapless.errors import ConfigError

if TYPE_CHECKING:
    from gapless.play.program import Program, Remark

STDIN: Final = "-"


def program_of(source: str | None, code: str | None) -> tuple[Program, str]:
    """A program and its name; the process ends with 1 if there are mistakes in it.

    Args:
        source: a path, or ``-``.
        code: the text itself, instead.

    Raises:
        UsageError: neither or both were given.
        ConfigError: the file cannot be read.
    """
    text, name = text_of(source, code)
    return _understood(text, name), name


def text_of(source: str | None, code: str | None) -> tuple[str, str]:
    """The text of a program, and its name.

    Args:
        source: a path, or ``-``.
        code: the text itself, instead.

    Raises:
        UsageError: neither or both were given.
        ConfigError: the file cannot be read.
    """
    if (source is None) == (code is None):
        raise click.UsageError("give one program: a file, - for standard input, or --code TEXT")
    return (code, "--code") if code is not None else _read(source or STDIN)


def say(name: str, remark: Remark) -> None:
    """Show what the author should know."""
    place = f":{remark.place.line}:{remark.place.column}" if remark.place else ""
    click.secho(f"{name}{place}: {remark.text}", fg="yellow", err=True)


def cycles_of(text: str | None) -> Fraction | None:
    """A number of cycles.

    Raises:
        BadParameter: it is none.
    """
    if text is None:
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(
            f"{text!r} is no number of cycles; give one like 8, 0.5 or 4/3", param_hint="--cycles"
        ) from error


def _read(source: str) -> tuple[str, str]:
    if source == STDIN:
        return sys.stdin.read(), "standard input"
    try:
        return Path(source).read_text("utf-8"), source
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror}; check its name") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{source} is no text: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from error


def _understood(text: str, name: str) -> Program:
    from gapless.play.errors import PlayError
    from gapless.play.language.load import compile_program
    from gapless.play.sound.catalogue import UNITS

    try:
        program = compile_program(text, name, UNITS)
    except PlayError as error:
        click.echo(error.shown(text, name), err=True)
        raise SystemExit(1) from error
    for remark in program.remarks:
        say(name, remark)
    return program
