from __future__ import annotations

import re

import pytest

from gapless.listen.recogniser.shelf.hub.catalogue import PLAIN_NAME, CatalogueModel, catalogue
from gapless.listen.recogniser.whisper.recogniser import MODEL_FILES

MODELS = tuple(catalogue().values())


def name_of(model: CatalogueModel) -> str:
    return model.name


def test_the_usual_names_are_there() -> None:
    assert {"tiny", "base.en", "small", "medium", "large-v3", "large-v3-turbo"} <= set(catalogue())
    assert {"parakeet-tdt-0.6b-v3", "fastconformer-en", "zipformer-en"} <= set(catalogue())


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_every_model_is_described_and_its_facts_are_of_the_right_form(
    model: CatalogueModel,
) -> None:
    assert PLAIN_NAME.fullmatch(model.name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.repository)
    assert re.fullmatch(r"[0-9a-f]{40}|main", model.revision)
    assert model.licence in {"MIT", "Apache-2.0", "CC-BY-4.0"}
    assert 1 <= model.quality <= 5
    assert model.cpus >= 1
    assert model.description.endswith(".")
    assert all(re.fullmatch(r"[a-z]{2}", language) for language in model.languages)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_every_file_has_a_name_of_its_own_and_a_sum_that_is_one(model: CatalogueModel) -> None:
    names = [file.local_name for file in model.files]

    assert len(set(names)) == len(names)
    assert all(PLAIN_NAME.fullmatch(name) for name in names)
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in model.files if file.sha256)


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_a_model_has_all_the_files_that_it_takes_to_run(model: CatalogueModel) -> None:
    names = {file.local_name for file in model.files}
    if model.engine == "ctranslate2":
        assert {*MODEL_FILES} <= names
        assert any(name.startswith("vocabulary.") for name in names)
    else:
        assert names & {"tokens.txt", "vocab.txt"}
        assert any(name.endswith(".onnx") for name in names)


def test_a_revision_that_moves_is_only_used_for_what_is_not_pinned() -> None:
    moving = {model.name for model in MODELS if model.revision == "main"}

    assert moving == {"parakeet-ctc-0.6b", "zipformer-zh-en"}
    assert [model.name for model in MODELS if not model.verified] == ["parakeet-ctc-0.6b"]


def test_sizes_make_classes() -> None:
    assert catalogue()["tiny"].size_bytes == 78_203_619
    assert catalogue()["tiny"].size_class == "small"
    assert catalogue()["parakeet-tdt-0.6b-v3"].size_class == "medium"
    assert catalogue()["large-v3"].size_class == "large"
    assert catalogue()["parakeet-ctc-0.6b"].size_bytes is None
    assert catalogue()["parakeet-ctc-0.6b"].size_class == "unknown"
