"""Mel filter banks: power spectra in, logarithms of the energy in mel bands out.

In: float32 power, bins by frames. Out: float32 features, frames by bands. Invariants: a frame's bits depend on its own
power alone. Thread: any. Sources: HTK's scale, O'Shaughnessy, Speech Communication, 1987; Slaney's scale, Auditory
Toolbox, 1998, as librosa has it; triangles that are straight over mel instead of Hz, as Kaldi has them.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.dsp.fft import n_bins
from gapless.dsp.kernel import kernel

Scale: TypeAlias = Literal["htk", "slaney", "kaldi"]
"""``htk``: 2595 log10(1 + f / 700), triangles straight over Hz; ``slaney``: linear up to 1000 Hz, likewise;
``kaldi``: 1127 ln(1 + f / 700), triangles straight over mel."""

SLANEY_HZ_PER_MEL = 200.0 / 3.0
SLANEY_CORNER_HZ = 1000.0
SLANEY_LOG_STEP = math.log(6.4) / 27.0
"""Above the corner, 27 mels make a factor of 6.4."""


class Filters(NamedTuple):
    """Triangles without zeros: band ``m`` weighs bins ``first[m]`` onwards by ``weights[start[m]:start[m + 1]]``."""

    first: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]

    def dense(self, bins: int) -> npt.NDArray[np.float32]:
        """The same with the zeros: float32 [n_mels, bins]."""
        out = np.zeros((len(self.first), bins), np.float32)
        for row, first, begin, end in zip(
            out, self.first, self.start[:-1], self.start[1:], strict=True
        ):
            row[first : first + end - begin] = self.weights[begin:end]
        return out


def mel_filters(
    n_mels: int,
    *,
    rate_hz: int,
    n_fft: int,
    scale: Scale,
    low_hz: float,
    high_hz: float,
    equal_area: bool,
) -> Filters:
    """Triangles whose corners are equally far apart in mel, each beginning at the peak of the one before.

    Args:
        n_mels: number of bands.
        rate_hz: of the samples.
        n_fft: length of the transform.
        scale: which mel, and over what the triangles are straight.
        low_hz: where the first triangle begins.
        high_hz: where the last one ends, at most half the rate.
        equal_area: triangles of area 1 over Hz instead of peak 1 (librosa's ``norm="slaney"``).
    """
    corners = np.linspace(hz_to_mel(low_hz, scale), hz_to_mel(high_hz, scale), n_mels + 2)
    bins = np.arange(n_bins(n_fft)) * (rate_hz / n_fft)
    if scale == "kaldi":
        bins = np.array([hz_to_mel(hz, scale) for hz in bins])
    else:
        corners = np.array([mel_to_hz(mel, scale) for mel in corners])
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.minimum((bins - left) / (peak - left), (right - bins) / (right - peak))
    triangles = np.maximum(triangles, 0)
    if equal_area:
        triangles *= 2 / (right - left)
    return _without_zeros(triangles.astype(np.float32))


def hz_to_mel(hz: float, scale: Scale) -> float:
    """Pitch in mel of a frequency."""
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if scale == "kaldi":
        return 1127.0 * math.log(1.0 + hz / 700.0)
    if hz < SLANEY_CORNER_HZ:
        return hz / SLANEY_HZ_PER_MEL
    corner = SLANEY_CORNER_HZ / SLANEY_HZ_PER_MEL
    return corner + math.log(hz / SLANEY_CORNER_HZ) / SLANEY_LOG_STEP


def mel_to_hz(mel: float, scale: Scale) -> float:
    """Frequency of a pitch in mel."""
    if scale == "htk":
        return 700.0 * (math.exp(mel / 2595.0 * math.log(10.0)) - 1.0)
    if scale == "kaldi":
        return 700.0 * (math.exp(mel / 1127.0) - 1.0)
    corner = SLANEY_CORNER_HZ / SLANEY_HZ_PER_MEL
    if mel < corner:
        return mel * SLANEY_HZ_PER_MEL
    return SLANEY_CORNER_HZ * math.exp((mel - corner) * SLANEY_LOG_STEP)


def _without_zeros(triangles: npt.NDArray[np.float32]) -> Filters:
    first, start, weights = [], [0], []
    for row in triangles:
        nonzero = np.flatnonzero(row)
        begin, end = (nonzero[0], nonzero[-1] + 1) if len(nonzero) else (0, 0)
        first.append(begin)
        start.append(start[-1] + end - begin)
        weights.append(row[begin:end])
    return Filters(np.array(first), np.array(start), np.concatenate(weights))


@kernel
def log_mel(  # noqa: PLR0917  compiled code takes its arguments by position
    power: npt.NDArray[np.float32],
    first: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    least: np.float32,
    added: np.float32,
    gain: np.float32,
    offset: np.float32,
    out: npt.NDArray[np.float32],
) -> None:
    """``gain * ln(max(energy, least) + added) + offset`` for every band of every frame.

    Args:
        power: float32 [n_bins, n_frames].
        first: of ``Filters``, as are ``start`` and ``weights``.
        start: see there.
        weights: see there.
        least: energies below it are taken for it.
        added: is added to every energy.
        gain: what a step of the natural logarithm is worth.
        offset: where 0 lies.
        out: float32 [n_frames, n_mels], written.
    """
    n_frames, n_mels = out.shape
    energy = np.empty(n_frames, np.float32)
    for m in range(n_mels):
        energy[:] = np.float32(0.0)
        for j in range(start[m], start[m + 1]):
            weight, k = weights[j], first[m] + j - start[m]
            for f in range(n_frames):
                energy[f] += weight * power[k, f]
        for f in range(n_frames):
            out[f, m] = gain * math.log(max(energy[f], least) + added) + offset
