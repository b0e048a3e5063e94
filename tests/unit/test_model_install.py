"""Adding, removing and verifying folders of models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gapless.errors import ConfigError, ModelError, ModelNotFoundError
from gapless.listen.recogniser.shelf.folders import folder_info, folder_kind, recogniser_folders
from gapless.listen.recogniser.shelf.install import Verified, add_model, remove_model, verify_model
from gapless.listen.recogniser.shelf.receipt import RECEIPT_FILE, read_receipt
from gapless.testing.streaming_models import write_recogniser
from gapless.testing.whisper_model import build_whisper_model


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper_model(tmp_path_factory.mktemp("built") / "whisper")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.mark.parametrize("link", [False, True])
def test_an_added_folder_is_a_model_and_stays_as_it_was(
    whisper: Path, models: Path, *, link: bool
) -> None:
    before = sorted(path.name for path in whisper.iterdir())
    target = add_model(whisper, models, "mine", link=link)

    assert list(models.iterdir()) == [target]
    assert folder_kind(target) == "whisper"
    assert (target / "model.bin").is_symlink() == link
    assert sorted(path.name for path in whisper.iterdir()) == before
    receipt = read_receipt(target)
    assert receipt is not None
    assert receipt.source == str(whisper)


def test_a_streaming_recogniser_is_added_with_its_parts(tmp_path: Path, models: Path) -> None:
    source = write_recogniser(tmp_path / "ours")
    target = add_model(source, models, link=False)

    info = folder_info("ours", target)
    assert (info.kind, info.blocks) == ("streaming", False)
    assert verify_model("ours", models).state == "ok"
    (target / "encoder" / "1" / "model.onnx").write_bytes(b"")
    assert verify_model("ours", models).state == "broken"


def test_what_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"meow")

    with pytest.raises(ModelError, match="photos holds no Whisper model"):
        add_model(folder, models, link=False)
    assert list(models.iterdir()) == []


def test_networks_that_cannot_be_read_are_refused(tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "networks"
    folder.mkdir()
    (folder / "encoder.onnx").write_bytes(b"no network")

    with pytest.raises(ModelError):
        add_model(folder, models, link=False)
    assert list(models.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_found(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        add_model(tmp_path / "nowhere", models, link=False)


@pytest.mark.parametrize("name", [".hidden", "a/b", "..", "ä"])
def test_a_name_that_is_none_is_refused(whisper: Path, models: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a model"):
        add_model(whisper, models, name, link=False)


def test_a_name_that_is_taken_is_refused(whisper: Path, models: Path) -> None:
    add_model(whisper, models, "mine", link=False)

    with pytest.raises(ConfigError, match="is here already; remove it first"):
        add_model(whisper, models, "mine", link=False)


@pytest.mark.parametrize("link", [False, True])
def test_a_removed_model_is_gone_and_its_source_is_not(
    whisper: Path, models: Path, *, link: bool
) -> None:
    add_model(whisper, models, "mine", link=link)
    remove_model("mine", models)

    assert list(models.iterdir()) == []
    assert folder_kind(whisper) == "whisper"


def test_of_a_folder_that_is_a_link_only_the_link_is_removed(whisper: Path, models: Path) -> None:
    models.mkdir()
    (models / "linked").symlink_to(whisper)
    remove_model("linked", models)

    assert list(models.iterdir()) == []
    assert folder_kind(whisper) == "whisper"


@pytest.mark.parametrize("name", ["nobody", "notes", "..", ".pull-x"])
def test_only_recognisers_are_removed(models: Path, name: str) -> None:
    (models / "notes").mkdir(parents=True)

    with pytest.raises(ModelNotFoundError, match="here are: none"):
        remove_model(name, models)
    assert (models / "notes").is_dir()


def test_what_comes_with_gapless_cannot_be_removed(models: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="comes with Gapless"):
        remove_model("pocketsphinx", models)


def test_a_model_is_verified_against_its_receipt(whisper: Path, models: Path) -> None:
    target = add_model(whisper, models, "mine", link=False)
    assert verify_model("mine", models).state == "ok"

    (target / "extra.txt").write_text("came later")
    assert verify_model("mine", models).state == "ok"

    content = (target / "model.bin").read_bytes()
    (target / "model.bin").write_bytes(bytes([content[0] ^ 1]) + content[1:])
    (target / "config.json").write_bytes(b"{}")
    assert verify_model("mine", models) == Verified(
        "mine",
        "broken",
        f"remove it and get it again from {whisper}",
        (
            "config.json has 2 bytes and not " + str(len((whisper / "config.json").read_bytes())),
            "model.bin is damaged",
        ),
    )


def test_bytes_are_told_as_files_are_checked(whisper: Path, models: Path) -> None:
    target = add_model(whisper, models, "mine", link=False)
    told: list[int] = []
    verify_model("mine", models, told.append)

    receipt = read_receipt(target)
    assert receipt is not None
    assert sum(told) == receipt.size_bytes


def test_a_model_that_was_put_there_by_hand_is_not_known(whisper: Path, models: Path) -> None:
    shutil.copytree(whisper, models / "mine")

    assert verify_model("mine", models).state == "unknown"


def test_a_model_with_a_name_of_the_catalogue_is_held_to_it(whisper: Path, models: Path) -> None:
    shutil.copytree(whisper, models / "tiny")
    found = verify_model("tiny", models)

    assert found.state == "broken"
    assert any(trouble.startswith("model.bin has") for trouble in found.troubles)


def test_a_receipt_that_cannot_be_read_is_a_broken_model(whisper: Path, models: Path) -> None:
    target = add_model(whisper, models, "mine", link=False)
    (target / RECEIPT_FILE).write_text("{")

    assert verify_model("mine", models).state == "broken"


def test_a_folder_whose_description_is_broken_is_listed_and_says_so(models: Path) -> None:
    (models / "odd").mkdir(parents=True)
    (models / "odd" / "recogniser.toml").write_text("profile = ")

    assert list(recogniser_folders(models)) == ["odd"]
    assert "recogniser.toml" in folder_info("odd", models / "odd").description


def test_a_model_of_the_catalogue_is_described_by_it(whisper: Path, models: Path) -> None:
    info = folder_info("tiny.en", add_model(whisper, models, "tiny.en", link=False))

    assert (info.languages, info.licence) == (("en",), "MIT")
