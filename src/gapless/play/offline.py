"""A program to samples, as fast as the machine can.

In: a program. Out: blocks of sound. Invariants: the very units, triggers and order of the live engine; the same samples
whatever the block; peaks are as they are, also those that no device can play. Thread: the caller's; the interpreter
lock is free while it renders.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.errors import ConfigError
from gapless.play.builder import Builder
from gapless.play.graph import Graph
from gapless.play.program import Program
from gapless.play.schedule import MakeTrigger, Scheduler
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.sound.image import run
from gapless.play.sound.mixer import FADE_QUANTA
from gapless.play.sound.unit import QUANTUM, Unit

MOST_S: Final = 86_400
"""Of a recording: a day."""
AHEAD_SAMPLES: Final = 4096
"""That the patterns are asked for at a time: queues hold what begins in them."""


@final
class OfflinePlayer:
    """Renders one program from its beginning.

    Args:
        program: what.
        rate_hz: of the samples.
        make_trigger: see ``schedule``.
        units: the catalogue.
        stems: outputs that are given by themselves, behind the mix; None: none.
    """

    def __init__(
        self,
        program: Program,
        rate_hz: int,
        make_trigger: MakeTrigger,
        *,
        units: Mapping[str, Unit] = UNITS,
        stems: bool = False,
    ) -> None:
        self.builder: Final = Builder(units, VOICES, rate_hz)
        self.graph: Graph = self.builder.build(program)
        self.scheduler: Final = Scheduler(rate_hz, program.cps, make_trigger)
        self._outputs = list(self.graph.outputs.values())
        taps = list(self.graph.mixer.channels)
        if stems:
            taps += [wire for output in self._outputs for wire in output.wires]
        self._taps: npt.NDArray[np.int64] = np.array([wire.ctypes.data for wire in taps], np.int64)
        self._rest = np.empty((len(taps), 0), np.float32)
        self._end: int | None = None
        """The sample in which the program ends."""
        self._let_go_at = 0
        self.scheduler.begin(self.graph)

    def read(self, n_samples: int) -> Samples:
        """The next samples.

        Returns:
            float32 [2, n], or with stems [2 + 2 * outputs, n]: left and right of the mix, then of each output.
        """
        parts = [self._rest]
        missing = n_samples - self._rest.shape[1]
        while missing > 0:
            chunk = self._next(self._ahead())
            parts.append(chunk)
            missing -= chunk.shape[1]
        together = np.concatenate(parts, axis=1)
        self._rest = together[:, n_samples:]
        return together[:, :n_samples]

    def end_at(self, sample: int) -> None:
        """From a sample on nothing begins any more: voices ring out, other sounds are faded.

        Raises:
            ConfigError: that sample has been rendered.
        """
        if sample < self._position:
            raise ConfigError(
                f"sample {sample} has been rendered; end at {self._position} or later"
            )
        self._end = sample

    def blocks(
        self, n_samples: int, block: int = 1 << 14, *, tail_samples: int = 0
    ) -> Iterator[Samples]:
        """All of so many samples, in blocks as ``read`` gives them.

        Args:
            n_samples: of the program.
            block: samples at a time.
            tail_samples: that follow it, in which it rings out.
        """
        if tail_samples:
            self.end_at(self._position - self._rest.shape[1] + n_samples)
        whole = n_samples + tail_samples
        for start in range(0, whole, block):
            yield self.read(min(block, whole - start))

    @property
    def _position(self) -> int:
        return int(self.builder.clock[0])

    def _ahead(self) -> int:
        """How many samples to render: up to the quantum in which the program ends, or behind it."""
        if self._end is None or self._position >= self._end:
            return AHEAD_SAMPLES
        left = -(-(self._end - self._position) // QUANTUM) * QUANTUM
        return min(AHEAD_SAMPLES, left)

    def _next(self, n_samples: int) -> Samples:
        position, end = self._position, self._end
        if end is None or position < end:
            until = position + n_samples
            self.scheduler.advance(self.graph, until if end is None else min(until, end))
        elif self.graph.outputs:
            self._let_go()
        chunk = np.empty((len(self._taps), n_samples), np.float32)
        run(self.graph.image, self.builder.clock, self._taps, chunk)
        if not self.graph.outputs:
            self._fade_stems(chunk[2:], position - self._let_go_at)
        return chunk

    def _fade_stems(self, stems: Samples, passed: int) -> None:
        """What the mixer does to outputs that do not ring out; ``passed`` samples ago it began."""
        left = 1 - (passed + 1 + np.arange(stems.shape[1])) / (FADE_QUANTA * QUANTUM)
        share = np.maximum(left, 0.0)
        gain = (share * share * (3 - 2 * share)).astype(np.float32)
        for number in range(len(stems)):
            if not self._outputs[number // 2].plays:
                stems[number] *= gain

    def _let_go(self) -> None:
        """Go on with a program that has no outputs, as the live engine would."""
        self._let_go_at = self._position
        self.graph = self.builder.build(Program(outputs={}), self.graph)
        for address, bits in self.graph.patches.tolist():
            ctypes.c_int64.from_address(address).value = bits


def samples_of(
    program: Program, rate_hz: int, *, cycles: Fraction | None, seconds: float | None
) -> int:
    """How long it is to be.

    Raises:
        ConfigError: nothing or too much was said, or it is no length, or one that is too long.
    """
    if (cycles is None) == (seconds is None):
        raise ConfigError("say either how many cycles or how many seconds, not both")
    # Not as a float yet, for which a fraction may be too large.
    length = cycles / program.cps if cycles is not None else seconds or 0.0
    if not length <= MOST_S:
        raise ConfigError(f"that is too long; render {MOST_S} s at most")
    n_samples = round(length * rate_hz)
    if n_samples <= 0:
        raise ConfigError(f"a length of {float(length):g} s is nothing to render; give more")
    return n_samples


def tail_of(seconds: float, rate_hz: int) -> int:
    """Samples that follow a program.

    Raises:
        ConfigError: it is no length, or one that is too long.
    """
    if not 0 <= seconds <= MOST_S:
        raise ConfigError(f"tail_s = {seconds:g} must be from 0 to {MOST_S}", param="tail_s")
    return round(seconds * rate_hz)
