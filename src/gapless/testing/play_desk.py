"""A player, and who asks it for blocks as a device would.

In: texts of programs. Out: what is heard. Invariants: the patterns are asked before each block, by the caller, so a
session is the same each time. Thread: one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import partial
from typing import Final, final

import numpy as np

from gapless.audio.types import Samples
from gapless.play.builder import Builder
from gapless.play.language.load import compile_program
from gapless.play.live.player import Player
from gapless.play.offline import OfflinePlayer
from gapless.play.program import Program
from gapless.play.samples.library import SampleLibrary
from gapless.play.schedule import Scheduler
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.voices import triggers_of

BLOCK: Final = 128
CALL: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)


@final
class Desk:
    """See above.

    Args:
        player: is played.
        scheduler: asks its patterns.
        sounds: that voices play.
        rate_hz: of the samples.
    """

    def __init__(
        self, player: Player, scheduler: Scheduler, sounds: SampleLibrary, rate_hz: int
    ) -> None:
        self.player: Final = player
        self.scheduler: Final = scheduler
        self._sounds = sounds
        self._rate_hz = rate_hz
        self._call = CALL(player.block.address)

    def set(self, text: str) -> int:
        """Play another program; the sample from which on it is heard.

        Raises:
            PlayError: a mistake.
            ConfigError: more than there is room for.
        """
        return self.player.set(program(text))

    def hear(self, n_samples: int, block: int = BLOCK) -> Samples:
        """The next samples, in whole blocks: float32 [2, n]."""
        parts = []
        for _ in range(n_samples // block):
            self.player.advance()
            out = np.empty((2, block), np.float32)
            self._call(self.player.block.state, None, out.ctypes.data, block)
            parts.append(out)
        return np.concatenate(parts, axis=1)

    def rendering(self, text: str, n_samples: int) -> Samples:
        """What a recording of a program has: float32 [2, n]."""
        make = partial(triggers_of, sounds=self._sounds, wait=True)
        return OfflinePlayer(program(text), self._rate_hz, make).read(n_samples)


@contextmanager
def open_desk(rate_hz: int, *, polyphony: int = 32, lead_ms: float = 40.0) -> Iterator[Desk]:
    """One whose player is silent yet."""
    with closing(SampleLibrary([], rate_hz)) as sounds:
        make = partial(triggers_of, sounds=sounds, wait=True)
        scheduler = Scheduler(rate_hz, Fraction(1, 2), make)
        builder = Builder(UNITS, VOICES, rate_hz, polyphony)
        with closing(Player(builder, scheduler, lead_ms)) as player:
            yield Desk(player, scheduler, sounds, rate_hz)


def program(text: str) -> Program:
    """A program of a text.

    Raises:
        PlayError: a mistake.
    """
    return compile_program(text, "desk.ph", UNITS)
