"""The Python interface: a recording to a transcript, live audio to events, in this process.

In: a path, or blocks of samples. Out: a ``Transcript``, or ``ListenEvent``s as they happen.
Invariants: one engine serves the whole process, made when it is first needed and closed at exit; whoever wants other
settings makes an ``Engine`` and passes it. Thread: any; calls block while they hear.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from gapless.audio.format import AudioFormat
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.engine import Engine
from gapless.errors import InvalidAudioError, UnsupportedAudioError
from gapless.listen.events import ListenEvent
from gapless.listen.listener import ListenOptions, settle
from gapless.listen.recording import Progress
from gapless.settings import load_settings
from gapless.transcript import Transcript

_default_engine: Engine | None = None
_default_engine_lock = threading.Lock()
"""Guards the making of ``_default_engine``."""


def transcribe(
    source: str | PathLike[str] | BinaryIO,
    *,
    model: str | None = None,
    language: str | None = None,
    denoise: float | None = None,
    words: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    engine: Engine | None = None,
) -> Transcript:
    """Hear a whole recording.

    Args:
        source: a file of any usual kind (wav flac ogg opus mp3 m4a webm), or its bytes as an open file.
        model: a name from ``gapless models list`` or the path of a model directory; None: the setting ``model``.
        language: ISO 639-1 code; None: the setting ``language``.
        denoise: amount of noise removed first, 0..1; None: the setting ``denoise``.
        words: find the words' times and confidences too.
        on_progress: called after each half second of audio; what it raises ends the call.
        engine: None: one that this process shares, with settings from ``GAPLESS_*`` variables.

    Raises:
        NotFoundError: there is no such file.
        InvalidAudioError, UnsupportedAudioError: it is no audio file that can be read.
        ModelNotFoundError: no such model here.
        ModelError: the model failed.
    """
    engine = engine or default_engine()
    options = _options(engine, language=language, denoise=denoise, words=words, partials=False)
    recording = Path(source) if isinstance(source, str | PathLike) else source
    with closing(engine.transcribe(recording, model, options, allow_paths=True)) as events:
        for event in events:
            if isinstance(event, Transcript):
                return event
            if isinstance(event, Progress) and on_progress is not None:
                on_progress(event)
    raise AssertionError("a recording ends with its transcript")


def listen(
    blocks: Iterable[Samples],
    *,
    rate_hz: int = LISTEN_RATE_HZ,
    model: str | None = None,
    language: str | None = None,
    denoise: float | None = None,
    words: bool = True,
    partials: bool = True,
    engine: Engine | None = None,
) -> Generator[ListenEvent, None, None]:
    """Hear live audio.

    Args:
        blocks: float32 [n_samples] mono in -1..1, in any split; their end ends the stream.
        rate_hz: samples a second of the blocks, 8000..48000.
        model: as in ``transcribe``.
        language: as in ``transcribe``.
        denoise: as in ``transcribe``.
        words: find the words' times and confidences too.
        partials: report what has been understood while speech goes on.
        engine: as in ``transcribe``.

    Yields:
        ``SpeechStart``, ``Partial``, ``SpeechEnd``, ``Final`` and ``Failed`` in the order they happen. Close the
        iterator to stop early; that frees the model's place.

    Raises:
        UnsupportedAudioError: a block that is not mono float32, or a rate out of range.
        InvalidAudioError: a block with a sample that is not a number.
        ModelNotFoundError: no such model here.
    """
    engine = engine or default_engine()
    options = _options(engine, language=language, denoise=denoise, words=words, partials=partials)
    options = msgspec.structs.replace(options, rate_hz=AudioFormat("pcm_f32le", rate_hz).rate_hz)
    listener = engine.open_listener(model, options, allow_paths=True)
    try:
        for block in blocks:
            yield from settle(listener, listener.accept(_checked(block)))
        yield from settle(listener, listener.flush())
    finally:
        listener.close()


def default_engine() -> Engine:
    """The engine that this process shares, with settings from ``GAPLESS_*`` variables; nothing is kept in a store.

    Raises:
        ConfigError: one of the variables is not usable.
    """
    global _default_engine  # noqa: PLW0603 - one for the process is the point
    with _default_engine_lock:
        if _default_engine is None:
            _default_engine = Engine(load_settings().settings)
            atexit.register(_default_engine.close)
        return _default_engine


def _options(
    engine: Engine, *, language: str | None, denoise: float | None, words: bool, partials: bool
) -> ListenOptions:
    options = engine.listen_options
    recognise = msgspec.structs.replace(
        options.recognise,
        language=options.recognise.language if language is None else language,
        words=words,
        partials=partials,
    )
    return msgspec.structs.replace(
        options,
        denoise=options.denoise if denoise is None else denoise,
        recognise=recognise,
    )


def _checked(block: Samples) -> Samples:
    if not isinstance(block, np.ndarray) or block.dtype != np.float32:
        kind = block.dtype if isinstance(block, np.ndarray) else type(block).__name__
        raise UnsupportedAudioError(
            f"a block is {kind}; pass NumPy arrays of float32 in -1..1 (int16: `(x / 32768).astype('float32')`)",
            param="blocks",
        )
    if block.ndim != 1:
        raise UnsupportedAudioError(
            f"a block has the shape {block.shape}; pass one channel, such as `block.mean(axis=1)`",
            param="blocks",
        )
    if not np.isfinite(block).all():
        raise InvalidAudioError(
            "a block holds samples that are not finite; repair its source, or use `numpy.nan_to_num(block)`",
            param="blocks",
        )
    return block
