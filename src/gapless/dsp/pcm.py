"""Samples as they travel, as float32.

In: bytes of whole frames. Out: float32 samples, -1..1 at full scale. Invariants: each sample is
converted by itself, so that any split at frames gives the same bits. NumPy is as fast here as
compiled code: each function is one or two passes over memory. Thread: any.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def from_s16le(data: bytes) -> npt.NDArray[np.float32]:
    """Signed 16-bit little-endian integers; full scale is 2**15."""
    return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(2.0**-15)


def from_s32le(data: bytes) -> npt.NDArray[np.float32]:
    """Signed 32-bit little-endian integers, rounded to float32; full scale is 2**31."""
    return np.frombuffer(data, "<i4").astype(np.float32) * np.float32(2.0**-31)


def from_f32le(data: bytes) -> npt.NDArray[np.float32]:
    """IEEE single precision, little-endian; taken as it is, NaN and infinity included."""
    return np.frombuffer(data, "<f4").astype(np.float32)


def from_mulaw(data: bytes) -> npt.NDArray[np.float32]:
    """G.711 mu-law, one byte a sample; full scale is 2**15, the largest value 32,124."""
    return np.take(MULAW, np.frombuffer(data, np.uint8))


def from_alaw(data: bytes) -> npt.NDArray[np.float32]:
    """G.711 A-law, one byte a sample; full scale is 2**15, the largest value 32,256."""
    return np.take(ALAW, np.frombuffer(data, np.uint8))


def mix_down(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean of all channels.

    Args:
        planes: float32 [channels, n_frames]; interleaved samples are ``x.reshape(-1, channels).T``.

    Returns:
        float32 [n_frames], contiguous; of a single channel perhaps a view.
    """
    if len(planes) == 1:
        return np.ascontiguousarray(planes[0])
    # Channel by channel: how NumPy orders a sum over an axis may depend on the number of frames.
    total: npt.NDArray[np.float32] = planes[0].copy()
    for plane in planes[1:]:
        total += plane
    total *= np.float32(1.0 / len(planes))
    return total


def mulaw_table() -> npt.NDArray[np.float32]:
    """What each mu-law byte stands for. Source: ITU-T G.711 (1988), table 2a.

    The bits are sent inverted: sign, three bits of segment, four bits of step. Segment s has steps
    of 2**(s + 3) in 16-bit units, and all values are shifted by the bias of 33 * 4.
    """
    code = ~np.arange(256, dtype=np.uint8)
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    magnitude = (((step << 3) + 132) << segment) - 132
    return _scaled(np.where(code & 128, -magnitude, magnitude))


def alaw_table() -> npt.NDArray[np.float32]:
    """What each A-law byte stands for. Source: ITU-T G.711 (1988), table 1a.

    Every second bit is sent inverted: sign, three bits of segment, four bits of step. Segments 0
    and 1 share steps of 16 in 16-bit units, each later one doubles them; values are mid-step.
    """
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    linear = (step << 4) + 8
    magnitude = np.where(segment == 0, linear, (linear + 256) << np.maximum(segment - 1, 0))
    return _scaled(np.where(code & 128, magnitude, -magnitude))


def _scaled(values: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32) * np.float32(2.0**-15)


MULAW = mulaw_table()
ALAW = alaw_table()
