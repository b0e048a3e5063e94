"""A whole recording through the listener, as a stream of events with progress.

In: a file or a path, and a listener made for it. Out: listener events and ``Progress`` as they come, one ``Transcript``
at the end. Invariants: memory does not grow with the recording, but for its words; every utterance is in the transcript
or the recording fails. Thread: the caller's; blocks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from gapless.audio.files import open_audio
from gapless.audio.types import LISTEN_RATE_HZ
from gapless.errors import AudioTooLongError
from gapless.listen.events import Failed, Final, ListenEvent
from gapless.listen.listener import Listener, settle
from gapless.transcript import Transcript, Utterance

BLOCK_SAMPLES = 8_000
"""Samples at 16 kHz that are heard between two reports of progress, where nobody says otherwise."""


class Progress(msgspec.Struct, frozen=True):
    """How much of the recording has been heard."""

    heard_ms: int
    duration_ms: int | None
    """None where the file does not say."""


RecordingEvent: TypeAlias = ListenEvent | Progress | Transcript


def hear_recording(
    source: Path | BinaryIO,
    listener: Listener,
    max_ms: int | None = None,
    *,
    block_samples: int = BLOCK_SAMPLES,
) -> Generator[RecordingEvent, None, None]:
    """Decode ``source`` and listen to all of it; the listener is closed at the end, however it comes.

    Args:
        source: a recording of any usual kind.
        listener: made for it.
        max_ms: longest recording that is heard.
        block_samples: at 16 kHz, heard in one go: more are a little cheaper, and keep others waiting longer.

    Raises:
        InvalidAudioError, UnsupportedAudioError: ``source`` is no audio file that can be read.
        AudioTooLongError: it is longer than ``max_ms``; checked before decoding where the file says its length.
        ModelError: an utterance could not be recognised.
    """
    rate_hz = listener.options.rate_hz
    utterances: list[Utterance] = []
    with closing(listener), open_audio(source) as audio:
        duration_ms = audio.info.duration_ms
        _check_length(duration_ms, max_ms)
        for block in audio.blocks(rate_hz, block_samples=block_samples * rate_hz // LISTEN_RATE_HZ):
            yield from _collect(settle(listener, listener.accept(block)), utterances)
            _check_length(listener.received_ms, max_ms)
            yield Progress(listener.processed_ms, duration_ms)
        yield from _collect(settle(listener, listener.flush()), utterances)
        yield Progress(listener.received_ms, listener.received_ms)
        yield Transcript(
            tuple(utterances),
            duration_ms=listener.received_ms,
            model=listener.model,
            language=_common_language(utterances) or listener.options.recognise.language,
        )


def _collect(events: Iterator[ListenEvent], utterances: list[Utterance]) -> Iterator[ListenEvent]:
    for event in events:
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Final):
            utterances.append(event.utterance)
        yield event


def _check_length(length_ms: int | None, max_ms: int | None) -> None:
    if max_ms is not None and length_ms is not None and length_ms > max_ms:
        raise AudioTooLongError(
            f"the recording is longer than the {max_ms / 60_000:g} minutes that this server accepts; "
            "split it, or raise max_file_ms",
            param="file",
        )


def _common_language(utterances: list[Utterance]) -> str | None:
    """The language that most of the speech is in."""
    spoken_ms: dict[str, int] = {}
    for utterance in utterances:
        if utterance.language is not None:
            length_ms = utterance.end_ms - utterance.start_ms
            spoken_ms[utterance.language] = spoken_ms.get(utterance.language, 0) + length_ms
    return max(spoken_ms, key=spoken_ms.__getitem__, default=None)
