"""What is made of a folder with a model as somebody exported it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from gapless.errors import ModelError
from gapless.infer.repository.manifest import Manifest, StateEntry, TensorEntry
from gapless.infer.repository.manifest_file import read_manifest as read_part
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.listen.recogniser.profiles.detect import describe, detect
from gapless.listen.recogniser.profiles.layout import write_manifest
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.streaming.manifest import RecogniserManifest, read_manifest
from gapless.testing import nemo_models, zipformer_models
from gapless.testing.graph import Graph
from gapless.testing.mel_filters import slaney_filters
from gapless.testing.onnx_models import write_double

onnx = pytest.importorskip("onnx", reason="the models are made with the package onnx")

Write = Callable[[Path], object]

WRITERS: Final[dict[str, Write]] = {
    "nemo": nemo_models.write_nemo,
    "nemo-ctc": nemo_models.write_nemo_ctc,
    "fastconformer": nemo_models.write_fastconformer,
    "zipformer": zipformer_models.write_zipformer,
    "zipformer-offline-ctc": zipformer_models.write_offline_zipformer_ctc,
}


@pytest.mark.parametrize(
    ("name", "family", "profile", "parts"),
    [
        ("nemo", "nemo", "nemo", {"encoder": 2, "decoder_joint": 64}),
        ("nemo-ctc", "nemo", "ctc", {"encoder": 2}),
        (
            "fastconformer",
            "fastconformer",
            "fastconformer",
            {"encoder": 32, "predictor": 1, "joiner": 64},
        ),
        ("zipformer", "zipformer", "zipformer", {"encoder": 32, "predictor": 64, "joiner": 64}),
        ("zipformer-offline-ctc", "zipformer", "ctc", {"encoder": 2}),
    ],
)
def test_each_kind_of_export_becomes_a_recogniser(
    tmp_path: Path, name: str, family: str, profile: str, parts: dict[str, int]
) -> None:
    """A prediction network whose second state has a fixed batch axis takes one row at a time; all others batch."""
    WRITERS[name](tmp_path)
    assert detect(tmp_path) == family
    manifest = describe(tmp_path)
    assert manifest.profile == profile
    assert read_manifest((tmp_path / "recogniser.toml").read_text("utf-8")) == manifest
    found = {
        folder.name: read_part(folder).max_batch for folder in tmp_path.iterdir() if folder.is_dir()
    }
    assert found == parts
    assert all((tmp_path / part / "1" / "model.onnx").is_file() for part in parts)
    assert not list(tmp_path.glob("*.onnx"))
    vocabulary = Vocabulary.read(tmp_path / manifest.tokens, manifest.token_kind)
    assert vocabulary.tokens[manifest.blank] == "<blk>"
    assert manifest.token_kind == "pieces"


def test_an_offline_encoder_is_heard_in_windows_with_context(tmp_path: Path) -> None:
    encoder = describe(nemo_models.write_nemo(tmp_path)).encoder
    assert (encoder.left_frames, encoder.chunk_frames, encoder.right_frames) == (560, 160, 160)
    assert (encoder.subsampling, encoder.drop_frames, encoder.frame_ms) == (8, 70, 80)
    assert not encoder.fill_front
    assert encoder.layout == encoder.output_layout == "feature_major"
    assert read_part(tmp_path / "encoder").inputs == (), "short utterances have shorter windows"


def test_a_cache_aware_encoder_moves_by_its_chunk_and_carries_its_caches(tmp_path: Path) -> None:
    encoder = describe(nemo_models.write_fastconformer(tmp_path)).encoder
    assert (encoder.left_frames, encoder.chunk_frames) == (9, 16)
    assert (encoder.drop_frames, encoder.fill_front, encoder.pad) == (0, True, 0.0)
    states = read_part(tmp_path / "encoder").states
    assert [(state.output, state.shape) for state in states] == [
        ("cache_last_channel_next", (2, 5, 12)),
        ("cache_last_time_next", (2, 12, 3)),
        ("cache_last_channel_next_len", ()),
    ]


@pytest.mark.parametrize("metadata", [True, False])
def test_a_zipformer_carries_its_states_by_name_each_with_its_own_batch_axis(
    tmp_path: Path, metadata: bool
) -> None:
    manifest = describe(zipformer_models.write_zipformer(tmp_path, metadata=metadata))
    assert (manifest.encoder.chunk_frames, manifest.encoder.right_frames) == (32, 13)
    assert manifest.encoder.pad == pytest.approx(-15.9424, abs=1e-4)
    assert manifest.transducer is not None
    assert manifest.transducer.first_tokens == (-1, 0)
    states = {state.input: state for state in read_part(tmp_path / "encoder").states}
    assert all(state.output == f"new_{name}" for name, state in states.items())
    axes = {name: state.axis for name, state in states.items() if name.endswith(("_1", "s"))}
    assert axes == {
        "cached_key_1": 1,
        "cached_nonlin_attn_1": 1,
        "cached_val1_1": 1,
        "cached_val2_1": 1,
        "cached_conv1_1": 0,
        "cached_conv2_1": 0,
        "embed_states": 0,
        "processed_lens": 0,
    }


def test_durations_are_the_scores_behind_the_tokens(tmp_path: Path) -> None:
    transducer = describe(nemo_models.write_nemo(tmp_path, durations=5)).transducer
    assert transducer is not None
    assert transducer.durations == (0, 1, 2, 3, 4)
    assert transducer.states == (
        ("input_states_1", "output_states_1"),
        ("input_states_2", "output_states_2"),
    )


def test_prediction_and_joint_networks_of_nemo_may_be_two_files(tmp_path: Path) -> None:
    """As sherpa-onnx exports Parakeet TDT."""
    nemo_models.write_nemo(tmp_path)
    (tmp_path / "decoder_joint-model.onnx").unlink()
    nemo_models.write_nemo_decoder(tmp_path / "decoder.onnx")
    nemo_models.write_nemo_joiner(tmp_path / "joiner.onnx", durations=5)
    transducer = describe(tmp_path).transducer
    assert transducer is not None
    assert (transducer.predictor, transducer.joiner, transducer.fused) == (
        "predictor",
        "joiner",
        None,
    )
    assert transducer.durations == (0, 1, 2, 3, 4)
    assert transducer.states == (("states.1", "states"), ("onnx::LSTM_3", "74"))


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("nemo", "decoder_joint-model.onnx", r"no prediction network \(decoder\*.onnx or"),
        ("fastconformer", "joiner.onnx", r"no joint network \(joiner\*.onnx\)"),
        ("zipformer", "decoder-epoch-99-avg-1.onnx", "no prediction network"),
        ("zipformer", "tokens.txt", "neither tokens.txt nor vocab.txt"),
        ("nemo-ctc", "model.onnx", r"no encoder\*.onnx or model\*.onnx"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_changed(
    tmp_path: Path, name: str, file: str, told: str
) -> None:
    WRITERS[name](tmp_path)
    (tmp_path / file).unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelError, match=told):
        describe(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_another_models_tokens_are_refused_with_both_numbers(tmp_path: Path) -> None:
    zipformer_models.write_zipformer(tmp_path)
    with (tmp_path / "tokens.txt").open("a") as file:
        file.write("more 12\n")
    with pytest.raises(ModelError, match=r"has 13 tokens .* tells 12 apart"):
        describe(tmp_path)


def test_a_cache_aware_export_that_does_not_say_how_it_streams_is_told_where_to_say_it(
    tmp_path: Path,
) -> None:
    nemo_models.write_fastconformer(tmp_path, metadata=False)
    with pytest.raises(ModelError, match=r"no number 'window_size'.*config.json.*pre_encode_cache"):
        describe(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(nemo_models.FASTCONFORMER_METADATA))
    assert describe(tmp_path).encoder.left_frames == 9


def test_a_normalisation_that_is_not_known_is_refused(tmp_path: Path) -> None:
    nemo_models.write_nemo(tmp_path, normalise="all_features")
    with pytest.raises(ModelError, match="only per_feature is"):
        describe(tmp_path)


def test_something_else_is_no_profile(tmp_path: Path) -> None:
    assert detect(tmp_path) is None
    write_double(tmp_path / "model.onnx")
    assert detect(tmp_path) is None
    with pytest.raises(ModelError, match="with the inputs x; what is known are"):
        describe(tmp_path)


@pytest.mark.parametrize("linked", [False, True])
def test_weights_beside_a_network_go_with_it(tmp_path: Path, linked: bool) -> None:
    own, folder = tmp_path / "own", tmp_path / "model"
    path = nemo_models.write_nemo_ctc(own) / "model.onnx"
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="model.data", size_threshold=200
    )
    folder.mkdir()
    for file in sorted(own.iterdir()):
        if linked:
            (folder / file.name).symlink_to(file)
        else:
            shutil.copyfile(file, folder / file.name)
    describe(folder)
    assert (folder / "encoder" / "1" / "model.data").is_symlink() == linked
    assert Network(folder / "encoder" / "1" / "model.onnx").outputs.keys() == {"logprobs"}


def test_files_that_are_links_stay_as_they_are_where_they_lie(tmp_path: Path) -> None:
    own, linked = tmp_path / "own", tmp_path / "linked"
    nemo_models.write_nemo_ctc(own)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    linked.mkdir()
    for name in before:
        (linked / name).symlink_to(Path("..", "own", name))
    (linked / "tokens.txt").symlink_to(own / "vocab.txt")
    describe(linked)
    assert {path.name: path.read_bytes() for path in own.iterdir()} == before
    assert (linked / "encoder" / "1" / "model.onnx").read_bytes() == before["model.onnx"]
    assert (linked / "tokens.txt").read_text("utf-8").endswith("<blk> 11\n")


def test_what_is_known_of_a_model_besides_can_be_written_down(tmp_path: Path) -> None:
    manifest = describe(nemo_models.write_nemo_ctc(tmp_path))
    known: RecogniserManifest = msgspec.structs.replace(manifest, languages=("en",), owner="NVIDIA")
    write_manifest(tmp_path, known)
    assert read_manifest((tmp_path / "recogniser.toml").read_text("utf-8")) == known


def test_a_preprocessor_that_computes_what_we_do_is_left_out(tmp_path: Path) -> None:
    nemo_models.write_nemo(tmp_path, normalise=None)
    nemo_models.write_preprocessor(tmp_path / "nemo16.onnx", slaney_filters(nemo_models.MELS))
    features = describe(tmp_path).features
    assert (features.part, features.normalise) == (None, "per_window")


def test_a_model_whose_rows_are_not_independent_is_given_one_at_a_time(tmp_path: Path) -> None:
    """Its batch axis is called one, but it subtracts the mean over it."""
    graph = Graph(1)
    graph.give(graph.op("Sub", "x", graph.op("ReduceMean", "x", axes=[0])), "y")
    shape = (np.float32, ("batch", 8))
    mixing = Network(graph.save(tmp_path / "mixing.onnx", {"x": shape}, {"y": shape}))
    assert not mixing.try_out(Manifest(), {}).batches
    double = Network(write_double(tmp_path / "double.onnx"))
    assert double.try_out(Manifest(), {}).batches


def test_a_state_along_the_wrong_axis_is_found_out(tmp_path: Path) -> None:
    """Both its axes are open, and only one of them counts rows."""
    graph = Graph(1)
    moved = graph.op("Transpose", "s", perm=[1, 0])
    graph.give(
        graph.op("Add", "x", graph.op("ReduceSum", moved, graph.const([1]), keepdims=1)), "y"
    )
    graph.give("s", "new_s")
    state = (np.float32, ("L", "N"))
    shape = (np.float32, ("N", 1))
    path = graph.save(tmp_path / "m.onnx", {"x": shape, "s": state}, {"y": shape, "new_s": state})
    network = Network(path)

    def tried(axis: int) -> bool:
        state = StateEntry(input="s", output="new_s", shape=(3,), axis=axis)
        return network.try_out(
            Manifest(inputs=(TensorEntry(name="x"),), states=(state,)), {}
        ).batches

    assert tried(1)
    assert not tried(0)
