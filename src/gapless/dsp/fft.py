"""Power spectra of overlapping frames, by a fast Fourier transform of our own.

In: a float32 signal, a window and a table of roots. Out: float32 power, bins by frames. Invariants: a frame's bits
depend only on the samples under its window, not on how many frames are asked for at a time.
Thread: any. Sources: the autosort algorithm of Stockham, 1966, in steps of four (Van Loan, Computational Frameworks
for the Fast Fourier Transform, 1992, sections 1.7 and 2.4); two real samples as one complex: section 4.3 there.

Why our own: the frames of a live stream come a few at a time, where a library's call costs more than its transform.
Frames lie beside each other, so that one instruction works on several of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.dsp.kernel import kernel

FRAMES_AT_ONCE: Final = 16
"""Bounds the memory that is worked on: 128 KiB for transforms of 512."""

SMALLEST: Final = 8
"""Length of the shortest transform."""


def n_bins(n_fft: int) -> int:
    """Frequencies of a real transform: bin ``k`` is at ``k * rate / n_fft``, up to half the rate."""
    return n_fft // 2 + 1


def roots_of_unity(n_fft: int) -> npt.NDArray[np.float32]:
    """Cosine and sine of the angles ``-2 pi k / n_fft``.

    Args:
        n_fft: length of the transform, a power of two, at least ``SMALLEST``.

    Returns:
        float32 [2, n_fft].
    """
    angles = -2.0 * np.pi * np.arange(n_fft) / n_fft
    return np.stack((np.cos(angles), np.sin(angles))).astype(np.float32)


@kernel
def power_spectra(  # noqa: PLR0917  compiled code takes its arguments by position
    signal: npt.NDArray[np.float32],
    hop: int,
    window: npt.NDArray[np.float32],
    remove_mean: bool,  # noqa: FBT001
    emphasis: np.float32,
    roots: npt.NDArray[np.float32],
    power: npt.NDArray[np.float32],
) -> None:
    """Squared magnitudes of the spectra of consecutive frames, filled up with zeros to the transform's length.

    Args:
        signal: float32 [n], at least ``(n_frames - 1) * hop + len(window)`` samples.
        hop: samples from the begin of one frame to the next.
        window: float32 [n_window], ``n_window`` at most ``n_fft``.
        remove_mean: take each frame's mean from it first.
        emphasis: of each sample of a frame, this much of the one before is taken away, of the first as much of itself.
        roots: float32 [2, n_fft], from ``roots_of_unity``.
        power: float32 [n_fft / 2 + 1, n_frames], written.
    """
    n_frames = power.shape[1]
    half = roots.shape[1] // 2
    for first in range(0, n_frames, FRAMES_AT_ONCE):
        count = min(FRAMES_AT_ONCE, n_frames - first)
        # Even samples are real parts, odd ones imaginary; sample or bin k of frame f is at k * count + f.
        real, imag = np.zeros(half * count, np.float32), np.zeros(half * count, np.float32)
        for f in range(count):
            start = (first + f) * hop
            frame = signal[start : start + window.shape[0]]
            _place_frame(frame, window, remove_mean, emphasis, real[f:], imag[f:], count)
        real, imag = _transform(real, imag, roots, count)
        _split_real(real, imag, roots, count, power, first)


@kernel
def _place_frame(  # noqa: PLR0917
    frame: npt.NDArray[np.float32],
    window: npt.NDArray[np.float32],
    remove_mean: bool,  # noqa: FBT001
    emphasis: np.float32,
    real: npt.NDArray[np.float32],
    imag: npt.NDArray[np.float32],
    count: int,
) -> None:
    """Write a windowed frame to every ``count``-th place."""
    mean = np.float32(0.0)
    if remove_mean:
        for sample in frame:
            mean += sample
        mean /= np.float32(frame.shape[0])
    before = frame[0] - mean
    place = 0
    for i in range(0, frame.shape[0] - 1, 2):
        even, odd = frame[i] - mean, frame[i + 1] - mean
        real[place] = (even - emphasis * before) * window[i]
        imag[place] = (odd - emphasis * even) * window[i + 1]
        before = odd
        place += count
    if frame.shape[0] % 2 == 1:
        real[place] = (frame[-1] - mean - emphasis * before) * window[-1]


@kernel
def _transform(
    real: npt.NDArray[np.float32],
    imag: npt.NDArray[np.float32],
    roots: npt.NDArray[np.float32],
    count: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Complex transforms of ``count`` frames at a time; overwrites its input."""
    to_real, to_imag = np.empty_like(real), np.empty_like(imag)
    left = roots.shape[1] // 2
    stride = count
    turn = 2
    while left >= 4:
        left //= 4
        step = stride * left
        for p in range(left):
            c1, s1 = roots[0, p * turn], roots[1, p * turn]
            c2, s2 = roots[0, 2 * p * turn], roots[1, 2 * p * turn]
            c3, s3 = roots[0, 3 * p * turn], roots[1, 3 * p * turn]
            # Views, because LLVM makes vector instructions of loops over them, and of plain indices none.
            i = stride * p
            a_r, a_i = real[i : i + stride], imag[i : i + stride]
            i += step
            b_r, b_i = real[i : i + stride], imag[i : i + stride]
            i += step
            c_r, c_i = real[i : i + stride], imag[i : i + stride]
            i += step
            d_r, d_i = real[i : i + stride], imag[i : i + stride]
            i = 4 * stride * p
            out_r, out_i = to_real[i : i + 4 * stride], to_imag[i : i + 4 * stride]
            for q in range(stride):
                ac_r, ac_i = a_r[q] + c_r[q], a_i[q] + c_i[q]
                bd_r, bd_i = b_r[q] + d_r[q], b_i[q] + d_i[q]
                # a - c, and i (b - d)
                u_r, u_i = a_r[q] - c_r[q], a_i[q] - c_i[q]
                v_r, v_i = d_i[q] - b_i[q], b_r[q] - d_r[q]
                out_r[q] = ac_r + bd_r
                out_i[q] = ac_i + bd_i
                x, y = u_r - v_r, u_i - v_i
                out_r[q + stride] = x * c1 - y * s1
                out_i[q + stride] = x * s1 + y * c1
                x, y = ac_r - bd_r, ac_i - bd_i
                out_r[q + 2 * stride] = x * c2 - y * s2
                out_i[q + 2 * stride] = x * s2 + y * c2
                x, y = u_r + v_r, u_i + v_i
                out_r[q + 3 * stride] = x * c3 - y * s3
                out_i[q + 3 * stride] = x * s3 + y * c3
        real, imag, to_real, to_imag = to_real, to_imag, real, imag
        stride *= 4
        turn *= 4
    if left == 2:  # the length is no power of four
        for q in range(stride):
            to_real[q], to_real[q + stride] = real[q] + real[q + stride], real[q] - real[q + stride]
            to_imag[q], to_imag[q + stride] = imag[q] + imag[q + stride], imag[q] - imag[q + stride]
        real, imag = to_real, to_imag
    return real, imag


