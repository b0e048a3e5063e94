"""A program from its text or file.

In: a path, or text. Out: a ``Program``. Invariants: no sound code is compiled. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gapless.errors import ConfigError, NotFoundError
from gapless.play.language.compile import compiled
from gapless.play.program import Program
from gapless.play.transforms.registry import TRANSFORMS

if TYPE_CHECKING:
    from gapless.play.sound.unit import Unit

SIGNS_OF_TEXT: Final = ("\n", ": ", "$", '"')
"""A string with one of these is a program; another is the path of one."""


def load(source: str | PathLike[str], *, units: Mapping[str, Unit] | None = None) -> Program:
    """Read a program.

    Args:
        source: a path, or the text itself: a string that has a line break, a colon and a space, ``$`` or ``"`` in it.
        units: what sounds are made of; None: all that there are.

    Raises:
        PlayError: the text has a mistake; as ``ProgramError``, with all that there are.
        NotFoundError: there is no such file.
        ConfigError: it cannot be read.
    """
    if isinstance(source, str) and any(sign in source for sign in SIGNS_OF_TEXT):
        return compile_program(source, "<text>", units)
    path = Path(source)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        message = f"there is no file {path}; a program in a string has a colon and a space in it"
        raise NotFoundError(message) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}; give a text file in UTF-8") from error
    return compile_program(text, path.name, units)


def compile_program(
    text: str, name: str = "<text>", units: Mapping[str, Unit] | None = None
) -> Program:
    """The program that a text is.

    Args:
        text: all of it.
        name: what it is called in messages.
        units: what sounds are made of; None: all that there are.

    Raises:
        PlayError: the text has a mistake; as ``ProgramError``, with all that there are.
    """
    if units is None:
        from gapless.play.sound.catalogue import UNITS

        units = UNITS
    return compiled(text, name, units, TRANSFORMS)
