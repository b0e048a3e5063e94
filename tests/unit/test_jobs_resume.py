"""A recording that is heard on from the end of an utterance gives what one hearing gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from gapless.audio.types import DENOISE_RATE_HZ, Samples
from gapless.engine import Engine
from gapless.errors import ModelError
from gapless.infer.inference import Inference
from gapless.listen.events import (
    Empty,
    Failed,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
)
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Recogniser
from gapless.listen.recording import Progress, hear_recording
from gapless.listen.resume import ResumedListener, later
from gapless.listen.segment import SegmentOptions
from gapless.settings import Settings
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.transcript import Transcript, Utterance, Word

LoadSpeech = Callable[[str], Samples]

NAMES = (
    "utterances.flac",
    "two_voices.flac",
    "news.flac",
    "pink_5db.flac",
    "white_10db.flac",
    "stereo_44k1.flac",
    "telephone.wav",
)


def hear(
    path: Path,
    options: ListenOptions,
    recogniser: Recogniser,
    inference: Inference,
    start_ms: int = 0,
) -> tuple[list[Progress], Transcript]:
    listener = Listener(options, recogniser, inference)
    if start_ms:
        listener.close()
        listener = ResumedListener(options, recogniser, inference, start_ms)
    *events, transcript = hear_recording(path, listener)
    assert isinstance(transcript, Transcript)
    return [event for event in events if isinstance(event, Progress)], transcript


def unnamed(utterances: tuple[Utterance, ...]) -> list[Utterance]:
    return [replace(utterance, utt="") for utterance in utterances]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_it_says_the_same_from_every_utterance_on(
    speech_dir: Path, inference: Inference, name: str
) -> None:
    recogniser = ScriptedRecogniser()
    options = ListenOptions()
    _, whole = hear(speech_dir / name, options, recogniser, inference)
    assert whole.utterances
    for done, utterance in enumerate(whole.utterances, start=1):
        progress, rest = hear(speech_dir / name, options, recogniser, inference, utterance.end_ms)
        assert unnamed(rest.utterances) == unnamed(whole.utterances[done:])
        assert rest.duration_ms == whole.duration_ms
        heard = [report.heard_ms for report in progress]
        assert heard == sorted(heard)
        assert heard[-1] == whole.duration_ms


@pytest.mark.long
def test_speech_that_was_cut_because_it_is_long_is_heard_on_at_the_cut(
    speech_dir: Path, inference: Inference
) -> None:
    options = ListenOptions(segment=SegmentOptions(max_utterance_ms=1000))
    recogniser = ScriptedRecogniser()
    _, whole = hear(speech_dir / "utterances.flac", options, recogniser, inference)
    assert len(whole.utterances) > 6
    for done, utterance in enumerate(whole.utterances, start=1):
        _, rest = hear(
            speech_dir / "utterances.flac", options, recogniser, inference, utterance.end_ms
        )
        assert [u.start_ms for u in rest.utterances] == [
            u.start_ms for u in whole.utterances[done:]
        ]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(Settings(save=False, models_dir="/nowhere")) as engine:
        yield engine


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "model", "denoise"),
    [
        *((name, "commands-en", 0.0) for name in NAMES),
        ("two_voices.flac", "commands-en", 0.8),
        ("news.flac", "pocketsphinx", 0.0),
        ("white_10db.flac", "pocketsphinx", 0.0),
    ],
)
def test_real_recognisers_hear_the_same_words(
    speech_dir: Path, engine: Engine, name: str, model: str, denoise: float
) -> None:
    options = ListenOptions()
    if denoise:
        options = ListenOptions(rate_hz=DENOISE_RATE_HZ, denoise=denoise)
    recogniser = engine.recogniser(model)
    _, whole = hear(speech_dir / name, options, recogniser, engine.inference)
    for done, utterance in enumerate(whole.utterances, start=1):
        _, rest = hear(speech_dir / name, options, recogniser, engine.inference, utterance.end_ms)
        assert [u.text for u in rest.utterances] == [u.text for u in whole.utterances[done:]]


@pytest.mark.long
def test_the_split_of_the_recording_does_not_matter(
    load_speech: LoadSpeech, inference: Inference
) -> None:
    samples = load_speech("utterances.flac")

    def finals(sizes: list[int]) -> list[Utterance]:
        recogniser = ScriptedRecogniser()
        listener = ResumedListener(ListenOptions(), recogniser, inference, 4556)
        events: list[ListenEvent] = []
        for block in np.split(samples, np.cumsum(sizes)[np.cumsum(sizes) < len(samples)]):
            events += listener.accept(block)
        events += listener.flush()
        listener.close()
        return [event.utterance for event in events if isinstance(event, Final)]

    assert len(finals([len(samples)])) == 2
    assert finals([7919] * 30) == finals([len(samples)])


def test_events_are_moved_as_wholes() -> None:
    word = Word("one", 10, 20)
    said = Utterance("u1", "one", 5, 25, words=(word,))
    moved = later(Final(said), 1000)
    assert isinstance(moved, Final)
    assert (moved.utterance.start_ms, moved.utterance.end_ms) == (1005, 1025)
    assert moved.utterance.words == (Word("one", 1010, 1020),)
    assert later(SpeechStart("u1", 5), 1000) == SpeechStart("u1", 1005)
    assert later(SpeechEnd("u1", 5), 1000) == SpeechEnd("u1", 1005)
    assert later(Partial("u1", "o", 0, 5, 9), 1000) == Partial("u1", "o", 0, 1005, 1009)
    for event in (Empty("u1"), Flushed("x"), Failed("u1", ModelError("broken"))):
        assert later(event, 1000) is event
