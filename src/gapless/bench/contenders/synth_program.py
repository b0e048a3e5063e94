"""Programs of the play language, played as a device would: by the function that it calls for every block.

In: a program, the length of a block. Out: work; an operation is a block, with what asking the patterns for it took.
Invariants: one thread; before each block the patterns are asked as far ahead as ``gapless live`` asks them; nothing
counts before the program has settled. Thread: main.
"""

from __future__ import annotations

import ctypes
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, final

import msgspec
import numpy as np

from gapless.audio.types import Samples as Sound
from gapless.bench.distribution import distribution
from gapless.bench.drive import MOST_OPERATIONS, Samples, Work
from gapless.bench.full_voices import BLOCK_SAMPLES, RATE_HZ
from gapless.bench.most_voices import BUDGET_NS, TRIES
from gapless.bench.search import largest_that_passes
from gapless.errors import AudioError
from gapless.play.builder import Builder
from gapless.play.graph import Graph
from gapless.play.language.load import load
from gapless.play.program import Program
from gapless.play.samples.library import SampleLibrary
from gapless.play.schedule import Scheduler
from gapless.play.sound.bank.pool import MAX_VOICES, VOICES
from gapless.play.sound.callback import STATE
from gapless.play.sound.callback import block as native_block
from gapless.play.sound.catalogue import UNITS
from gapless.play.sound.unit import QUANTUM
from gapless.play.voices import triggers_of

PROGRAM: Final = Path(__file__).parent.parent / "programs" / "q.ph"
SETTLED_S: Final = 4.0
"""Two cycles: by then voices end as often as they begin."""
LEAD_SAMPLES: Final = RATE_HZ * 40 // 1000
"""As ``gapless live`` has it."""
ENOUGH: Final = 0.97
"""Share of the voices that were asked for; one in a hundred has just ended."""
OUTPUT_VOICES: Final = MAX_VOICES * 15 // 16
VOICE_S: Final = 8.0
CPS: Final = 4
"""Short cycles: a graph is built only after a look at what some tens of them ask for."""
TRY_S: Final = 0.2

SHAPE: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)


@contextmanager
def blocks(*, program: str = str(PROGRAM), block_samples: int = BLOCK_SAMPLES) -> Iterator[Work]:
    """Blocks of a program, one after the other."""
    with open_stage(load(Path(program)), block_samples) as stage:
        stage.play(SETTLED_S)
        stage.look()

        def work(seconds: float) -> Samples:
            return stage.samples(seconds)

        yield work


@contextmanager
def most_voices(*, first: int, limit: int) -> Iterator[Work]:
    """As many voices as patterns can start and the engine sing: each sounds for eight seconds, and another follows."""

    def passes(count: int) -> bool:
        with open_driven(count) as stage:
            tries = (stage.samples(TRY_S) for _ in range(TRIES))
            return any(one.elapsed_ns / len(one.took_ns) <= BUDGET_NS for one in tries)

    def work(seconds: float) -> Samples:
        count = largest_that_passes(passes, first=first, most=limit)
        if count == 0:
            raise AudioError("not one voice is in time; measure on a quiet machine")
        with open_driven(count) as stage:
            found = stage.samples(seconds)
        each_ns = found.elapsed_ns / len(found.took_ns) / BLOCK_SAMPLES / count
        sung_s = count * len(found.took_ns) * BLOCK_SAMPLES / RATE_HZ
        figures = found.figures | {"voices": float(count), "voice_sample_ns": each_ns}
        return msgspec.structs.replace(found, units=max(round(sung_s), 1), figures=figures)

    yield work


@contextmanager
def open_driven(count: int) -> Iterator[Stage]:
    """So many voices, once as many end as begin."""
    with open_stage(load(driving(count)), BLOCK_SAMPLES) as stage:
        stage.play(VOICE_S + 0.1)
        stage.look()
        sounding = stage.voices()
        if sounding < ENOUGH * count:
            raise AudioError(f"{sounding} of {count} voices sound; nothing can be compared")
        yield stage


