"""Whisper, run for real on a tiny model that says one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from faster_whisper.transcribe import Segment, Word

from gapless.audio.types import Samples
from gapless.errors import ConfigError, ModelError
from gapless.infer.inference import Inference
from gapless.listen.recogniser.contract import RecogniseOptions, Result
from gapless.listen.recogniser.guards import Guards
from gapless.listen.recogniser.whisper.recogniser import (
    Whisper,
    is_whisper_folder,
    to_evidence,
    to_result,
)
from gapless.testing.recogniser_contract import recognise
from gapless.testing.whisper_model import build_whisper_model

pytestmark = pytest.mark.long

SENTENCE = "nobody expects this sentence"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper_model(tmp_path_factory.mktemp("models") / "tiny", SENTENCE)


@pytest.fixture(scope="module")
def whisper(folder: Path) -> Whisper:
    return Whisper(folder, places=2)


@pytest.fixture(scope="module")
def sound() -> Samples:
    return np.random.default_rng(0).normal(0.0, 0.1, 24_000).astype(np.float32)


def test_all_that_verbose_json_asks_for_is_there(whisper: Whisper, sound: Samples) -> None:
    result = recognise(whisper, sound).result

    assert result.text == SENTENCE
    assert [word.text for word in result.words] == SENTENCE.split()
    assert result.language == "en"
    assert result.avg_logprob == pytest.approx(0.0, abs=1e-3)
    assert result.no_speech_prob == pytest.approx(0.0, abs=1e-3)
    assert result.compression_ratio is not None
    assert result.compression_ratio > 0.5
    assert result.temperature == 0.0
    assert len(result.tokens) >= len(SENTENCE.split())


def test_a_result_can_go_on_the_wire(whisper: Whisper, sound: Samples) -> None:
    result = recognise(whisper, sound).result

    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


@pytest.mark.parametrize(
    "options",
    [
        RecogniseOptions(language="de"),
        RecogniseOptions(language="de-AT"),
        RecogniseOptions(prompt="earlier", language="de"),
        RecogniseOptions(hotwords=("Gapless", "ring"), language="de"),
        RecogniseOptions(task="translate", language="de"),
        RecogniseOptions(temperature=0.0, words=False, language="de"),
    ],
    ids=repr,
)
def test_every_option_is_taken(whisper: Whisper, sound: Samples, options: RecogniseOptions) -> None:
    result = recognise(whisper, sound, options=options).result

    assert result.text == SENTENCE
    assert result.language == "de"


def test_a_temperature_is_passed_on(whisper: Whisper, sound: Samples) -> None:
    options = RecogniseOptions(temperature=0.3, words=False)

    assert recognise(whisper, sound, options=options).result.temperature == pytest.approx(0.3)


def test_a_language_that_the_model_does_not_know_is_refused(whisper: Whisper) -> None:
    with pytest.raises(ConfigError, match="'tlh'; leave it out") as caught:
        whisper.open(RecogniseOptions(language="tlh"), lambda: None)

    assert caught.value.param == "language"
    assert whisper.stats().busy == 0


def test_two_utterances_at_a_time_give_the_same_as_one(whisper: Whisper, sound: Samples) -> None:
    alone = recognise(whisper, sound)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda _: recognise(whisper, sound), range(4), timeout=60))

    assert together == [alone] * 4


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / name).unlink()

    assert not is_whisper_folder(broken)
    with pytest.raises(ModelError, match=rf"{name} missing; .*pull"):
        Whisper(broken)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.bin", b"\0" * 4096),
        ("model.bin", b""),
        ("config.json", b"{"),
        ("tokenizer.json", b'{"model": 3}'),
        ("tokenizer.json", b"PK\3\4"),
    ],
)
def test_a_damaged_file_is_an_error_that_helps(
    folder: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / name).write_bytes(content)

    with pytest.raises(ModelError, match="pull it again"):
        Whisper(broken)


def segment(text: str, start: float, end: float, logprob: float, no_speech: float) -> Segment:
    first, _, last = text.strip().partition(" ")
    middle = (start + end) / 2
    return Segment(
        id=1,
        seek=0,
        start=start,
        end=end,
        text=text,
        tokens=[1, 2],
        avg_logprob=logprob,
        compression_ratio=1.0,
        no_speech_prob=no_speech,
        words=[
            Word(start - 0.1, middle + 0.1, f" {first}", 0.5),
            Word(middle, end + 0.1, f" {last}", 1.0),
        ],
        temperature=0.0,
    )


def test_segments_are_joined_and_weighted_by_duration() -> None:
    parts = [segment(" one two", 0.0, 3.0, -0.2, 0.0), segment(" three four", 3.0, 4.0, -0.6, 0.4)]
    result = to_result(parts, "en", 4000)

    assert result.text == "one two three four"
    assert result.avg_logprob == pytest.approx(-0.3)
    assert result.no_speech_prob == pytest.approx(0.1)
    assert result.confidence == pytest.approx(0.75)
    assert result.tokens == (1, 2, 1, 2)
    assert [(w.text, w.start_ms, w.end_ms) for w in result.words] == [
        ("one", 0, 1600),
        ("two", 1600, 3100),
        ("three", 3100, 3600),
        ("four", 3600, 4000),
    ]


def test_no_segments_are_no_text() -> None:
    assert to_result([], "en", 2000) == Result("", language="en")


def test_the_evidence_of_a_segment_lies_inside_the_utterance() -> None:
    evidence = to_evidence(segment(" well then", 1.0, 9.0, -0.9, 0.3), 2000)

    assert (evidence.text, evidence.start_ms, evidence.end_ms) == ("well then", 1000, 2000)
    assert (evidence.avg_logprob, evidence.no_speech_prob) == (-0.9, 0.3)


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something whatever it hears, and is not at all sure of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gapless.testing.whisper_model.SHARPNESS", 1.3)
        return build_whisper_model(tmp_path_factory.mktemp("doubtful") / "tiny", SENTENCE)


@pytest.mark.parametrize("kind", ["white.flac", "tones.flac", "silence.flac"])
def test_a_doubtful_model_is_silenced_where_nobody_speaks(
    doubtful: Path, inference: Inference, load_speech: Callable[[str], Samples], kind: str
) -> None:
    whisper = Whisper(doubtful, inference=inference)
    sound = load_speech(kind)[:24_000] + np.float32(2e-3)  # so that silence is asked about as well

    assert recognise(whisper, sound).result == Result("", language="en")
    assert whisper.suppressed()["no_voice"] > 0


def test_a_doubtful_model_speaks_where_somebody_does(
    doubtful: Path, inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    said = load_speech("utterances.flac")[8_000:27_000]

    assert recognise(Whisper(doubtful, inference=inference), said).result.text


def test_guards_can_be_turned_off(doubtful: Path, sound: Samples) -> None:
    whisper = Whisper(doubtful, guards=Guards(()))

    assert recognise(whisper, sound).result.text
    assert whisper.suppressed() == {}


def test_a_model_that_is_sure_is_never_silenced(
    folder: Path, sound: Samples, inference: Inference
) -> None:
    whisper = Whisper(folder, inference=inference)

    assert recognise(whisper, sound).result.text == SENTENCE
    assert sum(whisper.suppressed().values()) == 0
