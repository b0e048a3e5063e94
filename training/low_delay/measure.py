"""How good a denoised signal is: SI-SDR, STOI, PESQ, what is left in pauses, and how much of each onset is lost.

In: clean, noisy and denoised samples at 48 kHz, and the delay of the last. Out: one number for each. Invariants: all
signals are aligned by the known delay, cut to the same range, and judged from 0.5 s on; SI-SDR, STOI and PESQ at
16 kHz. Thread: any.

Sources: J. Le Roux et al., "SDR - half-baked or well done?", 2019; C. H. Taal et al., "An algorithm for intelligibility
prediction of time-frequency weighted noisy speech", 2011 (pystoi); ITU-T P.862.2 (pesq).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pesq
import pystoi
from scipy.signal import resample_poly

from .shaping import RATE_HZ

Signal = npt.NDArray[np.floating[Any]]

FRAME_SAMPLES: Final = RATE_HZ // 100
SETTLED_SAMPLES: Final = RATE_HZ // 2
"""What comes before is not judged: every method has to learn the noise first."""

JUDGED_HZ: Final = 16000
PAUSE_DB: Final = -45.0
"""A frame of the clean signal below this, relative to its loudest, with 100 ms of the same around it, is a pause."""

QUIET_DB: Final = -40.0
LOUD_DB: Final = -25.0
ONSET_FRAMES: Final = 4
BEFORE_FRAMES: Final = 10


class Scores(NamedTuple):
    """One signal's measures; what cannot be told is NaN."""

    si_sdr_db: float
    stoi: float
    pesq: float
    """Wide band, 1 to 4.64."""
    attenuation_db: float
    """How much quieter than the noisy signal it is in pauses."""
    onset_db: tuple[float, ...]
    """Level relative to the clean one in each of the first four 10 ms of a word that follows silence, a mean."""


def scores(clean: Signal, noisy: Signal, denoised: Signal, delay_samples: int = 0) -> Scores:
    """Every measure of one signal.

    Args:
        clean: what should have come out, at 48 kHz.
        noisy: what went in; as long as ``clean``.
        denoised: what came out; as long or longer.
        delay_samples: how much later ``denoised`` is.

    Raises:
        ValueError: the signals do not fit each other.
    """
    if noisy.size != clean.size or denoised.size < clean.size:
        raise ValueError(
            f"{clean.size} clean, {noisy.size} noisy and {denoised.size} denoised samples: give equal lengths"
        )
    end = (clean.size - delay_samples) // FRAME_SAMPLES * FRAME_SAMPLES
    out = denoised[delay_samples : delay_samples + end].astype(np.float64)
    clean, noisy = clean[:end].astype(np.float64), noisy[:end].astype(np.float64)
    judged = [
        resample_poly(signal[SETTLED_SAMPLES:], JUDGED_HZ, RATE_HZ) for signal in (clean, out)
    ]
    return Scores(
        si_sdr_db(*judged),
        float(pystoi.stoi(*judged, JUDGED_HZ)),
        _pesq(*judged),
        attenuation_db(clean, noisy, out),
        onset_levels_db(clean, out),
    )


def si_sdr_db(reference: Signal, signal: Signal) -> float:
    """Scale-invariant ratio of signal to distortion."""
    energy = float(reference @ reference)
    if energy == 0:
        return float("nan")
    target = float(reference @ signal) / energy * reference
    error = signal - target
    return float(10 * np.log10((target @ target + 1e-20) / (error @ error + 1e-20)))


def _pesq(reference: Signal, signal: Signal) -> float:
    try:
        return float(pesq.pesq(JUDGED_HZ, reference, signal, "wb"))
    except pesq.NoUtterancesError:  # too quiet or too short
        return float("nan")


def _powers(signal: Signal) -> Signal:
    return np.mean(signal.reshape(-1, FRAME_SAMPLES) ** 2, axis=1)


def attenuation_db(clean: Signal, noisy: Signal, out: Signal) -> float:
    """Noisy energy over denoised energy in the pauses after the first 0.6 s, to the last 40 ms."""
    power = _powers(clean)
    speech = power > power.max() * 10 ** (PAUSE_DB / 10)
    pause = np.convolve(speech, np.ones(21), "same")[: power.size] == 0
    pause[:60] = False
    pause[-4:] = False
    if not pause.any():
        return float("nan")
    return float(10 * np.log10(_powers(noisy)[pause].mean() / (_powers(out)[pause].mean() + 1e-14)))


def onset_levels_db(clean: Signal, out: Signal) -> tuple[float, ...]:
    """Energy relative to the clean signal in each of the first four frames of onsets, over all onsets.

    An onset is where a frame rises above -25 dB of the loudest after 100 ms below -40 dB.
    """
    power = _powers(clean)
    level_db = 10 * np.log10(power / power.max() + 1e-12)
    first = SETTLED_SAMPLES // FRAME_SAMPLES
    onsets = [
        frame
        for frame in range(max(first, BEFORE_FRAMES), power.size - ONSET_FRAMES)
        if level_db[frame] > LOUD_DB and _quiet_before(level_db, frame)
    ]
    if not onsets:
        return (float("nan"),) * ONSET_FRAMES
    heard = _powers(out)
    return tuple(
        float(
            np.mean(
                [10 * np.log10((heard[o + k] + 1e-12) / (power[o + k] + 1e-12)) for o in onsets]
            )
        )
        for k in range(ONSET_FRAMES)
    )


def _quiet_before(level_db: Signal, frame: int) -> bool:
    """Whether it was quiet for 100 ms, with at most two frames of rise since."""
    before = level_db[max(0, frame - BEFORE_FRAMES - 2) : frame]
    return bool(np.all(before[:-2] < QUIET_DB) and np.all(before[-2:] < LOUD_DB))
