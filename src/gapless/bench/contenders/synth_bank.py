"""Full voices sung by the bank of voices, without patterns: its kernel, called for a block at a time.

In: how many, by how many threads. Out: work; see ``most_voices``. Thread: main, and one for each further bank.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples as Sound
from gapless.bench.drive import Work
from gapless.bench.full_voices import (
    ATTACK_S,
    BLOCK_SAMPLES,
    DAMPING,
    DECAY_S,
    RATE_HZ,
    RELEASE_S,
    SUSTAIN,
    full_voices,
)
from gapless.bench.most_voices import Singing, most, so_many
from gapless.errors import AudioError
from gapless.play.sound import trigger
from gapless.play.sound.bank.filtered import LEAST_DAMPING
from gapless.play.sound.bank.pool import MAX_VOICES, VOICES, make_bank
from gapless.play.sound.image import image_of, run
from gapless.play.sound.unit import QUANTUM

FOREVER_SAMPLES: Final = 1 << 40
LONG_DECAY_S: Final = 500.0
RESONANCE: Final = (2 - DAMPING) / (2 - LEAST_DAMPING)


@contextmanager
def most_voices(
    *, first: int, limit: int, threads: int = 1, moving: bool = False
) -> Iterator[Work]:
    """As many as there can be; ``moving`` envelopes fall all the time, the others hold."""
    level = 1.0 if moving else SUSTAIN
    singers = [BankSinger(limit, moving=moving) for _ in range(threads)]
    yield most(Singing(*singers), "the bank", first=first, limit=limit, level=level)


@contextmanager
def voices(*, count: int) -> Iterator[Work]:
    """So many."""
    yield so_many(Singing(BankSinger(count)), "the bank", count=count)


@final
class BankSinger:
    """One bank.

    Args:
        limit: most voices that it is ever asked for.
        moving: their envelopes fall, so slowly that it is not heard.
    """

    def __init__(self, limit: int, *, moving: bool = False) -> None:
        self._unit = VOICES if limit <= MAX_VOICES else make_bank(limit)
        self._moving = moving
        self._clock = np.zeros(1, np.int64)
        self._wires = np.zeros((2, QUANTUM), np.float32)
        self._taps = np.array([wire.ctypes.data for wire in self._wires], np.int64)
        self._out = np.zeros((2, BLOCK_SAMPLES), np.float32)
        self._prepare()

    def begin(self, count: int) -> None:
        """See ``Singer``."""
        self._prepare()
        orders = orders_of(count, moving=self._moving)
        quantum = np.zeros((2, QUANTUM), np.float32)
        for start in range(0, count, trigger.CAPACITY):
            some = orders[start : start + trigger.CAPACITY]
            some["at"] = self._clock[0]
            trigger.post(self._record, some)
            run(self._image, self._clock, self._taps, quantum)
        sounding = int(self._record["sounding"][0])
        if sounding != count:
            raise AudioError(f"{sounding} of {count} voices sound in the bank; nothing is compared")

    def block(self) -> Sound:
        """See ``Singer``."""
        run(self._image, self._clock, self._taps, self._out)
        return self._out

    def _prepare(self) -> None:
        self._record = self._unit.make(RATE_HZ)
        self._record["clock"] = self._clock.ctypes.data
        self._record["outputs"][0] = self._taps
        self._image = image_of([(self._unit.address, self._record.ctypes.data)])


def orders_of(count: int, *, moving: bool) -> npt.NDArray[np.void]:
    """What starts them: ``TRIGGER`` [n]."""
    wanted = full_voices(count)
    orders = np.zeros(count, trigger.TRIGGER)
    orders["kind"], orders["wave"], orders["hold"] = trigger.TONE, trigger.SAW, FOREVER_SAMPLES
    values = orders["values"]
    values[:, trigger.HZ] = wanted.hz
    values[:, trigger.CUTOFF_HZ] = wanted.cutoff_hz
    values[:, trigger.RESONANCE] = RESONANCE
    values[:, trigger.PAN] = wanted.pan
    values[:, trigger.GAIN] = wanted.gain
    values[:, trigger.ATTACK_S] = ATTACK_S
    values[:, trigger.DECAY_S] = LONG_DECAY_S if moving else DECAY_S
    values[:, trigger.SUSTAIN] = SUSTAIN
    values[:, trigger.RELEASE_S] = RELEASE_S
    return orders
