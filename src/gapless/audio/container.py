"""Decode a file that arrives in pieces: Ogg, WebM, MP3, FLAC, WAV and so on, found by their bytes.

In: bytes of one file, in any split. Out: mono float32 samples at 48 kHz. Invariants: the output
does not depend on the split; ``process`` returns when the demuxer has used up its bytes and asks for
more, so nothing runs between calls; memory is bounded by ``MAX_BLOCK_S``; the private thread ends
with ``flush``, ``reset``, ``close`` or the decoder itself. Bytes behind the end of the file are
ignored. Thread: one at a time.

FFmpeg's demuxers pull, a stream pushes. So the demuxer runs on a thread of its own, and the two take
turns: exactly one of them runs at any moment.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Final

import numpy as np

from gapless.audio.demux import Readable, open_sound
from gapless.audio.format import DECODED_RATE_HZ
from gapless.audio.resample import Resampler
from gapless.audio.types import Samples
from gapless.errors import AudioTooLongError

MAX_BLOCK_S: Final = 600
"""Most audio that one block of bytes may decode to; more is refused as a decompression bomb."""


class ContainerDecoder:
    """Decodes one file as it arrives."""

    def __init__(self) -> None:
        self._turns: Turns | None = None
        self._thread: threading.Thread | None = None
        """The demuxer at work; None until the first bytes come."""

    @property
    def latency_samples(self) -> int:
        """Bytes are held back as the file's maker decided, whole samples are not."""
        return 0

    def process(self, block: bytes) -> Samples:
        """Hand over the next bytes, return what could be decoded so far.

        Raises:
            InvalidAudioError: not audio, or damaged beyond use.
            UnsupportedAudioError: a kind of file that is not read, or one without sound.
            AudioTooLongError: the block holds more than ``MAX_BLOCK_S`` of audio.
        """
        if not block:
            return np.empty(0, np.float32)
        if self._turns is None:
            self._turns = Turns()
            self._thread = threading.Thread(
                target=run_demuxer, args=(self._turns,), name="demuxer", daemon=True
            )
            self._thread.start()
            self._abandon = weakref.finalize(self, self._turns.abandon)
        return self._turns.give(block)

    def flush(self) -> Samples:
        """Return what is left. Errors as for ``process``, unless sound came before them."""
        return np.empty(0, np.float32) if self._turns is None else self._turns.give(b"")

    def reset(self) -> None:
        """Forget the file; another may begin."""
        self.close()

    def close(self) -> None:
        """End the thread. Idempotent."""
        if self._thread is not None:
            self._abandon()
            self._thread.join()
            self._turns = self._thread = None


class Turns:
    """Where pusher and puller meet. ``_lock`` guards all fields; who waits has given up its turn."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._bytes = b""
        """Given, not yet read."""
        self._ended = False
        """No more bytes will be given."""
        self._hungry = False
        """The demuxer waits for bytes."""
        self._done = False
        """The demuxer has stopped and will not read again."""
        self._abandoned = False
        """What is decoded is of no more use."""
        self._decoded: list[Samples] = []
        """Not yet returned."""
        self._decoded_samples = 0
        self._error: Exception | None = None
        """What stopped the demuxer."""

    # --- the pusher's side ---

    def give(self, block: bytes) -> Samples:
        """Let the demuxer use ``block`` up (none: the end), and return what it decoded.

        An error is raised once all that was decoded before it has been returned.
        """
        with self._lock:
            self._bytes = b"" if self._done else self._bytes + block
            self._ended = self._ended or not block
            self._hungry = False
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._hungry or self._done)
            decoded, self._decoded, self._decoded_samples = self._decoded, [], 0
            if self._error is not None and not decoded:
                raise self._error
        return np.concatenate([np.empty(0, np.float32), *decoded])

    def abandon(self) -> None:
        """Let the demuxer find an end wherever it is. Waits for nothing, so finalizers may call."""
        with self._lock:
            self._bytes = b""
            self._ended = self._abandoned = True
            self._lock.notify_all()

    # --- the demuxer's side ---

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; waits for them; none at the end."""
        with self._lock:
            if not self._bytes and not self._ended:
                self._hungry = True
                self._lock.notify_all()
                self._lock.wait_for(lambda: bool(self._bytes) or self._ended)
            piece, self._bytes = self._bytes[:size], self._bytes[size:]
            return piece

    def take(self, samples: Samples) -> bool:
        """Keep decoded samples for the pusher; false if it wants no more.

        Raises:
            AudioTooLongError: more than ``MAX_BLOCK_S`` wait already.
        """
        with self._lock:
            if len(samples) and not self._abandoned:
                self._decoded.append(samples)
                self._decoded_samples += len(samples)
            if self._decoded_samples > MAX_BLOCK_S * DECODED_RATE_HZ:
                raise AudioTooLongError(
                    f"one block of bytes holds more than {MAX_BLOCK_S} s of audio; "
                    "send smaller blocks"
                )
            return not self._abandoned

    def stop(self, error: Exception | None) -> None:
        """The demuxer will not read again."""
        with self._lock:
            self._bytes = b""
            self._error = error
            self._done = True
            self._lock.notify_all()


def run_demuxer(turns: Turns) -> None:
    """The private thread: decode until the end, an error, or nobody wants more."""
    error: Exception | None = None
    try:
        for samples in decode(turns):
            if not turns.take(samples):
                break
    except Exception as caught:  # noqa: BLE001  raised again where the decoder is called
        error = caught
    finally:
        turns.stop(error)


def decode(source: Readable) -> Iterator[Samples]:
    """Mono samples at 48 kHz of a file that is read from front to back."""
    file_hz, resampler = 0, Resampler(DECODED_RATE_HZ, DECODED_RATE_HZ)
    with open_sound(source, "the stream", live=True) as sound:
        for samples, rate_hz in sound.blocks():
            if rate_hz != file_hz:
                yield resampler.flush()
                file_hz, resampler = rate_hz, Resampler(rate_hz, DECODED_RATE_HZ)
            yield resampler.process(samples)
        yield resampler.flush()
