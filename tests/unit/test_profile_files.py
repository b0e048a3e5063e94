"""Which file of a folder is what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapless.errors import ModelError
from gapless.listen.recogniser.profiles.files import find_files, weight_files
from gapless.testing.onnx_models import write_mlp


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def roles(folder: Path) -> dict[str, str]:
    return {role: path.name for role, path in find_files(folder).networks.items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["encoder-model.onnx", "decoder_joint-model.onnx", "nemo128.onnx"],
            {
                "encoder": "encoder-model.onnx",
                "fused": "decoder_joint-model.onnx",
                "preprocessor": "nemo128.onnx",
            },
        ),
        (
            [
                "encoder-epoch-99-avg-1-chunk-16-left-128.onnx",
                "decoder-epoch-99-avg-1-chunk-16-left-128.onnx",
                "joiner-epoch-99-avg-1-chunk-16-left-128.onnx",
            ],
            {
                "encoder": "encoder-epoch-99-avg-1-chunk-16-left-128.onnx",
                "predictor": "decoder-epoch-99-avg-1-chunk-16-left-128.onnx",
                "joiner": "joiner-epoch-99-avg-1-chunk-16-left-128.onnx",
            },
        ),
        (["model.int8.onnx"], {"ctc": "model.int8.onnx"}),
        (
            ["ctc-epoch-20-avg-1-chunk-16-left-128.onnx"],
            {"ctc": "ctc-epoch-20-avg-1-chunk-16-left-128.onnx"},
        ),
        (
            ["decoder_joint.onnx", "encoder.onnx"],
            {"fused": "decoder_joint.onnx", "encoder": "encoder.onnx"},
        ),
        (["silero_vad.onnx", "readme.md"], {}),
    ],
    ids=["nemo", "icefall", "ctc", "streaming ctc", "short names", "something else"],
)
def test_files_are_told_apart_by_the_names_that_exporters_give(
    tmp_path: Path, names: list[str], expected: dict[str, str]
) -> None:
    touch(tmp_path, *names)
    assert roles(tmp_path) == expected


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["encoder.onnx", "encoder.int8.onnx", "encoder.fp16.onnx"], "encoder.int8.onnx"),
        (["encoder-model.onnx", "encoder-model.fp16.onnx"], "encoder-model.onnx"),
        (["encoder_fp16.onnx"], "encoder_fp16.onnx"),
    ],
    ids=["8 bits", "full rather than half", "only half"],
)
def test_of_several_precisions_the_one_that_runs_live_is_taken(
    tmp_path: Path, names: list[str], taken: str
) -> None:
    touch(tmp_path, *names)
    assert roles(tmp_path) == {"encoder": taken}


def test_two_models_in_one_folder_are_refused_by_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "encoder-chunk-16-left-64.onnx", "encoder-chunk-16-left-128.onnx")
    with pytest.raises(ModelError, match=r"left-128.onnx and .*left-64.onnx.*leave only one"):
        find_files(tmp_path)


def test_tokens_and_configuration_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "vocab.txt")
    (tmp_path / "config.json").write_text('{"features_size": 128}')
    files = find_files(tmp_path)
    assert files.tokens == tmp_path / "vocab.txt"
    assert files.config == {"features_size": 128}


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config.json cannot be read .*mend it"):
        find_files(tmp_path)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no joint network \(joiner\*.onnx\)"):
        find_files(tmp_path).network("joiner")


def with_weights_outside(path: Path, location: str) -> Path:
    onnx = pytest.importorskip("onnx", reason="the model is made with the package onnx")
    write_mlp(path, [64, 64])
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=16)
    return path


@pytest.mark.parametrize("location", ["encoder.onnx.data", "encoder.weights", "ünïcode.data"])
def test_files_with_weights_are_found_by_what_the_model_calls_them(
    tmp_path: Path, location: str
) -> None:
    path = with_weights_outside(tmp_path / "encoder.onnx", location)
    assert weight_files(path) == [tmp_path / location]
    assert np.fromfile(tmp_path / location, np.uint8).size >= 64 * 64 * 4


def test_a_model_that_holds_its_weights_itself_has_no_other_files(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the model is made with the package onnx")
    assert weight_files(write_mlp(tmp_path / "model.onnx", [8, 8])) == []


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = with_weights_outside(tmp_path / "encoder.onnx", "encoder.onnx.data")
    (tmp_path / "encoder.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"weights in the file 'encoder.onnx.data'.*put it there"):
        weight_files(path)
