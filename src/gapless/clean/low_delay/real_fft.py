"""A real Fourier transform there and back, one frame at a time, that may run in an audio callback.

In: float32 samples or a spectrum. Out: the other. Invariants: nothing is allocated, the caller has the scratch;
there and back gives the samples to 2e-7 of the largest. Thread: any.

Sources: the autosort algorithm of Stockham in steps of four, and two real samples as one complex: C. Van Loan,
Computational Frameworks for the Fast Fourier Transform, 1992, sections 1.7, 2.4 and 4.3. ``dsp.fft`` is the same
for many frames at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]


@zone
def rfft(samples: Floats, roots: Floats, spectrum: Floats, scratch: Floats) -> None:
    """Transform a frame.

    Args:
        samples: float32 [n], n a power of two, at least 8.
        roots: float32 [2, n], from ``dsp.fft.roots_of_unity``.
        spectrum: float32 [2, n / 2 + 1], written: real and imaginary parts.
        scratch: float32 [4, n / 2 + 1], overwritten.
    """
    half = samples.shape[0] // 2
    for i in range(half):
        scratch[0, i] = samples[2 * i]
        scratch[1, i] = samples[2 * i + 1]
    at = _transform(scratch, roots, half)
    one_half = np.float32(0.5)
    real, imag = scratch[at], scratch[at + 1]
    spectrum[0, 0], spectrum[1, 0] = real[0] + imag[0], np.float32(0.0)
    spectrum[0, half], spectrum[1, half] = real[0] - imag[0], np.float32(0.0)
    for k in range(1, half):
        even_r = one_half * (real[k] + real[half - k])
        even_i = one_half * (imag[k] - imag[half - k])
        odd_r = one_half * (imag[k] + imag[half - k])
        odd_i = one_half * (real[half - k] - real[k])
        spectrum[0, k] = even_r + (odd_r * roots[0, k] - odd_i * roots[1, k])
        spectrum[1, k] = even_i + (odd_r * roots[1, k] + odd_i * roots[0, k])


@zone
def irfft(spectrum: Floats, roots: Floats, samples: Floats, scratch: Floats) -> None:
    """Transform a spectrum back: arguments as for ``rfft``, ``samples`` is written."""
    half = samples.shape[0] // 2
    scale = np.float32(0.5) / np.float32(half)
    for k in range(half):
        # Real and imaginary parts are exchanged, which makes a transform back of one there.
        a_r, a_i = spectrum[0, k], spectrum[1, k]
        b_r, b_i = spectrum[0, half - k], -spectrum[1, half - k]
        odd_r, odd_i = a_r - b_r, a_i - b_i
        turned_r = odd_r * roots[0, k] + odd_i * roots[1, k]
        turned_i = odd_i * roots[0, k] - odd_r * roots[1, k]
        scratch[1, k] = (a_r + b_r - turned_i) * scale
        scratch[0, k] = (a_i + b_i + turned_r) * scale
    at = _transform(scratch, roots, half)
    for i in range(half):
        samples[2 * i] = scratch[at + 1, i]
        samples[2 * i + 1] = scratch[at, i]


@zone
def _transform(scratch: Floats, roots: Floats, length: int) -> int:
    """Complex transform of rows 0 and 1; the result is in two rows, the first of which is returned."""
    left, stride, turn = length, 1, 2
    source, target = 0, 2
    while left >= 4:
        left //= 4
        step = stride * left
        for p in range(left):
            c1, s1 = roots[0, p * turn], roots[1, p * turn]
            c2, s2 = roots[0, 2 * p * turn], roots[1, 2 * p * turn]
            c3, s3 = roots[0, 3 * p * turn], roots[1, 3 * p * turn]
            i, o = stride * p, 4 * stride * p
            # Views, because LLVM makes vector instructions of loops over them.
            a_r, a_i = scratch[source, i : i + stride], scratch[source + 1, i : i + stride]
            i += step
            b_r, b_i = scratch[source, i : i + stride], scratch[source + 1, i : i + stride]
            i += step
            c_r, c_i = scratch[source, i : i + stride], scratch[source + 1, i : i + stride]
            i += step
            d_r, d_i = scratch[source, i : i + stride], scratch[source + 1, i : i + stride]
            out_r = scratch[target, o : o + 4 * stride]
            out_i = scratch[target + 1, o : o + 4 * stride]
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
        source, target = target, source
        stride *= 4
        turn *= 4
    if left == 2:  # the length is no power of four
        for q in range(stride):
            other = q + stride
            for part in range(2):
                here, there = scratch[source + part, q], scratch[source + part, other]
                scratch[target + part, q] = here + there
                scratch[target + part, other] = here - there
        source = target
    return source
