"""Programs that sound, one after the other, wherever the sound goes.

In: texts of programs. Out: a native block function, or samples; and what the author should know. Invariants: a mistake
changes nothing: the last good program goes on. Thread: any; the player and the sounds have their own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import ExitStack, closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, final

import numpy as np

from gapless.audio.types import Samples
from gapless.errors import ConfigError
from gapless.play.builder import Builder
from gapless.play.instruments import LOOK_CYCLES as AHEAD_CYCLES
from gapless.play.language.load import compile_program
from gapless.play.live.player import Player
from gapless.play.program import Program, Remark
from gapless.play.samples.library import SampleLibrary
from gapless.play.schedule import Scheduler
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.voices import triggers_of
from gapless.realtime.native import MAX_FRAMES

FIRST_SOUNDS_S: Final = 2.0
"""That the first program waits for its sounds, at most."""
LOOK_CYCLES: Final = 4
CALL: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)


@final
class Performance:
    """Use it as a context manager. A device calls ``player.block``; where there is none, ``read`` does.

    Args:
        rate_hz: of the samples.
        folders: of sounds.
        lead_ms: how far ahead the patterns are asked.

    Raises:
        ConfigError: the lead is out of bounds.
    """

    def __init__(self, rate_hz: int, folders: Sequence[Path] = (), lead_ms: float = 25.0) -> None:
        self._unheard: set[str] = set()
        """What was told of voices that are silent."""
        with ExitStack() as opened:
            self.sounds: Final = opened.enter_context(closing(SampleLibrary(folders, rate_hz)))
            self.scheduler: Final = Scheduler(
                rate_hz, Fraction(1, 2), partial(triggers_of, sounds=self.sounds)
            )
            self.player: Final = opened.enter_context(
                closing(Player(Builder(UNITS, VOICES, rate_hz), self.scheduler, lead_ms))
            )
            self._call: Final = CALL(self.player.block.address)
            self._closing = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set(self, text: str, name: str) -> Program:
        """Play another program.

        Args:
            text: of it.
            name: for messages.

        Returns:
            It; its ``remarks`` are for the author.

        Raises:
            PlayError: a mistake; what played goes on.
            ConfigError: more than there is room for; the same.
        """
        program = compile_program(text, name, UNITS)
        self._load(program)
        self.player.set(program)
        return program

    def hush(self) -> None:
        """Fade to silence; the next program begins at the beginning.

        Raises:
            ConfigError: too many changes wait for blocks to be asked for.
        """
        # The clock that others follow goes on as it did.
        self.player.change(lambda now: Program(outputs={}, cps=now.cps))

    def read(self, n_samples: int) -> Samples:
        """The next samples, float32 [2, n]. The patterns are asked by the player's threads, or by its ``advance``.

        Args:
            n_samples: up to ``MAX_FRAMES``.

        Raises:
            ConfigError: more than that.
        """
        if not 0 < n_samples <= MAX_FRAMES:
            raise ConfigError(f"{n_samples} samples at a time; ask for 1 to {MAX_FRAMES}")
        out = np.empty((2, n_samples), np.float32)
        self._call(self.player.block.state, None, out.ctypes.data, n_samples)
        return out

    def remarks(self) -> tuple[Remark, ...]:
        """What came up since the last time."""
        unheard = [name for name in list(self.scheduler.unheard) if name not in self._unheard]
        self._unheard.update(unheard)
        failed = [reason for reason in list(self.scheduler.failed) if reason not in self._unheard]
        self._unheard.update(failed)
        return (
            *self.sounds.remarks.take(),
            *self.player.remarks(),
            *(
                Remark(
                    f"voices of {name!r} are silent: it first comes after {AHEAD_CYCLES} cycles; "
                    "let it come sooner"
                )
                for name in unheard
            ),
            *(Remark(f"{reason}; it is silent for that time") for reason in failed),
        )

    def close(self) -> None:
        """End the threads; the block must not be called any more. Idempotent."""
        self._closing.close()

    def _load(self, program: Program) -> None:
        """Ask for the sounds of the next cycles, so that they are there when their time comes."""
        begin = int(self.player.cycle)
        loading = []
        for events in program.events(begin, begin + LOOK_CYCLES).values():
            for event in events:
                name, _, index = str(event.value.get("s", "")).partition(":")
                loading.append(self.sounds.request(name, _index(event.value.get("n", index))))
        if not self.player.program.outputs:
            # Nothing plays yet: the first beat shall be heard.
            wait([one for one in loading if one is not None], FIRST_SOUNDS_S)


def _index(number: Any) -> int:
    try:
        return int(float(number))
    except (TypeError, ValueError, OverflowError):
        return 0
