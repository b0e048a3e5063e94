"""Read and write audio files of every usual kind, in bounded memory.

In: a path or a binary file object (seekable or not), or blocks to write. Out: mono float32 blocks at
the asked rate, or a file, mono or stereo. Invariants: never more than a few blocks in memory; a file is written
whole or not at all. Thread: the caller's; calls block.

A cut-off or partly damaged file gives what can be decoded, as with FFmpeg's own tools; one that
holds no sound at all is an error.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream

from gapless.audio.demux import Sound, open_sound
from gapless.audio.finite import finite
from gapless.audio.types import Samples
from gapless.errors import (
    AudioError,
    GaplessError,
    InvalidAudioError,
    NotFoundError,
    UnsupportedAudioError,
)

KINDS: Final = {
    ".wav": ("wav", "pcm_s16le"),
    ".flac": ("flac", "flac"),
    ".ogg": ("ogg", "libopus"),
    ".opus": ("ogg", "libopus"),
    ".mp3": ("mp3", "libmp3lame"),
    ".m4a": ("ipod", "aac"),
    ".webm": ("webm", "libopus"),
}
"""File name extensions that can be written: FFmpeg's names of container and codec."""

BLOCK_SAMPLES: Final = 16_000


class AudioFile:
    """An open file: what it says about its sound, and the sound. Made by ``open_audio``."""

    def __init__(self, sound: Sound) -> None:
        self.info: Final = sound.info
        self._sound = sound

    def blocks(self, rate_hz: int, *, block_samples: int = BLOCK_SAMPLES) -> Iterator[Samples]:
        """Decode to mono blocks of ``block_samples`` at ``rate_hz``; the last may be shorter. Once.

        Raises:
            InvalidAudioError: no sound can be decoded, or a sample is not a finite number.
        """
        return reblock(resample(self._sound.blocks(), rate_hz), block_samples)


@contextmanager
def open_audio(source: Path | BinaryIO) -> Iterator[AudioFile]:
    """Open a file to ask about it and to decode it, in one go: the source need not be seekable.

    Raises:
        NotFoundError: no file at that path.
        InvalidAudioError: not audio, or damaged before the first sound.
        UnsupportedAudioError: a kind of file that is not read, or one without sound.
    """
    with readable(source) as (file, name), open_sound(file, name) as sound:
        yield AudioFile(sound)


def read_audio(
    source: Path | BinaryIO, rate_hz: int, *, block_samples: int = BLOCK_SAMPLES
) -> Iterator[Samples]:
    """Open a file and decode it; see ``open_audio`` and ``AudioFile.blocks``."""
    with open_audio(source) as audio:
        yield from audio.blocks(rate_hz, block_samples=block_samples)


def write_audio(
    path: Path, blocks: Iterable[Samples], rate_hz: int, *, stereo: bool = False
) -> int:
    """Encode blocks to the kind of file that the extension names, as they come.

    The file appears at ``path``, over one that may be there, once it is complete. Rates that a codec
    does not know are resampled to the next one it does.

    Args:
        path: ends in one of ``KINDS``.
        blocks: float32 [n], of stereo [n, 2], -1..1; louder samples are clipped by codecs of integers.
        rate_hz: their rate.
        stereo: two channels, left and right.

    Returns:
        Number of samples taken from ``blocks``.

    Raises:
        UnsupportedAudioError: the extension is not one of ``KINDS``.
        InvalidAudioError: a sample is NaN or infinite.
        AudioError: the file cannot be written.
    """
    if path.suffix.lower() not in KINDS:
        raise UnsupportedAudioError(
            f"cannot write {path.name}: name a file that ends in {', '.join(KINDS)}", param="path"
        )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            n_samples = encode(file, path.suffix.lower(), blocks, rate_hz, stereo=stereo)
        draft.replace(path)
    except GaplessError:
        raise
    except OSError as error:
        raise AudioError(
            f"cannot write {path}: {error.strerror or error}; choose another folder, or make room",
            param="path",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return n_samples


@contextmanager
def readable(source: Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """The source as an open file and what to call it. Only a file opened here is closed.

    Raises:
        NotFoundError: no file at that path.
        InvalidAudioError: it cannot be opened.
    """
    if not isinstance(source, Path):
        yield source, "the file"
        return
    try:
        file = source.open("rb")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {source}; check its name", param="path") from error
    except OSError as error:
        raise InvalidAudioError(
            f"{source} cannot be read: {error.strerror}; name an audio file", param="path"
        ) from error
    with file:
        yield file, source.name


def resample(sound: Iterable[tuple[Samples, int]], out_hz: int) -> Iterator[Samples]:
    """Bring blocks of any rates to one rate, with soxr at high quality; no shift in time."""
    in_hz, stream = out_hz, None
    nothing = np.empty(0, np.float32)
    for samples, rate_hz in sound:
        if rate_hz != in_hz:
            if stream is not None:
                yield stream.resample_chunk(nothing, last=True)
            in_hz = rate_hz
            nothing = np.empty((0, *samples.shape[1:]), np.float32)
            channels = samples.shape[1] if samples.ndim > 1 else 1
            same = in_hz == out_hz
            stream = None if same else soxr.ResampleStream(in_hz, out_hz, channels, dtype="float32")
        yield samples if stream is None else stream.resample_chunk(samples)
    if stream is not None:
        yield stream.resample_chunk(nothing, last=True)


def reblock(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """The same samples in blocks of ``size``; the last may be shorter, none is empty."""
    waiting: list[Samples] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block)
        n_waiting += len(block)
        if n_waiting >= size:
            joined = np.concatenate(waiting)
            whole = n_waiting - n_waiting % size
            for start in range(0, whole, size):
                yield joined[start : start + size].copy()
            waiting, n_waiting = [joined[whole:]], n_waiting - whole
    if n_waiting:
        yield np.concatenate(waiting)


def encode(
    file: BinaryIO, extension: str, blocks: Iterable[Samples], rate_hz: int, *, stereo: bool = False
) -> int:
    """Write all blocks to an open, seekable file. Returns the number of samples taken."""
    container_name, codec_name = KINDS[extension]
    out_hz = encoder_rate_hz(codec_name, rate_hz)
    layout = "stereo" if stereo else "mono"
    taken = 0

    def counted() -> Iterator[tuple[Samples, int]]:
        nonlocal taken
        for block in blocks:
            taken += len(block)
            yield finite(block), rate_hz

    with av.open(file, "w", format=container_name) as container:
        stream = container.add_stream(codec_name, rate=out_hz, layout=layout)
        track = cast("AudioStream", stream)
        container.start_encoding()
        position = 0
        for block in reblock(resample(counted(), out_hz), BLOCK_SAMPLES):
            planes = np.ascontiguousarray(np.atleast_2d(block.T))
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
            frame.sample_rate = out_hz
            frame.pts = position
            position += len(block)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return taken


def encoder_rate_hz(codec_name: str, rate_hz: int) -> int:
    """The lowest rate of the codec that loses nothing of ``rate_hz``, or its highest."""
    rates = av.Codec(codec_name, "w").audio_rates
    if rates is None or rate_hz in rates:
        return rate_hz
    return min((rate for rate in rates if rate > rate_hz), default=max(rates))
