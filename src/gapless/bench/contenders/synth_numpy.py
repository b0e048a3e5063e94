"""Full voices sung by NumPy, all at once: what the bank does, as it is written without a compiler.

In: how many. Out: work; see ``most_voices``. Invariants: the same phases, the same table of jumps, the same filter as
the bank's; all that does not wait for the sample before is done for all voices and samples of a block in one go, the
filter for all voices a sample at a time. Thread: main.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import numpy as np

from gapless.audio.types import Samples as Sound
from gapless.bench.drive import Work, alone
from gapless.bench.full_voices import (
    ATTACK_S,
    BLOCK_SAMPLES,
    DAMPING,
    DECAY_S,
    RATE_HZ,
    SUSTAIN,
    full_voices,
)
from gapless.bench.most_voices import Singing, most, so_many
from gapless.play.sound.bank.jumps import PARTS, PERIOD, REACH, make_tables
from gapless.play.sound.bank.vector import LANES

f32 = np.float32


@contextmanager
def most_voices(*, first: int, limit: int) -> Iterator[Work]:
    """As many as there can be."""
    yield most(Singing(_singer()), "NumPy", first=first, limit=limit)


@contextmanager
def voices(*, count: int) -> Iterator[Work]:
    """So many."""
    yield so_many(Singing(_singer()), "NumPy", count=count)


@contextmanager
def blocks(*, count: int) -> Iterator[Work]:
    """So many, and nothing else: a unit is a block."""
    singer = _singer()
    singer.begin(count)
    yield alone(singer.block)


def _singer() -> NumpySinger:
    # One core for all; read when the library is used first.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return NumpySinger()


@final
class NumpySinger:
    """Voices in the columns of arrays."""

    def __init__(self) -> None:
        self._jumps = make_tables()[0].reshape(PARTS + 1, LANES)
        self.begin(1)

    def begin(self, count: int) -> None:
        """See ``Singer``."""
        wanted = full_voices(count)
        self._step = (wanted.hz / RATE_HZ * PERIOD).astype(np.int64)
        self._phase = np.full(count, PERIOD // 2, np.int64)
        self._age = 0
        gain = np.tan(np.pi * wanted.cutoff_hz / RATE_HZ)
        bottom = 1 / (1 + gain * (gain + DAMPING))
        self._own = (2 * bottom - 1).astype(f32)
        self._cross = (2 * gain * bottom).astype(f32)
        self._inward = (2 * gain * gain * bottom).astype(f32)
        self._first, self._second = np.zeros(count, f32), np.zeros(count, f32)
        angle = wanted.pan * np.pi / 2
        self._sides = (np.array([np.cos(angle), np.sin(angle)]) * wanted.gain).astype(f32)

    def block(self) -> Sound:
        """See ``Singer``."""
        sources = self._saws() * self._envelope()[:, None]
        heard = np.empty_like(sources)
        first, second = self._first, self._second
        for n in range(BLOCK_SAMPLES):
            error = sources[n] - second
            later = self._inward * error + self._cross * first + second
            first = self._cross * error + self._own * first
            heard[n] = (second + later) * f32(0.5)
            second = later
        self._first, self._second = first, second
        mixed: Sound = self._sides @ heard.T
        return mixed

    def _saws(self) -> Sound:
        """float32 [n, voices]."""
        phase, step = self._phase, self._step
        time = np.arange(BLOCK_SAMPLES)[:, None]
        turned = (phase + time * step + PERIOD // 2).astype(np.uint32).view(np.int32)
        room = 2 * REACH
        rows = np.zeros((BLOCK_SAMPLES + 2 * room, len(step)), f32)
        rows[room:-room] = turned * f32(2.0**-31)
        # Every jump that reaches into the block, from so many samples before it on.
        distance = -(phase - REACH * step) % PERIOD
        last = (BLOCK_SAMPLES + 2 * REACH - 1) * step
        number = np.arange(int((last // PERIOD).max()) + 1)[:, None]
        away = distance + number * PERIOD
        which, voice = np.nonzero(away <= last)
        since = away[which, voice] / step[voice]
        behind = np.ceil(since).astype(np.int64)
        part = (behind - since) * PARTS
        row = part.astype(np.int64)
        low, high = self._jumps[row], self._jumps[np.minimum(row + 1, PARTS)]
        correction = f32(-2) * (low + (part - row).astype(f32)[:, None] * (high - low))
        place = (room + behind - 2 * REACH)[:, None] + np.arange(LANES)
        np.add.at(rows, (place, voice[:, None]), correction)
        self._phase = (phase + BLOCK_SAMPLES * step) & (PERIOD - 1)
        return rows[room:-room]

    def _envelope(self) -> Sound:
        """All began at once: float32 [n]."""
        age = self._age + 1 + np.arange(BLOCK_SAMPLES)
        self._age += BLOCK_SAMPLES
        attack = np.clip(age / (ATTACK_S * RATE_HZ), 0, 1)
        decay = np.clip(1 - (age - ATTACK_S * RATE_HZ) / (DECAY_S * RATE_HZ), 0, 1)
        level = attack**2 * (3 - 2 * attack)
        fallen: Sound = (level * (SUSTAIN + (1 - SUSTAIN) * decay**3 * (4 - 3 * decay))).astype(f32)
        return fallen
