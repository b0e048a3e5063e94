"""One recording of a job through the listener.

In: a task and the bytes of its recording. Out: the events of ``hear_recording``, utterances named on from those that an
earlier attempt kept. Invariants: an attempt that was cut off and the one that goes on give the words that one alone
gives; names count the utterances that hold words, so both agree on them. Thread: the caller's; each step blocks.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import BinaryIO, Protocol

from msgspec.structs import replace

from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ
from gapless.infer.inference import Inference
from gapless.listen.events import Final as FinalEvent
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Recogniser
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recording import RecordingEvent, hear_recording
from gapless.listen.resume import ResumedListener
from gapless.store.queue import JobOptions, Task


class Ears(Protocol):
    """The engine, as workers see it."""

    @property
    def inference(self) -> Inference:
        """Runs the voice detector."""
        ...

    @property
    def listen_options(self) -> ListenOptions:
        """How a recording is heard where nothing else is asked for."""
        ...

    def recogniser(self, name: str | None = None) -> Recogniser:
        """The recogniser of that name, or the default; blocks while it loads.

        Raises:
            ModelNotFoundError: no such model here.
        """
        ...

    def default_model(self) -> Choice:
        """The recogniser that is used where none is asked for."""
        ...


def hear_task(
    ears: Ears, task: Task, source: BinaryIO, *, max_ms: int
) -> Generator[RecordingEvent, None, None]:
    """Hear what is left of a recording. The transcript at the end has only that.

    Raises:
        ModelNotFoundError: no such model here.
        ProtocolError: the model does not know the language.
        InvalidAudioError, UnsupportedAudioError: ``source`` is no audio file that can be read.
        AudioTooLongError: it is longer than ``max_ms``.
        ModelError: an utterance could not be recognised.
    """
    options = options_of(ears.listen_options, task.options)
    recogniser = ears.recogniser(task.options.model)
    if task.resume_ms:
        listener: Listener = ResumedListener(options, recogniser, ears.inference, task.resume_ms)
    else:
        listener = Listener(options, recogniser, ears.inference)
    known = task.utterances
    with closing(hear_recording(source, listener, max_ms)) as events:
        for event in events:
            if isinstance(event, FinalEvent):
                known += 1
                named = replace(event.utterance, utt=f"u{known}")
                yield replace(event, utterance=named)
            else:
                yield event


def options_of(default: ListenOptions, asked: JobOptions) -> ListenOptions:
    """How to hear a recording of a job: behind all live speech, and without partial results."""
    denoise = default.denoise if asked.denoise is None else asked.denoise
    recognise = replace(
        default.recognise,
        language=asked.language or default.recognise.language,
        prompt=asked.prompt or default.recognise.prompt,
        partials=False,
        bulk=True,
    )
    return replace(
        default,
        denoise=denoise,
        rate_hz=DENOISE_RATE_HZ if denoise else LISTEN_RATE_HZ,
        recognise=recognise,
    )
