"""``gapless bench startup``: how soon a command answers, and a server its first request.

In: nothing. Out: cases. Thread: main. The time to the first sound is a case of ``gapless bench synth``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender, Make
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import startup

MODEL: Final = "commands-en"
"""Hears the first recording."""

EXTRA_S: Final = 300.0
"""All kernels may have to be compiled, and the last start that was begun ends."""

LIBRARIES: Final = "numpy, numba, onnxruntime, uvicorn, starlette"


@contextmanager
def startup_cases() -> Iterator[Cases]:
    """The cases; they may be run while the context is open."""
    yield {"command": _command, "server": _server}


def _contender(name: str, what: str, make: Make, **options: Any) -> Contender:
    return Contender(
        name=name, what=what, make=make, options=options, warm_up=False, extra_s=EXTRA_S
    )


def _command() -> Case:
    make = startup.process
    bare = _contender("Python", "starts and ends", make, words=["-c", "pass"])
    click = _contender("click", "a Python that imports click", make, words=["-c", "import click"])
    package = _contender(
        "import gapless", "a Python that does", make, words=["-c", "import gapless"]
    )
    told = _contender("gapless --help", "the command", make, words=["-m", "gapless", "--help"])
    return Case(
        name="command",
        question="How soon is a command over that does nothing? (from the start of the process to its end)",
        unit="starts",
        contenders=(bare, click, package, told),
        checks=tuple(
            Check(claim=CLAIMS["startup-command"], contender=one.name) for one in (package, told)
        ),
    )


def _server() -> Case:
    imports = _contender(
        "imports",
        f"a Python that imports {LIBRARIES}, and ends",
        startup.process,
        words=["-c", f"import {LIBRARIES}"],
    )
    bare = _contender(
        "uvicorn", "a server with a constant answer, until it gives it", startup.bare_server
    )
    warm, cold = (
        _contender(name, what, startup.own_server, cold=cold, model=MODEL)
        for name, what, cold in (
            ("warm", "gapless serve, until it says that it is ready", False),
            ("cold", "the same, and no kernel was ever compiled", True),
        )
    )
    claim, first = CLAIMS["startup-server"], CLAIMS["startup-transcript"]
    return Case(
        name="server",
        question="How soon does a server answer? (from the start of the process to its first answer over HTTP)",
        unit="starts",
        contenders=(imports, bare, warm, cold),
        checks=(
            Check(claim=claim, contender=warm.name),
            Check(claim=claim, contender=cold.name, judged=False),
            *(Check(claim=first, contender=one.name) for one in (warm, cold)),
            Check(
                claim=CLAIMS["startup-against-imports"], contender=warm.name, against=imports.name
            ),
        ),
    )
