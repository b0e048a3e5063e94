"""Holds something in memory until it is told to end: ``python -m gapless.bench.held WHAT``.

In: ``libraries``, ``engine`` or ``spoken``. Out: one byte on standard output when it is there. Invariants: it waits for
the end of standard input, and does nothing meanwhile. Thread: main.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack
from importlib import import_module
from typing import Final

THERE: Final = b"!"

LIBRARIES: Final = ("numpy", "numba", "onnxruntime", "soxr", "av", "uvicorn", "starlette.routing")
"""Those that a server has loaded when it serves."""

ENGINES: Final = ("engine", "spoken")

MODEL: Final = "commands-en"


def main() -> None:
    """Take it, say so, wait."""
    with ExitStack() as opened:
        take(sys.argv[1], opened)
        gc.collect()
        os.write(1, THERE)
        os.read(0, 1)


def take(what: str, opened: ExitStack) -> None:
    """Load it.

    Args:
        what: see above.
        opened: keeps it.
    """
    if what == "libraries":
        for name in LIBRARIES:
            import_module(name)
        return
    if what not in ENGINES:
        raise SystemExit(f"there is nothing called {what}; name libraries, engine or spoken")
    from gapless.engine import Engine
    from gapless.settings import load_settings
    from gapless.tune.fit import fit_here

    engine = opened.enter_context(Engine(fit_here(load_settings())))
    engine.start()
    if what == "spoken":
        from gapless.api import transcribe
        from gapless.bench.speech import SOUNDS

        transcribe(SOUNDS / "01.opus", model=MODEL, engine=engine)


if __name__ == "__main__":
    main()
