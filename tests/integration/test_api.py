from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from gapless import api
from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.engine import Engine
from gapless.errors import (
    AudioError,
    InvalidAudioError,
    ModelNotFoundError,
    NotFoundError,
    UnsupportedAudioError,
)
from gapless.listen.events import Final, Partial, SpeechEnd, SpeechStart
from gapless.listen.recording import Progress
from gapless.settings import Settings
from gapless.transcript import Transcript

SENTENCE = "telephone.wav"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One place at the recogniser: whoever does not give it back stops all others."""
    with Engine(Settings(decoders=1, save=False)) as engine:
        yield engine


def blocks_of(samples: Samples, size: int = 1600) -> Iterator[Samples]:
    """The samples as a microphone would give them."""
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def sound(speech_dir: Path) -> Samples:
    """The sentence at 16 kHz."""
    return np.concatenate(list(read_audio(speech_dir / SENTENCE, LISTEN_RATE_HZ)))


@pytest.fixture(scope="module")
def transcript(engine: Engine, speech_dir: Path) -> Transcript:
    """The sentence, heard as a file."""
    return api.transcribe(speech_dir / SENTENCE, engine=engine)


def test_a_file_gives_a_transcript_with_words(transcript: Transcript) -> None:
    assert transcript.text
    assert transcript.model == "pocketsphinx"
    assert [word.text for word in transcript.words] == transcript.text.split()


def test_a_file_and_its_samples_give_the_same_words(
    engine: Engine, speech_dir: Path, transcript: Transcript
) -> None:
    events = list(api.listen(blocks_of(sound(speech_dir)), engine=engine))

    finals = tuple(event.utterance for event in events if isinstance(event, Final))
    assert finals == transcript.utterances
    assert isinstance(events[0], SpeechStart)
    assert isinstance(events[-1], Final)
    assert any(isinstance(event, Partial) for event in events)
    assert any(isinstance(event, SpeechEnd) for event in events)


@pytest.mark.long
def test_an_open_file_is_heard_like_its_path_and_progress_goes_up_to_its_end(
    engine: Engine, speech_dir: Path, transcript: Transcript
) -> None:
    seen: list[Progress] = []

    with (speech_dir / SENTENCE).open("rb") as file:
        assert api.transcribe(file, on_progress=seen.append, engine=engine) == transcript

    heard = [progress.heard_ms for progress in seen]
    assert heard == sorted(heard)
    assert heard[-1] == transcript.duration_ms


@pytest.mark.long
def test_words_and_partials_can_be_left_out(
    engine: Engine, speech_dir: Path, transcript: Transcript
) -> None:
    blocks = blocks_of(sound(speech_dir))
    events = list(api.listen(blocks, words=False, partials=False, engine=engine))

    assert not any(isinstance(event, Partial) for event in events)
    (final,) = (event.utterance for event in events if isinstance(event, Final))
    assert final.text == transcript.text
    assert final.words == ()


@pytest.mark.long
def test_what_the_progress_callback_raises_ends_the_call_and_frees_the_model(
    engine: Engine, speech_dir: Path
) -> None:
    class EnoughError(Exception):
        """Stops the call."""

    def stop(_progress: Progress) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        api.transcribe(speech_dir / SENTENCE, on_progress=stop, engine=engine)

    assert api.transcribe(speech_dir / SENTENCE, engine=engine).text


@pytest.mark.long
def test_closing_the_iterator_frees_the_model(engine: Engine, speech_dir: Path) -> None:
    events = api.listen(blocks_of(sound(speech_dir)), engine=engine)
    assert any(isinstance(event, Partial) for event in events)
    events.close()

    assert api.transcribe(speech_dir / SENTENCE, engine=engine).text


@pytest.mark.long
@pytest.mark.parametrize(
    ("block", "error", "advice"),
    [
        (np.zeros(10, np.int16), UnsupportedAudioError, r"a block is int16; .*x / 32768"),
        (np.zeros(10, np.float64), UnsupportedAudioError, "float32"),
        ([0.0, 0.0], UnsupportedAudioError, "a block is list; pass NumPy arrays"),
        (np.zeros((10, 2), np.float32), UnsupportedAudioError, r"block\.mean\(axis=1\)"),
        (np.array([0, np.nan], np.float32), InvalidAudioError, "not finite"),
        (np.array([0, np.inf], np.float32), InvalidAudioError, "not finite"),
    ],
)
def test_blocks_that_are_no_samples_are_refused_with_what_to_do(
    engine: Engine, block: Samples, error: type[AudioError], advice: str
) -> None:
    with pytest.raises(error, match=advice):
        list(api.listen([block], engine=engine))


def test_a_rate_out_of_range_is_refused(engine: Engine) -> None:
    with pytest.raises(UnsupportedAudioError, match="4000"):
        list(api.listen([], rate_hz=4000, engine=engine))


def test_a_file_or_model_that_is_not_there_is_an_error(engine: Engine, speech_dir: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.wav"):
        api.transcribe("nowhere.wav", engine=engine)
    with pytest.raises(ModelNotFoundError, match="no model 'nobody'"):
        api.transcribe(speech_dir / SENTENCE, model="nobody", engine=engine)


def test_all_threads_share_one_default_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_default_engine", None)
    monkeypatch.setenv("GAPLESS_DENOISE", "0.25")
    together = Barrier(4)

    def get(_number: int) -> Engine:
        together.wait(10)
        return api.default_engine()

    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(get, range(4)))
    engines[0].close()

    assert len(set(map(id, engines))) == 1
    assert engines[0].settings.denoise == 0.25
    assert engines[0].store is None


@pytest.mark.long
def test_used_as_a_library_it_writes_nothing(speech_dir: Path) -> None:
    code = f"import gapless; gapless.transcribe({str(speech_dir / 'sentence.flac')!r})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")
