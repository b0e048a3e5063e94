"""What patterns cost without any sound: the events of a program, asked for look by look and made into triggers.

In: a program, how long a look is. Out: work; an operation is a look, a unit an event. Invariants: time goes on from
look to look as it does when the program plays; orders are taken out of the queues at once, as if they had been heard.
Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gapless.bench.contenders.synth_program import PROGRAM
from gapless.bench.drive import Samples, Work, alone
from gapless.bench.full_voices import RATE_HZ
from gapless.play.builder import Builder
from gapless.play.graph import Graph, Node
from gapless.play.language.load import load
from gapless.play.program import Program
from gapless.play.samples.library import SampleLibrary
from gapless.play.schedule import Scheduler
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.voices import triggers_of

START_CYCLES: Final = 1


@contextmanager
def read_again(*, look_samples: int, program: str = str(PROGRAM)) -> Iterator[Work]:
    """Reads the program's text anew for every look, and asks what it would play."""
    text = Path(program).read_text("utf-8")
    length = load(text).cps * look_samples / RATE_HZ
    looks = _looks(length)

    def look() -> int:
        return _begun(load(text), *next(looks))

    yield _counted(look)


@contextmanager
def queries(*, look_samples: int, program: str = str(PROGRAM)) -> Iterator[Work]:
    """Asks what it would play."""
    ready = load(Path(program))
    looks = _looks(ready.cps * look_samples / RATE_HZ)
    yield _counted(lambda: _begun(ready, *next(looks)))


@contextmanager
def triggers(*, look_samples: int, program: str = str(PROGRAM)) -> Iterator[Work]:
    """Asks, and makes triggers and steps of what comes, as the engine does."""
    ready = load(Path(program))
    with closing(SampleLibrary((), RATE_HZ)) as sounds:
        graph = Builder(UNITS, VOICES, RATE_HZ).build(ready)
        scheduler = _scheduler(ready, sounds)
        records = [node.record for node in _queues(graph)]

        def look() -> int:
            scheduler.advance(graph, scheduler.posted + look_samples)
            found = 0
            for record in records:
                found += int(record["posted"][0, 0] - record["taken"][0, 0])
                record["taken"][0, 0] = record["posted"][0, 0]
            return found

        # Sounds are loaded, tables are made.
        scheduler.advance(graph, round(RATE_HZ / ready.cps) * START_CYCLES)
        for record in records:
            record["taken"][0, 0] = record["posted"][0, 0]
        yield _counted(look)


def _begun(program: Program, begin: Fraction, end: Fraction) -> int:
    return sum(map(len, program.events(begin, end).values()))


def _scheduler(program: Program, sounds: SampleLibrary) -> Scheduler:
    return Scheduler(RATE_HZ, program.cps, partial(triggers_of, sounds=sounds, wait=True))


def _queues(graph: Graph) -> Iterator[Node]:
    for feed in graph.voices:
        yield from (*feed.banks.values(), *feed.instruments.values())
    for steps in graph.steps:
        yield steps.node


def _looks(length: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    begin = Fraction(START_CYCLES)
    while True:
        yield begin, begin + length
        begin += length


def _counted(look: Callable[[], int]) -> Work:
    """Looks one after the other, counted in events."""

    def work(seconds: float) -> Samples:
        found = [0]

        def once() -> None:
            found[0] += look()

        samples = alone(once)(seconds)
        return msgspec.structs.replace(
            samples,
            units=max(found[0], 1),
            figures={"event_us": samples.elapsed_ns / 1e3 / max(found[0], 1)},
        )

    return work
