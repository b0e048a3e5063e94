from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.repository.manifest import Manifest, StateEntry
from gapless.testing.onnx_models import write_double, write_graph, write_gru, write_mlp


def digest_of(path: Path, manifest: Manifest | None = None) -> str:
    with closing(OnnxLoader(provider="cpu")("m", "1", manifest or Manifest(), path)) as model:
        return model.info.digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_mlp(tmp_path / "a" / "model.onnx", [4, 8, 2])


def test_the_same_model_has_the_same_digest_wherever_it_lies(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "b" / "model.onnx"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    assert digest_of(path) == digest_of(copy) != ""


def test_other_weights_and_another_manifest_have_another(path: Path, tmp_path: Path) -> None:
    other = write_mlp(tmp_path / "b" / "model.onnx", [4, 8, 2], seed=2)
    assert other.stat().st_size == path.stat().st_size
    digests = {digest_of(path), digest_of(other), digest_of(path, Manifest(max_batch=4))}
    assert len(digests) == 3


def test_what_draws_random_numbers_is_not_to_be_remembered(tmp_path: Path) -> None:
    node = helper.make_node("RandomNormalLike", ["x"], ["y"])
    tensor = {"x": (np.float32, ("batch", 4))}
    path = write_graph(tmp_path / "model.onnx", [node], tensor, {"y": (np.float32, ("batch", 4))})
    assert digest_of(path) == ""


def test_what_keeps_a_state_is_not_to_be_remembered(tmp_path: Path) -> None:
    state = StateEntry(input="h", output="h_next", axis=1)
    assert digest_of(write_gru(tmp_path / "model.onnx"), Manifest(states=(state,))) == ""


def test_a_manifest_may_forbid_it(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx")
    assert digest_of(path, Manifest(cache=False)) == ""
    assert digest_of(path) != ""
