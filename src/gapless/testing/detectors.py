"""What must never be heard: clicks, dropouts, numbers that are none, and a lasting offset.

In: float32 mono samples. Out: positions, int64, ascending; empty: nothing found. Invariants: each judges a place by
the signal around it, so that neither level nor kind of sound needs to be known; fades and cross-fades are no clicks,
pauses that come and go as speech does are no dropouts. Thread: any.

A click is a sample or two that the signal before does not foretell and that nothing like it follows: the error of a
linear prediction stands out from the errors around it. Sound with sharp attacks that are meant (a keyboard, a drum)
has clicks.

Source: S. Godsill and P. Rayner, "Digital Audio Restoration", 1998, chapter 5.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples, ms_to_samples

Positions = npt.NDArray[np.int64]

ORDER: Final = 16
"""Of the prediction: two taps for each of eight tones or formants."""
FRAME_MS: Final = 20
"""Time over which a prediction is fitted."""
CORE_MS: Final = 0.5
"""A click is no longer; what the prediction makes of a sample is ``ORDER`` samples long."""
CHUNK: Final = 1_000
"""Frames that are worked on at once, to bound the memory."""
FLANK_MS: Final = 12
"""How far around it the signal's own errors are looked at: a period of the deepest voices."""
OUTSTANDING: Final = 10.0
"""How many times the largest error around it a click is. White noise comes to 2, the test recordings' speech to 7."""
INAUDIBLE: Final = 3e-4
"""Errors below it, -70 dB, are nothing."""

HOLE_MS: Final = 0.4
"""Shortest dropout."""
LONGEST_HOLE_MS: Final = 500
EDGE_MS: Final = 0.25
"""How close to a hole the sound is. That of speech takes longer to come and go, even before a closure."""
DEPTH: Final = 100.0
"""How much quieter a hole is than what is beside it: 40 dB."""
SUDDEN: Final = 0.03
"""Share of the loudness around that the sound still has beside a hole; a fade of 5 ms leaves a hundredth."""
LOUDNESS_MS: Final = 20
"""How far around the loudness is looked for."""
FAINT: Final = 3e-3
"""Sound below it, -50 dB, may come and go."""

DC_WINDOW_MS: Final = 1_000
DC_PARTS: Final = 16
"""Of the window, whose means tell an offset from slow sound."""
DC_CERTAIN: Final = 8.0
"""Standard errors that the mean must be away from 0."""
DC_LIMIT: Final = 0.01
"""-40 dB."""


class Flaws(NamedTuple):
    """All that was found in a signal."""

    clicks: Positions
    dropouts: Positions
    not_finite: Positions
    dc_offsets: Positions

    def any(self) -> bool:
        """Whether there is one."""
        return any(len(positions) for positions in self)


def find_flaws(samples: Samples, rate_hz: int) -> Flaws:
    """Run all detectors; what is not finite is silence to the others.

    Args:
        samples: float32 [n].
        rate_hz: of them.
    """
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return Flaws(
        clicks(finite, rate_hz),
        dropouts(finite, rate_hz),
        not_finite(samples),
        dc_offsets(finite, rate_hz),
    )


def clicks(samples: Samples, rate_hz: int, *, flank_ms: float = FLANK_MS) -> Positions:
    """Where a sample stands out from all that is around it: one position a click.

    Args:
        samples: float32 [n], finite.
        rate_hz: of them.
        flank_ms: how far around it nothing is like a click. Those that come more often hide each other, as the pulses
            of a voice do; in tones take less than a block to find one at the seam of every block.
    """
    error = np.abs(prediction_error(samples, rate_hz))
    core = max(ms_to_samples(CORE_MS, rate_hz), ORDER + 2)
    flank = max(ms_to_samples(flank_ms, rate_hz), core)
    # around[n] is the largest of n - flank .. n - core and n + core .. n + flank
    reach = flank - core + 1
    padded = np.pad(error, flank)
    largest = moving_max(padded, reach)
    around = np.maximum(largest[: len(error)], largest[flank + core :][: len(error)])
    found = np.flatnonzero(error > np.maximum(OUTSTANDING * around, INAUDIBLE))
    return first_of_each(found, core)


