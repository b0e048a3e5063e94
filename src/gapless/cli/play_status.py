"""The line that says how it goes, on a terminal.

In: figures. Out: one line on standard error, written over again and again. Invariants: nothing is written where
standard error is no terminal; what else is said never stands in the middle of the line. Thread: main.
"""

from __future__ import annotations

import math
import shutil
import sys
from fractions import Fraction
from typing import Final, Self, TextIO

FLOOR_DB: Final = -60.0
BAR_CELLS: Final = 20


def status_text(cycle: Fraction, cps: Fraction, peak: float, xruns: int) -> str:
    """What there is to say.

    Args:
        cycle: where it is.
        cps: cycles per second.
        peak: largest sample since the last time, linear.
        xruns: blocks that were lost or late.
    """
    db = max(20 * math.log10(peak), FLOOR_DB) if peak > 0 else FLOOR_DB
    filled = min(round(BAR_CELLS * (1 - db / FLOOR_DB)), BAR_CELLS)
    bar = "#" * filled + "." * (BAR_CELLS - filled)
    lost = f"  {xruns} xruns" if xruns else ""
    return f"cycle {float(cycle):8.2f}  {float(cps):g} cps  {bar} {db:4.0f} dB{lost}"


class StatusLine:
    """Use it as a context manager; afterwards the line is gone.

    Args:
        stream: where to; None: standard error.
        shown: whether anybody wants to see it.
    """

    def __init__(self, stream: TextIO | None = None, *, shown: bool = True) -> None:
        self._stream: Final = stream or sys.stderr
        self.shown: Final = shown and self._stream.isatty()
        self._text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Write it over what stood there."""
        if self.shown:
            fitting = text[: shutil.get_terminal_size().columns - 1]
            self._write(fitting.ljust(len(self._text)))
            self._text = fitting

    def clear(self) -> None:
        """Leave an empty line, for something else to be said."""
        if self._text:
            self._write(" " * len(self._text) + "\r")
            self._text = ""

    def _write(self, text: str) -> None:
        self._stream.write("\r" + text)
        self._stream.flush()
