"""A file of sound as one array, mono or stereo, at the engine's rate.

In: a path. Out: float32 [n, channels]. Invariants: more than two channels are mixed to two; no more is decoded than
may be kept; as with all files, only FFmpeg's demuxers of ``FORMATS`` are used, and no protocol. Thread: any; blocks.
"""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.audio.stream import AudioStream
from av.container import InputContainer

from gapless.audio.demux import SAFE, require_sane_rate
from gapless.audio.files import readable
from gapless.audio.finite import finite
from gapless.errors import AudioTooLongError, InvalidAudioError

SAMPLE_BYTES: Final = 4
ADVICE: Final = "convert it to wav or flac, or take it out of the folder"


def read_sound(path: Path, rate_hz: int, max_bytes: int) -> npt.NDArray[np.float32]:
    """Decode a whole file and convert it to a rate.

    Args:
        path: of the file.
        rate_hz: of the result.
        max_bytes: the result may have.

    Returns:
        float32 [n, 1] or [n, 2], n at least 1. A damaged end is left out.

    Raises:
        NotFoundError: no file at that path.
        InvalidAudioError: no sound can be decoded, or a sample is not a finite number.
        UnsupportedAudioError: its rate is absurd.
        AudioTooLongError: it has more than ``max_bytes``.
    """
    with readable(path) as (file, name):
        try:
            container = av.open(file, mode="r", options=SAFE, metadata_errors="replace")
        except av.FFmpegError as error:
            raise InvalidAudioError(f"{name} is not sound that can be read; {ADVICE}") from error
        with closing(container):
            samples, in_hz = decode(container, name, rate_hz, max_bytes)
    if in_hz != rate_hz:
        samples = soxr.resample(samples, in_hz, rate_hz)
    if not len(samples):
        raise InvalidAudioError(f"{name} is empty; {ADVICE}")
    return np.ascontiguousarray(samples, np.float32)


def decode(
    container: InputContainer, name: str, rate_hz: int, max_bytes: int
) -> tuple[npt.NDArray[np.float32], int]:
    """The best sound track: float32 [n, channels] and its own rate; see ``read_sound``."""
    track = cast("AudioStream | None", container.streams.best("audio"))
    if track is None or track.codec_context is None or not track.codec_context.sample_rate:
        raise InvalidAudioError(f"{name} has no sound that can be decoded; {ADVICE}")
    in_hz = track.codec_context.sample_rate
    require_sane_rate(in_hz, name)
    channels = 1 if track.codec_context.layout.nb_channels == 1 else 2
    mixer = av.AudioResampler("flt", "mono" if channels == 1 else "stereo", in_hz)
    most_frames = int(max_bytes // (SAMPLE_BYTES * channels) / Fraction(rate_hz, in_hz))
    blocks: list[npt.NDArray[np.float32]] = []
    n_frames = 0
    try:
        for packet in container.demux(track):
            try:
                frames = track.decode(packet)
            except av.FFmpegError:
                continue  # A damaged packet. Those around it stand.
            for frame in frames:
                for mixed in mixer.resample(frame):
                    block = np.asarray(mixed.to_ndarray(), np.float32)
                    blocks.append(block.reshape(-1, channels))
                    n_frames += len(blocks[-1])
            if n_frames > most_frames:
                raise AudioTooLongError(
                    f"{name} takes more memory than is left to sounds ({max_bytes / 1e6:.0f} MB); "
                    "shorten it, or allow more"
                )
    except av.FFmpegError:
        pass  # A cut-off or damaged end. What came before it stands.
    except ValueError as error:
        if isinstance(error, AudioTooLongError):
            raise
        raise InvalidAudioError(f"{name} changes its format midway; {ADVICE}") from error
    if not n_frames:
        raise InvalidAudioError(f"{name} holds no sound; {ADVICE}")
    whole = np.concatenate(blocks)
    return finite(whole.ravel()).reshape(whole.shape), in_hz