def prediction_error(samples: Samples, rate_hz: int) -> npt.NDArray[np.float64]:
    """What a linear prediction, fitted anew to every 10 ms, does not foretell: float64 [n]."""
    hop = ms_to_samples(FRAME_MS, rate_hz) // 2
    n_frames = -(-len(samples) // hop)
    if not n_frames:
        return np.empty(0)
    # From half a frame before the first hop to half a frame behind the last.
    lead = max(hop // 2, ORDER)
    padded = np.zeros(lead + (n_frames + 1) * hop)
    padded[lead : lead + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, lead + hop + hop // 2)[::hop][
        :n_frames
    ]
    # At the ends the fit of the nearest frame that has no padding in it.
    full = np.clip(np.arange(n_frames), 2, max((len(samples) - hop - hop // 2) // hop, 2))
    full = np.minimum(full, n_frames - 1)
    error = np.zeros((n_frames, hop))
    for start in range(0, n_frames, CHUNK):
        chunk = frames[start : start + CHUNK]
        taps = fit_prediction(frames[full[start : start + CHUNK]])
        for k in range(ORDER + 1):
            part = chunk[:, lead - k : lead - k + hop]
            error[start : start + CHUNK] += taps[:, k, np.newaxis] * part
    # Nothing foretells the first samples.
    error[:, :ORDER][:1] = 0.0
    return error.ravel()[: len(samples)]


def fit_prediction(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Taps that turn each frame into its prediction error, by Levinson's recursion.

    Args:
        frames: float64 [n_frames, n].

    Returns:
        float64 [n_frames, ORDER + 1], the first of each 1.
    """
    windowed = frames * np.hanning(frames.shape[1])
    correlation = np.empty((len(frames), ORDER + 1))
    for lag in range(ORDER + 1):
        length = frames.shape[1] - lag
        correlation[:, lag] = np.einsum("ij,ij->i", windowed[:, :length], windowed[:, lag:])
    # A floor of noise, 90 dB down: a pure tone has no unique prediction.
    left = correlation[:, 0] * (1 + 1e-9) + 1e-12
    correlation[:, 0] = left
    taps = np.zeros((len(frames), ORDER + 1))
    taps[:, 0] = 1.0
    for order in range(1, ORDER + 1):
        backwards = correlation[:, order:0:-1]
        reflection = -np.einsum("ij,ij->i", taps[:, :order], backwards) / left
        taps[:, 1 : order + 1] += reflection[:, np.newaxis] * taps[:, order - 1 :: -1][:, :order]
        left = left * (1.0 - reflection**2) + 1e-15
    return taps


def dropouts(samples: Samples, rate_hz: int, *, edge_ms: float = EDGE_MS) -> Positions:
    """Where the sound falls into a hole and comes back: first sample of each.

    Args:
        samples: float32 [n], finite.
        rate_hz: of them.
        edge_ms: the sound must be there again within this time around the hole. With 6 ms holes with a fade of 5 ms
            are found, too, and sooner or later the pauses of speech.
    """
    level = np.abs(np.asarray(samples, np.float64))
    hole, edge = ms_to_samples(HOLE_MS, rate_hz), ms_to_samples(edge_ms, rate_hz)
    loud = ms_to_samples(LOUDNESS_MS, rate_hz)
    padded = np.pad(level, loud + hole)
    here = loud + hole + np.arange(len(level))  # of each sample in what follows

    def largest(length: int) -> npt.NDArray[np.float64]:
        return moving_max(padded, length)

    inside, beside, around = largest(hole), largest(edge), largest(loud)
    before, behind = beside[here - edge], beside[here]
    falls = np.flatnonzero(
        (before > np.maximum(DEPTH * inside[here], FAINT)) & (before > SUDDEN * around[here - loud])
    )
    rises = np.flatnonzero(
        (behind > np.maximum(DEPTH * inside[here - hole], FAINT)) & (behind > SUDDEN * around[here])
    )
    found = []
    for fall in first_of_each(falls, edge + hole):
        end = rises[np.searchsorted(rises, fall + hole) :][:1]
        if len(end) and end[0] - fall <= ms_to_samples(LONGEST_HOLE_MS, rate_hz):
            quiet = level[fall : end[0]].max() * DEPTH <= before[fall]
            found += [fall] if quiet else []
    return np.array(found, np.int64)


def not_finite(samples: Samples) -> Positions:
    """Where a sample is NaN or infinite."""
    return np.flatnonzero(~np.isfinite(samples)).astype(np.int64)


def dc_offsets(samples: Samples, rate_hz: int, *, limit: float = DC_LIMIT) -> Positions:
    """Seconds whose mean is beyond a limit, and not by chance: first sample of each, every half second.

    Args:
        samples: float32 [n], finite. Of less than a second, all is one.
        rate_hz: of them.
        limit: of the mean's size.
    """
    part = min(ms_to_samples(DC_WINDOW_MS, rate_hz), len(samples)) // DC_PARTS
    if not part:
        return np.empty(0, np.int64)
    parts = samples[: len(samples) // part * part].reshape(-1, part).mean(axis=1, dtype=np.float64)
    hop = DC_PARTS // 2
    windows = np.lib.stride_tricks.sliding_window_view(parts, DC_PARTS)[::hop]
    means = windows.mean(axis=1)
    errors = windows.std(axis=1, ddof=1) / np.sqrt(DC_PARTS)
    found = np.flatnonzero((np.abs(means) > limit) & (np.abs(means) > DC_CERTAIN * errors))
    return (found * hop * part).astype(np.int64)


def moving_max(values: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """The largest of each value and the ``length - 1`` behind it: float64 [n - length + 1]."""
    covered = 1
    while covered < length:
        step = min(covered, length - covered)
        values = np.maximum(values[:-step], values[step:])
        covered += step
    return values


def first_of_each(positions: npt.NDArray[np.intp], apart: int) -> Positions:
    """Of positions that lie at most ``apart`` from the one before, the first."""
    fresh = np.diff(positions, prepend=-apart - 1) > apart
    return positions[fresh].astype(np.int64)