@kernel
def _split_real(  # noqa: PLR0917
    real: npt.NDArray[np.float32],
    imag: npt.NDArray[np.float32],
    roots: npt.NDArray[np.float32],
    count: int,
    power: npt.NDArray[np.float32],
    first: int,
) -> None:
    """Power of the real frames whose samples were transformed in pairs, into columns from ``first`` on."""
    half = roots.shape[1] // 2
    one_half = np.float32(0.5)
    for f in range(count):
        power[0, first + f] = (real[f] + imag[f]) ** 2
        power[half, first + f] = (real[f] - imag[f]) ** 2
    for k in range(1, half):
        cos, sin = roots[0, k], roots[1, k]
        row = power[k, first : first + count]
        here, there = k * count, (half - k) * count
        a_r, a_i = real[here : here + count], imag[here : here + count]
        b_r, b_i = real[there : there + count], imag[there : there + count]
        for f in range(count):
            # Spectra of the even and of the odd samples.
            even_r, even_i = one_half * (a_r[f] + b_r[f]), one_half * (a_i[f] - b_i[f])
            odd_r, odd_i = one_half * (a_i[f] + b_i[f]), one_half * (b_r[f] - a_r[f])
            x = even_r + (odd_r * cos - odd_i * sin)
            y = even_i + (odd_r * sin + odd_i * cos)
            row[f] = x * x + y * y
