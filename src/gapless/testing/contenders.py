"""Contenders for tests of the bench harness, which imports them in a process of its own.

In: options. Out: work, or trouble of the kind that the name says. Thread: main.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from gapless.bench.drive import Samples, Work, alone
from gapless.errors import MissingDependencyError


@contextmanager
def counts(*, units: int = 1, figures: dict[str, float] | None = None) -> Iterator[Work]:
    """Does next to nothing, and says what it is told to."""
    work = alone(lambda: None, units=units)
    yield lambda seconds: msgspec.structs.replace(work(seconds), figures=figures or {})


@contextmanager
def burns(*, loops: int) -> Iterator[Work]:
    """Counts so far, again and again."""
    yield alone(lambda: sum(range(loops)))


@contextmanager
def prints() -> Iterator[Work]:
    """Writes to standard output, from Python and past it, as libraries do."""
    print("hello")  # noqa: T201 - the point
    os.write(1, b"hello\n")
    yield alone(lambda: None)


@contextmanager
def tells_process(*, file: str) -> Iterator[Work]:
    """Adds a line to a file in each process, and another when it clears up; ``warm_ups`` counts what came before."""
    calls = 0

    def work(seconds: float) -> Samples:
        nonlocal calls
        calls += 1
        samples = alone(lambda: None)(seconds)
        return msgspec.structs.replace(samples, figures={"warm_ups": calls - 1.0})

    with Path(file).open("a") as log:
        log.write(f"{os.getpid()}\n")
    yield work
    with Path(file).open("a") as log:
        log.write("closed\n")


@contextmanager
def misses() -> Iterator[Work]:
    """Needs something that is not there."""
    yield _missing()


@contextmanager
def raises() -> Iterator[Work]:
    """Fails while it works."""

    def fail() -> NoReturn:
        raise ZeroDivisionError("by zero")

    yield alone(fail)


@contextmanager
def dies() -> Iterator[Work]:
    """Ends its process without a word, as a crash would."""
    yield alone(partial(os._exit, 3))


@contextmanager
def hangs(*, file: str) -> Iterator[Work]:
    """Writes the number of its process to a file and never comes back."""

    def wait() -> None:
        # Whole at once: somebody waits for the file.
        part = Path(f"{file}.part")
        part.write_text(str(os.getpid()))
        part.rename(file)
        threading.Event().wait()

    yield alone(wait)


def _missing() -> Work:
    raise MissingDependencyError("the thing is not installed; install it")
