"""The shelf: what is here, under which names, loaded once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gapless.errors import ConfigError, GaplessError, ModelError, ModelNotFoundError, OverloadError
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.pocketsphinx import PocketSphinx
from gapless.listen.recogniser.shelf import MOST_LOADED, Shelf
from gapless.settings import Settings
from gapless.testing.whisper_model import build_whisper_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper_model(tmp_path_factory.mktemp("built") / "tiny")


@pytest.fixture
def models(tiny: Path, tmp_path: Path) -> Path:
    """A models folder with two models, a half-pulled one, and things that are no models."""
    folder = tmp_path / "models"
    for name in ("small", "another"):
        shutil.copytree(tiny, folder / name)
    shutil.copytree(tiny, folder / ".pull-owner--name")
    (folder / "notes").mkdir()
    (folder / "README.txt").write_text("models are kept here")
    return folder


@pytest.fixture
def shelf(models: Path) -> Iterator[Shelf]:
    shelf = Shelf(Settings(models_dir=str(models), model="small", decoders=2, threads=2))
    yield shelf
    shelf.close()


def names(shelf: Shelf) -> list[str]:
    return [info.name for info in shelf.list()]


def test_what_is_here_is_listed_with_the_default_first(shelf: Shelf) -> None:
    assert names(shelf) == ["small", "another", "pocketsphinx"]


def test_without_a_models_folder_there_is_the_embedded_one(tmp_path: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(tmp_path / "nowhere")))

    assert [(info.name, info.kind) for info in shelf.list()] == [("pocketsphinx", "streaming")]


def test_the_embedded_recogniser_has_as_many_places_as_the_settings_say(tmp_path: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(tmp_path), decoders=3))
    recogniser = shelf.get()

    assert isinstance(recogniser, PocketSphinx)
    assert recogniser.info.languages == ("en",)
    assert recogniser.stats() == PlacesStats(most=3, made=1, busy=0, waiting=0)
    shelf.close()


@pytest.mark.parametrize("name", [None, "default", "whisper-1", "small"])
def test_the_default_has_several_names(shelf: Shelf, name: str | None) -> None:
    assert shelf.get(name).info.name == "small"
    assert shelf.get(name) is shelf.get()


def test_a_model_is_loaded_once_however_many_ask_at_the_same_time(shelf: Shelf) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: shelf.get("another"), range(16), timeout=60))

    assert len({id(recogniser) for recogniser in got}) == 1


@pytest.mark.parametrize(
    "name", ["", "large", "notes", ".", "..", "../small", "small/", ".pull-owner--name", "small\0"]
)
def test_other_names_are_not_found_and_the_error_says_what_is_here(shelf: Shelf, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="another, pocketsphinx; `gapless models pull"):
        shelf.get(name)


def test_a_path_opens_a_model_only_for_who_may_name_paths(shelf: Shelf, tiny: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        shelf.get(str(tiny))

    assert shelf.get(str(tiny), allow_paths=True).info.name == "tiny"


def test_a_path_without_a_model_is_an_error_that_helps(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.bin"):
        shelf.get(f"{tmp_path}{os.sep}nothing", allow_paths=True)


def test_the_settings_may_name_a_path(models: Path, tiny: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(models), model=str(tiny)))

    assert names(shelf) == ["tiny", "another", "pocketsphinx", "small"]
    assert shelf.get() is shelf.get("tiny")
    shelf.close()


@pytest.mark.parametrize("model", ["large", "/nowhere/large"])
def test_a_default_that_is_not_here_is_a_mistake_in_the_settings(models: Path, model: str) -> None:
    shelf = Shelf(Settings(models_dir=str(models), model=model))

    with pytest.raises(ConfigError, match="here are: another, pocketsphinx, small") as caught:
        shelf.get()
    assert caught.value.param == "model"


def test_a_broken_model_fails_each_time_and_harms_no_other(shelf: Shelf, models: Path) -> None:
    (models / "another" / "model.bin").write_bytes(b"broken")
    for _ in range(MOST_LOADED + 1):
        with pytest.raises(ModelError, match="pull it again"):
            shelf.get("another")

    assert shelf.get("small").info.name == "small"


def test_only_so_many_models_are_loaded_at_a_time(models: Path, tiny: Path) -> None:
    for number in range(MOST_LOADED):
        shutil.copytree(tiny, models / f"m{number}")
    shelf = Shelf(Settings(models_dir=str(models)))
    for number in range(MOST_LOADED):
        shelf.get(f"m{number}")

    with pytest.raises(OverloadError, match="use one of m0, m1"):
        shelf.get("small")
    assert shelf.get("m0").info.name == "m0"
    shelf.close()


def test_a_closed_shelf_has_closed_what_it_gave_out(shelf: Shelf) -> None:
    recogniser = shelf.get()
    shelf.close()
    shelf.close()

    with pytest.raises(ModelError):
        recogniser.open(RecogniseOptions(), lambda: None)
    with pytest.raises(ModelError, match="start the engine again"):
        shelf.get()


def test_a_pull_by_a_wrong_name_is_refused(shelf: Shelf) -> None:
    with pytest.raises(GaplessError, match="cannot be pulled"):
        shelf.pull("enormous", lambda _done, _total: None)


def test_what_was_pulled_already_is_on_the_shelf(shelf: Shelf) -> None:
    assert shelf.pull("small", lambda _done, _total: None).name == "small"