def driving(count: int) -> str:
    """A program in which so many full voices sound at a time."""
    cycles = round(VOICE_S * CPS)
    outputs = -(-count // OUTPUT_VOICES)
    # Voices of an output are one event in each cycle that they last, at least.
    share = max(-(-count // outputs // cycles), 1)
    return "\n".join(
        [
            f"cps: {CPS}",
            *(
                f'o{number + 1}: s "saw*{share}" # legato {share * cycles} '
                f'# note "-24 -17 -10 -5 0 7 12 19 24" # cutoff "400 5000 1200 700 3000" '
                f'# resonance 0.5 # pan "0 0.3 0.6 1" # gain {0.25 / count**0.5:.5f} # release 0.005'
                for number in range(outputs)
            ),
        ]
    )


@contextmanager
def open_stage(program: Program, block_samples: int) -> Iterator[Stage]:
    """A program that is about to begin."""
    with closing(SampleLibrary((), RATE_HZ)) as sounds:
        make_trigger = partial(triggers_of, sounds=sounds, wait=True)
        yield Stage(program, Scheduler(RATE_HZ, program.cps, make_trigger), block_samples)


@final
class Stage:
    """A program whose blocks are called for from here.

    Args:
        program: what sounds.
        scheduler: asks its patterns.
        block_samples: of a block.
    """

    def __init__(self, program: Program, scheduler: Scheduler, block_samples: int) -> None:
        self._scheduler = scheduler
        self._block_samples = block_samples
        self._builder = Builder(UNITS, VOICES, RATE_HZ)
        self._graph: Graph = self._builder.build(program)
        scheduler.begin(self._graph)
        self._state = np.zeros(1, STATE)
        state, image = self._state[0], self._graph.image
        left, right = self._graph.mixer.channels
        state["clock"] = self._builder.clock.ctypes.data
        state["left"], state["right"] = left.ctypes.data, right.ctypes.data
        state["calls"], state["n_calls"] = image.ctypes.data, len(image) // 2
        state["used"] = QUANTUM
        self._call = SHAPE(int(native_block.address or 0))
        self._out = np.zeros((2, block_samples), np.float32)
        self._loudest = 0.0

    def ask(self) -> None:
        """Ask the patterns for what the lead lacks."""
        until = int(self._builder.clock[0]) + LEAD_SAMPLES
        self._scheduler.advance(self._graph, until // QUANTUM * QUANTUM)

    def block(self) -> Sound:
        """The next one, float32 [2, n]; the memory is used again."""
        self._call(self._state.ctypes.data, None, self._out.ctypes.data, self._block_samples)
        return self._out

    def play(self, seconds: float) -> None:
        """Let some sound pass."""
        for _ in range(-(-round(seconds * RATE_HZ) // self._block_samples)):
            self.ask()
            self._loudest = max(self._loudest, float(np.abs(self.block()).max()))

    def voices(self) -> int:
        """How many sound."""
        nodes = [
            node
            for feed in self._graph.voices
            for node in (*feed.banks.values(), *feed.instruments.values())
        ]
        return sum(int(node.record["sounding"][0]) for node in nodes)

    def look(self) -> None:
        """See that it sounds as it should.

        Raises:
            AudioError: it is silent or no number, or voices did not come.
        """
        if not 0 < self._loudest < np.inf:
            raise AudioError("the program is silent or no number; nothing can be compared")
        if self._scheduler.refused or self._scheduler.unheard:
            raise AudioError("voices of the program were not played; nothing can be compared")

    def samples(self, seconds: float) -> Samples:
        """Blocks for so long, with the patterns asked before each."""
        took, rendering, asking = array("q"), array("q"), array("q")
        counts: list[int] = []
        clock = time.perf_counter_ns
        first = began = clock()
        ends = first + round(seconds * 1e9)
        idle = 0
        while began < ends and len(took) < MOST_OPERATIONS:
            self.ask()
            asked = clock()
            self.block()
            ended = clock()
            took.append(ended - began)
            asking.append(asked - began)
            rendering.append(ended - asked)
            counts.append(self.voices())
            began = clock()
            idle += began - ended
        self.look()
        return Samples(
            took_ns=took,
            elapsed_ns=clock() - first - idle,
            units=len(took),
            figures=_apart("render", rendering) | _apart("patterns", asking) | _counted(counts),
        )


def _apart(name: str, took_ns: Sequence[int]) -> dict[str, float]:
    of = distribution(took_ns)
    figures = {"p50": of.p50, "p95": of.p95, "p99": of.p99, "max": of.max}
    return {f"{name}_{which}_us": ns / 1e3 for which, ns in figures.items()} | {
        f"{name}_mean_us": sum(took_ns) / len(took_ns) / 1e3
    }


def _counted(counts: Sequence[int]) -> dict[str, float]:
    return {"mean_voices": sum(counts) / len(counts), "least_voices": float(min(counts))}
