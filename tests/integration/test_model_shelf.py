"""From a hub to words: an export as others publish it is pulled, becomes a recogniser, and is the default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gapless.infer.open import open_inference
from gapless.listen.recogniser.shelf.folders import CARRIED
from gapless.listen.recogniser.shelf.hub.pull import PullOptions, pull_model
from gapless.listen.recogniser.shelf.install import add_model, verify_model
from gapless.listen.recogniser.shelf.shelf import Shelf
from gapless.settings import Settings
from gapless.testing.hub import LocalHub
from gapless.testing.nemo_models import write_fastconformer, write_nemo, write_nemo_ctc
from gapless.testing.profile_models import tones
from gapless.testing.recogniser_contract import recognise
from gapless.testing.zipformer_models import write_zipformer


def write_export(write: Callable[[Path], object], folder: Path) -> dict[str, bytes]:
    write(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
@pytest.mark.parametrize(
    "write", [write_nemo, write_nemo_ctc, write_fastconformer, write_zipformer]
)
def test_a_published_export_is_pulled_verified_and_recognises_as_the_default(
    write: Callable[[Path], object], tmp_path: Path
) -> None:
    files = write_export(write, tmp_path / "export")
    models = tmp_path / "models"
    with LocalHub({"somebody/export": {**files, "README.md": b"about it"}}) as hub:
        hub.faults[max(files, key=lambda name: len(files[name]))] = ["cut"]
        pull_model(
            "somebody/export",
            models,
            lambda _done, _total: None,
            PullOptions(endpoint=hub.url),
            pause=lambda _: None,
        )

    assert verify_model("export", models).state == "ok"
    settings = Settings(models_dir=str(models), repository_poll_ms=0, max_sessions=2)
    with open_inference(settings, carried=(CARRIED,)) as inference:
        shelf = Shelf(settings, inference)
        try:
            assert shelf.default().name == "export"
            assert recognise(shelf.get(), tones(1)).result.text
        finally:
            shelf.close()


@pytest.mark.long
def test_an_export_is_added_by_links_and_recognises(tmp_path: Path) -> None:
    write_nemo(tmp_path / "export")
    models = tmp_path / "models"
    add_model(tmp_path / "export", models, "mine", link=True)
    settings = Settings(models_dir=str(models), model="mine", repository_poll_ms=0)
    with open_inference(settings) as inference:
        shelf = Shelf(settings, inference)
        try:
            assert recognise(shelf.get(), tones(1)).result.text
        finally:
            shelf.close()
