"""The shelf: what is here, under which names, loaded once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gapless.errors import ConfigError, ModelError, ModelNotFoundError, OverloadError
from gapless.infer.open import open_inference
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.pocketsphinx.recogniser import PocketSphinx
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recogniser.shelf.shelf import MOST_LOADED, Shelf
from gapless.listen.recogniser.whisper.recogniser import Whisper
from gapless.settings import Settings
from gapless.testing.recogniser_contract import recognise
from gapless.testing.streaming_models import make_babble, write_recogniser
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
    assert names(shelf) == ["small", "another", "commands-en", "pocketsphinx"]


def test_without_a_models_folder_there_is_what_comes_with_gapless(tmp_path: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(tmp_path / "nowhere")))

    assert [(info.name, info.kind) for info in shelf.list()] == [
        ("pocketsphinx", "streaming"),
        ("commands-en", "streaming"),
    ]


@pytest.mark.long
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
    with pytest.raises(
        ModelNotFoundError, match="another, commands-en, pocketsphinx; `gapless models pull"
    ):
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

    assert names(shelf) == ["tiny", "another", "commands-en", "pocketsphinx", "small"]
    assert shelf.get() is shelf.get("tiny")
    shelf.close()


@pytest.mark.parametrize("model", ["large", "/nowhere/large"])
def test_a_default_that_is_not_here_is_a_mistake_in_the_settings(models: Path, model: str) -> None:
    shelf = Shelf(Settings(models_dir=str(models), model=model))

    with pytest.raises(
        ConfigError, match="here are: another, commands-en, pocketsphinx, small"
    ) as caught:
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


# --- the default ------------------------------------------------------------------------------


def test_the_setting_that_names_a_model_is_the_reason(shelf: Shelf) -> None:
    assert shelf.default() == Choice("small", "the setting `model` names it")


def test_without_a_setting_the_best_model_present_is_the_default(models: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(models)))
    shutil.copytree(models / "small", models / "tiny")

    # "small" and "tiny" are held for what the catalogue has under these names.
    assert names(shelf)[0] == shelf.default().name != "tiny"
    assert shelf.get() is shelf.get("auto") is shelf.get(shelf.default().name)
    shelf.close()


def test_without_any_model_the_embedded_one_is_the_default_and_says_what_to_do(
    tmp_path: Path,
) -> None:
    shelf = Shelf(Settings(models_dir=str(tmp_path)))

    assert shelf.default().name == "pocketsphinx"
    assert "gapless models pull small.en" in shelf.default().reason
    assert "commands-en knows a small vocabulary" in shelf.default().reason


def test_the_default_stays_for_as_long_as_it_is_here(models: Path, tiny: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(models)))
    first = shelf.default().name
    shutil.copytree(tiny, models / "large-v3")

    assert shelf.default().name == first
    shutil.rmtree(models / first)
    assert shelf.default().name != first


def test_a_small_vocabulary_is_no_default(tmp_path: Path) -> None:
    write_recogniser(tmp_path / "numbers")
    shelf = Shelf(Settings(models_dir=str(tmp_path)))
    words = shelf.default().name

    assert words == "pocketsphinx"
    assert "numbers" in names(shelf)


def test_a_folder_that_cannot_be_read_is_listed_and_is_no_default(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "recogniser.toml").write_text("profile = ")
    shelf = Shelf(Settings(models_dir=str(tmp_path)))

    assert "odd" in names(shelf)
    assert shelf.default().name == "pocketsphinx"


# --- recognisers of the inference engine ------------------------------------------------------


def test_a_streaming_recogniser_is_loaded_from_its_folder(tmp_path: Path) -> None:
    write_recogniser(tmp_path / "numbers")
    settings = Settings(models_dir=str(tmp_path), repository_poll_ms=0)
    with open_inference(settings) as inference:
        shelf = Shelf(settings, inference)
        recogniser = shelf.get("numbers")
        heard = recognise(recogniser, make_babble(1, 16_000))

        assert recogniser.info.kind == "streaming"
        assert heard.result.text
        shelf.close()


def test_without_an_engine_a_streaming_recogniser_is_only_listed(tmp_path: Path) -> None:
    write_recogniser(tmp_path / "numbers")
    shelf = Shelf(Settings(models_dir=str(tmp_path)))

    with pytest.raises(ModelError, match="runs on the inference engine"):
        shelf.get("numbers")


def test_the_guards_of_the_settings_are_those_of_a_whisper(models: Path) -> None:
    shelf = Shelf(Settings(models_dir=str(models), guards=("repetition",)))
    whisper = shelf.get("small")

    assert isinstance(whisper, Whisper)
    assert whisper.suppressed() == {"repetition": 0}
    assert shelf.suppressed() == {"small": {"repetition": 0}}
    shelf.close()
