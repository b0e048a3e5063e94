"""The contract of models, over models in ONNX files of every sort."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from gapless.infer.onnx.model import OnnxLoader, OnnxModel
from gapless.infer.repository.manifest import Manifest, StateEntry
from gapless.testing.model_contract import CHECKS, Check, Subject, check_close
from gapless.testing.onnx_models import write_double, write_graph, write_gru, write_mlp


def load(path: Path, manifest: Manifest | None = None, threads: int = 1) -> OnnxModel:
    return OnnxLoader(threads)("tried", "1", manifest or Manifest(), path)


def perceptron(path: Path) -> OnnxModel:
    return load(write_mlp(path, (8, 64, 64, 5)))


def two_threads(path: Path) -> OnnxModel:
    return load(write_mlp(path, (64, 512, 64)), threads=2)


def half_floats(path: Path) -> OnnxModel:
    return load(write_double(path, np.float16))


def whole_numbers(path: Path) -> OnnxModel:
    return load(write_double(path, np.int64))


def unbatched(path: Path) -> OnnxModel:
    return load(write_mlp(path, (8, 8), batch=1))


def recurrent(path: Path) -> OnnxModel:
    states = (StateEntry(input="h", output="h_next", axis=1),)
    return load(write_gru(path), Manifest(states=states, max_batch=8))


def free_lengths(path: Path) -> OnnxModel:
    shape = (np.float32, ("batch", "time"))
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=1)]
    return load(write_graph(path, nodes, {"x": shape}, {"y": shape}))


def texts(path: Path) -> OnnxModel:
    shape = (np.object_, ("batch", 2))
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return load(write_graph(path, nodes, {"x": shape}, {"y": shape}))


def a_view(path: Path) -> OnnxModel:
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    inputs, outputs = {"x": (np.float32, ("batch", 4))}, {"y": (np.float32, ("batch", 2, 2))}
    return load(write_graph(path, nodes, inputs, outputs, {"shape": np.array([-1, 2, 2])}))


MODELS: tuple[Callable[[Path], OnnxModel], ...] = (
    perceptron,
    two_threads,
    half_floats,
    whole_numbers,
    unbatched,
    recurrent,
    free_lengths,
    texts,
    a_view,
)


@pytest.fixture(scope="module", params=MODELS, ids=lambda make: make.__name__)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.of(request.param(tmp_path_factory.mktemp("models") / "model.onnx"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_models_in_files_keep_the_contract(subject: Subject, check: Check) -> None:
    check(subject)


def test_models_in_files_can_be_closed_twice(tmp_path: Path) -> None:
    check_close(perceptron(tmp_path / "model.onnx"))
