"""Says why nothing happens yet: what a program uses for the first time on a machine is compiled.

In: work that may compile. Out: a sentence on standard error, if it takes long. Thread: one of its own, for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

PATIENCE_S: Final = 2.0
"""After which one wonders; what was compiled before is loaded sooner."""
COMPILING: Final = (
    "compiling what this program uses, once for this machine; it may take half a minute"
)


@contextmanager
def compiling(patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Around what may compile units.

    Args:
        patience_s: how long to say nothing.
    """
    timer = threading.Timer(patience_s, lambda: click.echo(COMPILING, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
