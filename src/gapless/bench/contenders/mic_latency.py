"""How much later the sound is behind an engine than without one, through a real virtual microphone.

In: a mode, a length of block. Out: work whose operations are pieces of sound: the lag of each. Invariants: the engine
and the copying that it is compared with run in the same stream, one after the other. Thread: main, beside the sound
server's and the engine's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gapless.bench.contenders.mic_engine import engine_of
from gapless.bench.desk import Desk, desk
from gapless.bench.drive import Samples, Work
from gapless.bench.mic_sounds import RATE_HZ, speech
from gapless.bench.probe import Switch

SPEECH_S: Final = 30
NOISE_DB: Final = -50.0
PIECE_S: Final = 0.5
LEAST_S: Final = 1.5
CHANGE_S: Final = 0.3
"""For the sound that is under way when the function is changed."""


@contextmanager
def copied(*, block_frames: int) -> Iterator[Work]:
    """Nothing but copying: the lag of the virtual microphone itself."""
    with desk(Switch(None).block, speech(SPEECH_S, noise_db=NOISE_DB), block_frames) as made:

        def work(seconds: float) -> Samples:
            began_ns = time.monotonic_ns()
            lags = _lags(made, seconds)
            return _samples(lags, began_ns, {"lag_p50_us": _us(statistics.median(lags))})

        yield work


@contextmanager
def added(*, mode: str, block_frames: int) -> Iterator[Work]:
    """The lag with an engine, less the median lag of copying."""
    with engine_of(mode) as engine:
        switch = Switch(engine.block, through=False)
        with desk(switch.block, speech(SPEECH_S, noise_db=NOISE_DB), block_frames) as made:

            def work(seconds: float) -> Samples:
                began_ns = time.monotonic_ns()
                switch.run(through=False)
                time.sleep(CHANGE_S)
                without = round(statistics.median(_lags(made, seconds / 2)))
                switch.run(through=True)
                time.sleep(CHANGE_S)
                lags = [lag - without for lag in _lags(made, seconds)]
                figures = {
                    "without_p50_us": _us(without),
                    "declared_us": engine.status().latency_ms * 1e3,
                }
                return _samples(lags, began_ns, figures)

            yield work


def _lags(made: Desk, seconds: float) -> list[int]:
    """In samples."""
    return made.lags_samples(max(seconds, LEAST_S), PIECE_S)


def _samples(lags: list[int], began_ns: int, figures: dict[str, float]) -> Samples:
    return Samples(
        took_ns=[round(_us(lag) * 1e3) for lag in lags],
        elapsed_ns=time.monotonic_ns() - began_ns,
        units=len(lags),
        figures=figures,
    )


def _us(samples: float) -> float:
    return samples * 1e6 / RATE_HZ
