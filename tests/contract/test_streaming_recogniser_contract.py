"""The recogniser on the inference engine keeps the contract of recognisers, with each kind of decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.listen.recogniser.streaming.recogniser import StreamingRecogniser
from gapless.settings import Settings
from gapless.testing.recogniser_contract import CHECKS, Check, Subject, check_close
from gapless.testing.streaming_models import make_babble, write_recogniser

pytestmark = pytest.mark.long

KINDS = ("transducer", "transducer-beam", "ctc", "ctc-beam", "hybrid")
HYBRID = '[ctc]\npart = "ctc"\n[decode]\nsearch = "hybrid"\nbeam = 3\n'
BEAM = '[decode]\nsearch = "beam"\nbeam = 3\n'
SPEECH = make_babble(3, 16_000)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        more = HYBRID if kind == "hybrid" else BEAM if kind.endswith("beam") else ""
        write_recogniser(folder / kind, ctc=kind.startswith("ctc"), more=more)
    return folder


@pytest.fixture(scope="module")
def inference(models: Path) -> Iterator[Inference]:
    with open_inference(Settings(models_dir=str(models), repository_poll_ms=0)) as engine:
        yield engine


@pytest.fixture(scope="module")
def subjects(models: Path, inference: Inference) -> Iterator[Callable[[str], Subject]]:
    """Opens each kind once, in whatever order the tests come."""
    opened: dict[str, Subject] = {}

    def subject(kind: str) -> Subject:
        if kind not in opened:
            recogniser = StreamingRecogniser(models / kind, inference, places=1, max_waiting=4)
            opened[kind] = Subject.of(recogniser, SPEECH)
        return opened[kind]

    yield subject
    for one in opened.values():
        one.recogniser.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_streaming_recogniser_passes(
    kind: str, check: Check, subjects: Callable[[str], Subject]
) -> None:
    check(subjects(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_streaming_recogniser_can_be_closed(
    kind: str, models: Path, inference: Inference
) -> None:
    check_close(StreamingRecogniser(models / kind, inference, places=1, max_waiting=4), SPEECH)
