"""How good denoised speech is: how near the clean one, what is left in pauses, how words begin, what one understands.

In: clean, noisy and denoised speech at 48 kHz, aligned. Out: numbers; NaN: there is nothing to tell it by. Thread: any
(pure functions).

Source of SI-SDR: J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019.
"""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.bench import stoi

RATE_HZ: Final = 48_000
FRAME: Final = RATE_HZ // 100
PESQ_RATE_HZ: Final = 16_000
SETTLED_S: Final = 0.5
"""What comes before is not judged: every method has to learn the noise first."""
PAUSE_DB: Final = -45.0
"""A frame of clean speech this far below the loudest, with 100 ms of the same around it, is a pause."""
AROUND: Final = 10
"""Frames: those 100 ms."""
ONSET_DB: Final = -25.0
"""A word begins where clean speech rises over this within two frames of a pause."""
RISE: Final = 2
ONSET_FRAMES: Final = 4

Powers: TypeAlias = npt.NDArray[np.float64]


class Scores(NamedTuple):
    """Of one recording."""

    sisdr_db: float
    """Scale-invariant ratio of signal to distortion."""
    stoi_share: float
    """STOI, 0..1."""
    pause_db: float
    """How much quieter pauses are than they were with the noise."""
    onset_db: float
    """Level of the first 40 ms of words, relative to the clean ones; under 0: beginnings are lost."""
    pesq: float
    """Wide-band PESQ, 1 to 4.64; NaN where the package ``pesq`` is not installed."""


def scores(clean: Samples, noisy: Samples, denoised: Samples) -> Scores:
    """All of them.

    Args:
        clean: float32 [n] at 48 kHz, over a second of it.
        noisy: float32 [n].
        denoised: float32 [n], where ``clean`` is.

    Raises:
        ValueError: there is too little speech.
    """
    import soxr

    settled = round(SETTLED_S * RATE_HZ)
    clean, noisy, denoised = clean[settled:], noisy[settled:], denoised[settled:]
    low = [soxr.resample(signal, RATE_HZ, stoi.RATE_HZ) for signal in (clean, denoised)]
    return Scores(
        sisdr_db(clean, denoised),
        stoi.stoi(*low),
        pause_attenuation_db(clean, noisy, denoised),
        onset_level_db(clean, denoised),
        pesq_score(clean, denoised),
    )


def sisdr_db(clean: Samples, denoised: Samples) -> float:
    """Energy of the part that is the clean speech, at any level, over that of the rest."""
    wanted, got = clean.astype(np.float64), denoised.astype(np.float64)
    target = (wanted @ got) / (wanted @ wanted) * wanted
    rest = got - target
    return 10 * math.log10(float(target @ target) / max(float(rest @ rest), 1e-20))


def pause_attenuation_db(clean: Samples, noisy: Samples, denoised: Samples) -> float:
    """Energy in pauses before, over that after."""
    pause = _pauses(_powers(clean))
    if not pause.any():
        return float("nan")
    before, left = (float(_powers(signal)[pause].mean()) for signal in (noisy, denoised))
    return 10 * math.log10(before / max(left, 1e-14))


def onset_level_db(clean: Samples, denoised: Samples) -> float:
    """Level of the first ``ONSET_FRAMES`` frames of words against the clean ones, the mean of all words."""
    powers, heard = _powers(clean), _powers(denoised)
    pause = _pauses(powers)
    loud = powers > powers.max() * 10 ** (ONSET_DB / 10)
    levels = []
    for frame in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1:
        # The frames around speech are no pause, so one that ended with this word is a little way off.
        before = pause[max(frame - RISE - AROUND - 1, 0) : max(frame - AROUND, 0)]
        if before.any() and frame + ONSET_FRAMES <= len(powers):
            word = slice(frame, frame + ONSET_FRAMES)
            got, wanted = float(heard[word].sum()), float(powers[word].sum())
            levels.append(10 * math.log10(max(got, 1e-14) / wanted))
    return float(np.mean(levels)) if levels else float("nan")


def pesq_score(clean: Samples, denoised: Samples) -> float:
    """Wide-band PESQ by the package ``pesq``, which Gapless does not need and does not bring."""
    if find_spec("pesq") is None:
        return float("nan")
    import soxr

    low = [soxr.resample(signal, RATE_HZ, PESQ_RATE_HZ) for signal in (clean, denoised)]
    return float(import_module("pesq").pesq(PESQ_RATE_HZ, *low, "wb"))


def _powers(signal: Samples) -> Powers:
    """Of frames of 10 ms."""
    whole = signal[: len(signal) // FRAME * FRAME].astype(np.float64)
    powers: Powers = np.mean(whole.reshape(-1, FRAME) ** 2, axis=1)
    return powers


def _pauses(powers: Powers) -> npt.NDArray[np.bool_]:
    speech = powers > powers.max() * 10 ** (PAUSE_DB / 10)
    near = np.convolve(speech, np.ones(2 * AROUND + 1), "same")[: len(powers)] > 0
    return ~near
