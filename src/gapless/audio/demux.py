"""Open sound in any usual container, whoever made it, and decode it frame by frame.

In: a binary file object. Out: mono float32 blocks at the file's own rate, and what the file says
about itself. Invariants: nothing but the given object is ever read: FFmpeg may use only the
demuxers of ``FORMATS``, none of which follows playlists, and no protocol at all. Damaged packets
are left out and a cut-off end is an end, as with FFmpeg's own tools; no sound at all is an error.
Thread: one at a time a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO, Final, Protocol

import av
import msgspec
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from gapless.audio.finite import finite
from gapless.audio.types import Samples
from gapless.dsp.pcm import mix_down
from gapless.errors import InvalidAudioError, UnsupportedAudioError

FORMATS: Final = (
    "wav",
    "w64",
    "aiff",
    "au",
    "caf",
    "flac",
    "ogg",
    "mp3",
    "aac",
    "amr",
    "mov",
    "matroska",
    "avi",
    "asf",
)
"""FFmpeg's names of the demuxers that may be used. Each reads one file and opens no other."""

SAFE: Final = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}

LIVE: Final = {"formatprobesize": "65536", "probesize": "65536", "analyzeduration": "500000"}
"""Bytes and microseconds after which what is not recognised is refused, or taken as it is."""

USUAL: Final = "wav, flac, ogg, opus, mp3, m4a or webm"

MIN_FILE_RATE_HZ: Final = 4_000
MAX_FILE_RATE_HZ: Final = 384_000

FULL_SCALE: Final = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
"""Value of full scale in FFmpeg's integer sample formats."""


class Readable(Protocol):
    """The one thing that is asked of a source; ``seek`` and ``tell`` are used where they exist."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


class AudioInfo(msgspec.Struct, frozen=True):
    """What a file says about its sound."""

    duration_ms: int | None
    """None where the file does not say: streams, and recordings of browsers."""
    codec: str
    rate_hz: int
    channels: int


class Sound:
    """The sound track of an open file; see ``open_sound``."""

    def __init__(self, container: InputContainer, name: str) -> None:
        self._container = container
        self._name = name
        track = container.streams.best("audio")
        if not isinstance(track, AudioStream):
            raise UnsupportedAudioError(f"{name} has no sound track; send {USUAL}", param="file")
        if track.codec_context is None or not track.codec_context.sample_rate:
            raise UnsupportedAudioError(
                f"the sound of {name} has a codec that cannot be decoded; convert it to {USUAL}",
                param="file",
            )
        require_sane_rate(track.codec_context.sample_rate, name)
        self._track = track

    @property
    def info(self) -> AudioInfo:
        """What the file says about its sound."""
        if self._track.duration is not None and self._track.time_base is not None:
            duration_ms = round(self._track.duration * self._track.time_base * 1000)
        elif self._container.duration is not None:
            duration_ms = round(self._container.duration * 1000 / av.time_base)
        else:
            duration_ms = None
        codec = self._track.codec_context
        return AudioInfo(
            duration_ms, codec.codec.canonical_name, codec.sample_rate, codec.layout.nb_channels
        )

    def blocks(self) -> Iterator[tuple[Samples, int]]:
        """Decode: mono samples and their rate, a codec's frame at a time.

        Raises:
            InvalidAudioError: nothing could be decoded, or a sample is not a finite number.
            UnsupportedAudioError: the rate is absurd.
        """
        heard = False
        for packet in self._packets():
            try:
                frames = self._track.decode(packet)
            except av.FFmpegError:
                continue  # A damaged packet. Those around it stand.
            for frame in frames:
                heard = True
                require_sane_rate(frame.sample_rate, self._name)
                yield finite(mono(frame)), frame.sample_rate
        if not heard:
            kept_last = self._container.format.name.startswith("mov")
            hint = " (its index is at its end: it cannot be read as a stream)" if kept_last else ""
            raise InvalidAudioError(
                f"{self._name} holds no sound that can be decoded{hint}; send it whole, as {USUAL}",
                param="file",
            )

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        try:
            yield from self._container.demux(self._track)
        except av.FFmpegError:
            return  # A cut-off or damaged end. What came before it stands.


@contextmanager
def open_sound(source: BinaryIO | Readable, name: str, *, live: bool = False) -> Iterator[Sound]:
    """Find out what ``source`` is and make it ready to be decoded. ``source`` is not closed.

    Args:
        source: read from where it stands.
        name: what to call it in messages.
        live: decide early from the first bytes, because they come at the pace of speech.

    Raises:
        InvalidAudioError: not audio, or damaged before the first sound.
        UnsupportedAudioError: a kind of file that is not read, or one without sound.
    """
    options = SAFE | LIVE if live else SAFE
    try:
        container = av.open(source, mode="r", options=options, metadata_errors="replace")
    except av.ArgumentError as error:
        raise UnsupportedAudioError(
            f"{name} is of a kind that is not read; send {USUAL}", param="file"
        ) from error
    except av.FFmpegError as error:
        raise InvalidAudioError(
            f"{name} is not audio, or its beginning is damaged; send {USUAL}", param="file"
        ) from error
    with closing(container):
        yield Sound(container, name)


def require_sane_rate(rate_hz: int, name: str) -> None:
    """Refuse rates that no recorder has: at 1 Hz a small file would fill days and the memory.

    Raises:
        UnsupportedAudioError: the rate is below ``MIN_FILE_RATE_HZ`` or above ``MAX_FILE_RATE_HZ``.
    """
    if not MIN_FILE_RATE_HZ <= rate_hz <= MAX_FILE_RATE_HZ:
        raise UnsupportedAudioError(
            f"{name} has a sample rate of {rate_hz} Hz; convert it to one between "
            f"{MIN_FILE_RATE_HZ} and {MAX_FILE_RATE_HZ} Hz",
            param="file",
        )


def mono(frame: av.AudioFrame) -> Samples:
    """The mean of all channels of a decoded frame, as float32 [n_samples]."""
    planes = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        planes = planes.reshape(-1, channels).T
    kind = frame.format.packed.name
    if kind in FULL_SCALE:
        middle = 128.0 if kind == "u8" else 0.0
        planes = (planes - np.float32(middle)) / np.float32(FULL_SCALE[kind])
    return mix_down(planes.astype(np.float32, copy=False))
