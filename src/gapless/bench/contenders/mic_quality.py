"""How well noise is removed: not at all, by RNNoise as it is, and at low delay, with equal floors on equal sound.

In: which. Out: work whose operations are recordings: what cleaning each took. Invariants: all hear the same speech with
the same noise, at the same levels; delays are taken out before anything is compared. Thread: main, alone.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import numpy as np

from gapless.bench.drive import Samples, Work
from gapless.bench.mic_sounds import NOISES, noise, speech_with_pauses
from gapless.bench.scores import Scores, scores

if TYPE_CHECKING:
    from gapless.audio.types import Samples as Sound

SNRS_DB: Final = (0, 5, 10)
SNRS_IN_TRIAL_DB: Final = (5,)
"""When no time is given for more."""
LEAST_S: Final = 6.0
FLOOR: Final = np.float32(0.05)
"""That the low-delay gains never go below; RNNoise gets as much of the noisy sound mixed in."""

Clean: TypeAlias = "Callable[[Sound], Sound]"


@contextmanager
def unprocessed() -> Iterator[Work]:
    """What was heard."""
    yield lambda seconds: _samples(_score_all(lambda noisy: noisy, seconds))


@contextmanager
def native() -> Iterator[Work]:
    """RNNoise, 20 ms late."""
    yield lambda seconds: _samples(_score_all(_native, seconds))


@contextmanager
def low_delay() -> Iterator[Work]:
    """Ours, 4 ms late; figures that end in a loss are against RNNoise on the very same recordings."""
    from gapless.clean.low_delay.offline import suppress

    def work(seconds: float) -> Samples:
        ours, theirs = _score_all(suppress, seconds), _score_all(_native, seconds)
        samples = _samples(ours)
        losses = {
            "sisdr_loss_db": _mean(theirs, "sisdr_db") - _mean(ours, "sisdr_db"),
            "stoi_loss_share": _mean(theirs, "stoi_share") - _mean(ours, "stoi_share"),
        }
        return msgspec.structs.replace(samples, figures=samples.figures | losses)

    yield work


def _native(noisy: Sound) -> Sound:
    from gapless.clean.rnnoise import DELAY_SAMPLES, FRAME_SAMPLES, Rnnoise

    # Silence behind it brings the rest out.
    n_frames = -(-(len(noisy) + DELAY_SAMPLES) // FRAME_SAMPLES)
    padded = np.zeros(n_frames * FRAME_SAMPLES, np.float32)
    padded[: len(noisy)] = noisy
    with closing(Rnnoise()) as model:
        parts = [model.process(frame) for frame in padded.reshape(-1, FRAME_SAMPLES)]
    cleaned = np.concatenate(parts)[DELAY_SAMPLES:][: len(noisy)]
    return cleaned + FLOOR * (noisy - cleaned)


class _Result:
    """One recording: what it came to, and how long that took."""

    def __init__(self, name: str, of: Scores, took_ns: int, sound_s: float) -> None:
        self.name = name
        self.of = of
        self.took_ns = took_ns
        self.sound_s = sound_s


def _score_all(clean: Clean, seconds: float) -> list[_Result]:
    said = speech_with_pauses(max(seconds, LEAST_S))
    # A kernel's first call loads it.
    clean(said[:4800])
    power = float(np.mean(said.astype(np.float64) ** 2))
    results = []
    for kind in NOISES:
        for snr_db in SNRS_DB if seconds >= LEAST_S else SNRS_IN_TRIAL_DB:
            level = np.float32(np.sqrt(power / 10 ** (snr_db / 10)))
            noisy = said + level * noise(kind, len(said))
            # What is louder would be clipped by every engine.
            scale = np.float32(1 / max(1.0, float(np.abs(noisy).max())))
            began_ns = time.perf_counter_ns()
            cleaned = clean(noisy * scale)
            took_ns = time.perf_counter_ns() - began_ns
            of = scores(said * scale, noisy * scale, cleaned)
            name = f"{kind.replace(' ', '_')}_{snr_db}"
            results.append(_Result(name, of, took_ns, len(said) / 48_000))
    return results


def _mean(results: list[_Result], score: str) -> float:
    """Of the recordings that have it."""
    values = [value for one in results if not math.isnan(value := getattr(one.of, score))]
    return statistics.mean(values) if values else math.nan


def _samples(results: list[_Result]) -> Samples:
    figures = {score: _mean(results, score) for score in Scores._fields}
    for one in results:
        figures |= {f"{one.name}_{score}": value for score, value in one.of._asdict().items()}
    # What there is nothing to tell by is left out; JSON has no NaN.
    figures = {name: value for name, value in figures.items() if not math.isnan(value)}
    elapsed_ns = sum(one.took_ns for one in results)
    sound_s = sum(one.sound_s for one in results)
    return Samples(
        took_ns=[one.took_ns for one in results],
        elapsed_ns=max(elapsed_ns, 1),
        units=round(sound_s),
        figures={**figures, "realtime_share": elapsed_ns / 1e9 / sound_s},
    )
