"""Every recogniser keeps the contract of recognisers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gapless.audio.types import Samples, ms_to_samples
from gapless.listen.recogniser.contract import Recogniser
from gapless.listen.recogniser.pocketsphinx.recogniser import PocketSphinx
from gapless.listen.recogniser.whisper.recogniser import Whisper
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.recogniser_contract import CHECKS, Check, Subject, check_close
from gapless.testing.whisper_model import build_whisper_model

pytestmark = pytest.mark.long

KINDS = ("scripted", "scripted-whole", "pocketsphinx", "whisper")


@pytest.fixture(scope="session")
def speech(load_speech: Callable[[str], Samples]) -> Samples:
    """Two phrases with a pause of 350 ms between them: 3.2 s."""
    recording = load_speech("utterances.flac")

    def cut(start_ms: int, end_ms: int) -> Samples:
        return recording[ms_to_samples(start_ms, 16_000) : ms_to_samples(end_ms, 16_000)]

    return np.concatenate([cut(350, 1835), cut(8077, 9918)])


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper_model(tmp_path_factory.mktemp("models") / "tiny")


def load(kind: str, whisper_folder: Path) -> Recogniser:
    if kind == "pocketsphinx":
        return PocketSphinx(places=1, max_waiting=4)
    if kind == "whisper":
        return Whisper(whisper_folder, places=1, max_waiting=4)
    if kind == "scripted-whole":
        return ScriptedRecogniser(kind="whole", places=1, max_waiting=4)
    return ScriptedRecogniser(places=1, max_waiting=4)


@pytest.fixture(scope="session")
def subjects(whisper_folder: Path, speech: Samples) -> Iterator[Callable[[str], Subject]]:
    """Loads each kind once, in whatever order the tests come."""
    loaded: dict[str, Subject] = {}

    def subject(kind: str) -> Subject:
        if kind not in loaded:
            loaded[kind] = Subject.of(load(kind, whisper_folder), speech)
        return loaded[kind]

    yield subject
    for made in loaded.values():
        made.recogniser.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_recogniser_passes(kind: str, check: Check, subjects: Callable[[str], Subject]) -> None:
    check(subjects(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recogniser_can_be_closed(kind: str, whisper_folder: Path, speech: Samples) -> None:
    check_close(load(kind, whisper_folder), speech[: ms_to_samples(1500, 16_000)])
