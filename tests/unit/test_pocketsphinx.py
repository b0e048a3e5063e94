"""What PocketSphinx makes of speech, beyond the contract of all recognisers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gapless.audio.types import Samples, ms_to_samples
from gapless.errors import MissingDependencyError, ModelError
from gapless.listen.recogniser.pocketsphinx import library as sphinx_library
from gapless.listen.recogniser.pocketsphinx.library import SphinxSegment
from gapless.listen.recogniser.pocketsphinx.recogniser import (
    PocketSphinx,
    pauses,
    to_int16,
    to_words,
)
from gapless.testing.recogniser_contract import recognise

PHRASES = (("how are you doing today", 350, 1835), ("one two three four five", 8177, 9968))


@pytest.fixture(scope="module")
def sphinx() -> Iterator[PocketSphinx]:
    loaded = PocketSphinx(places=2)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def phrases(load_speech: Callable[[str], Samples]) -> list[Samples]:
    recording = load_speech("utterances.flac")
    return [
        recording[ms_to_samples(start_ms, 16_000) : ms_to_samples(end_ms, 16_000)]
        for _, start_ms, end_ms in PHRASES
    ]


def test_what_was_said_comes_out(sphinx: PocketSphinx, phrases: list[Samples]) -> None:
    result = recognise(sphinx, phrases[0]).result

    assert result.text == "how are you doing today"
    assert [word.text for word in result.words] == result.text.split()
    assert result.language == "en"
    assert result.confidence is not None
    assert result.confidence > 0.5


@pytest.mark.long
def test_words_lie_where_they_were_said(sphinx: PocketSphinx, phrases: list[Samples]) -> None:
    quiet = np.zeros(8000, np.float32)
    words = recognise(sphinx, np.concatenate([quiet, phrases[0], quiet])).result.words

    assert 550 <= words[0].start_ms <= 800
    assert 1700 <= words[-1].end_ms <= 2100


@pytest.mark.long
def test_a_phrase_is_settled_while_the_next_is_spoken(
    sphinx: PocketSphinx, phrases: list[Samples]
) -> None:
    pause = np.zeros(4800, np.float32)
    heard = recognise(sphinx, np.concatenate([phrases[0], pause, phrases[1]]))
    settled = {h.text[: h.stable_chars] for h in heard.hypotheses}

    assert settled == {"", "how are you doing today"}
    assert heard.result.text == "how are you doing today one two three four five"


@pytest.mark.long
def test_two_decoders_hear_two_speakers_at_the_same_time(
    sphinx: PocketSphinx, phrases: list[Samples]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda samples: recognise(sphinx, samples), phrases))

    assert [heard.result.text for heard in together] == [text for text, _, _ in PHRASES]
    assert sphinx.stats().made == 2


@pytest.mark.long
def test_steady_noise_is_no_word(sphinx: PocketSphinx) -> None:
    noise = np.random.default_rng(0).normal(0.0, 1e-2, 5 * 16_000).astype(np.float32)

    assert recognise(sphinx, noise).result.text == ""


def test_samples_are_rounded_and_clipped_to_16_bits() -> None:
    samples = np.array([0, 0.6, -0.6, 32767.4, 40000, -32768, -40000], np.float32)
    odd = np.array([np.nan, np.inf, -np.inf, 1e-42, 3e38], np.float32)

    rounded = [0, 1, -1, 32767, 32767, -32768, -32768]
    assert to_int16(samples / np.float32(32768)).tolist() == rounded
    assert to_int16(odd).tolist() == [0, 32767, -32768, 0, 32767]


def segment(word: str, start: int, end: int, posterior: float = 1.0) -> SphinxSegment:
    return SphinxSegment(word, start, end, posterior)


def test_fillers_marks_and_endless_words_are_left_out() -> None:
    path = [
        segment("<s>", 0, 10),
        segment("read(2)", 10, 30, 0.25),
        segment("<sil>", 30, 40),
        segment("[NOISE]", 40, 50),
        segment("++BREATH++", 50, 60),
        segment("huh", 60, 261),
        segment("it", 261, 300, 1.0001),
        segment("</s>", 300, 310),
    ]
    words = to_words(path, start_ms=1000, end_ms=3900)

    assert [(word.text, word.start_ms, word.end_ms, word.confidence) for word in words] == [
        ("read", 1100, 1300, 0.25),
        ("it", 3610, 3900, 1.0),
    ]


@pytest.mark.parametrize(
    ("word", "frames", "expected"),
    [("<sil>", 25, True), ("<sil>", 24, False), ("</s>", 25, True), ("word", 99, False)],
)
def test_a_phrase_ends_after_a_quarter_of_a_second(word: str, frames: int, expected: bool) -> None:
    assert pauses([segment("so", 0, 30), segment(word, 30, 30 + frames)]) is expected


def test_a_model_that_is_not_there_is_an_error_that_helps(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reinstall"):
        PocketSphinx(model=tmp_path)


def test_without_exported_symbols_another_recogniser_is_advised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "_pocketsphinx.so").write_bytes(b"no library")
    monkeypatch.setattr(sphinx_library, "package_folder", lambda: tmp_path)
    sphinx_library.load_library.cache_clear()
    with pytest.raises(MissingDependencyError, match="set `model`"):
        sphinx_library.load_library()
