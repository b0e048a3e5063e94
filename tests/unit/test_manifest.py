from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ModelError
from gapless.infer.contract import ModelInfo, ModelLimits, StateInfo, TensorInfo
from gapless.infer.onnx.description import OnnxDescription, OnnxTensor
from gapless.infer.repository.manifest import (
    LimitEntries,
    Manifest,
    StateEntry,
    TensorEntry,
    powers_of_two,
    resolve_info,
    resolve_limits,
)
from gapless.infer.repository.manifest_file import parse_manifest, read_manifest


def tensor(name: str, *shape: int | str, datatype: str = "FP32") -> OnnxTensor:
    return OnnxTensor(name, datatype, shape)


BATCHED = OnnxDescription((tensor("x", "N", 4),), (tensor("y", "N", 2),))
PLAIN = OnnxDescription((tensor("x", 1, 4),), (tensor("y", 1, 2),))
STATEFUL = OnnxDescription(
    (tensor("x", "N", 4), tensor("h", 1, "N", 8)), (tensor("y", "N"), tensor("hn", 1, "N", 8))
)
CARRY = StateEntry(input="h", output="hn", axis=1)


def resolved(file: OnnxDescription, /, **fields: Any) -> ModelInfo:
    return resolve_info("m", "3", Manifest(**fields), file)


# --- what a manifest and a file come to ---


def test_a_file_needs_no_manifest() -> None:
    info = resolve_info("m", "3", Manifest(), BATCHED)

    assert (info.name, info.version, info.platform) == ("m", "3", "onnxruntime_onnx")
    assert info.inputs == (TensorInfo("x", "FP32", (4,)),)
    assert info.outputs == (TensorInfo("y", "FP32", (2,)),)
    assert info.batched
    assert info.limits.buckets == (1, 2, 4, 8, 16, 32)
    assert info.sequences == "none"


def test_a_file_without_an_open_axis_in_front_has_no_batches() -> None:
    info = resolve_info("m", "1", Manifest(), PLAIN)

    assert not info.batched
    assert info.inputs == (TensorInfo("x", "FP32", (1, 4)),)
    assert info.limits.buckets == (1,)


def test_what_the_manifest_says_of_the_model_is_told() -> None:
    info = resolved(
        BATCHED,
        description="d",
        licence="l",
        kind="vad",
        accepts="audio",
        audio_rate_hz=16_000,
        audio_hop_samples=2,
        flux=True,
        allows_nan=True,
        limits=LimitEntries(max_waiting_rows=5, timeout_ms=7),
    )

    assert (info.description, info.licence, info.kind) == ("d", "l", "vad")
    assert (info.accepts, info.audio_rate_hz, info.audio_hop_samples) == ("audio", 16_000, 2)
    assert info.flux
    assert info.allows_nan
    assert (info.limits.max_waiting_rows, info.limits.timeout_ms) == (5, 7)


def test_limits_are_of_the_contracts_type() -> None:
    assert type(resolved(BATCHED).limits) is ModelLimits


def test_the_manifest_may_fix_a_length_and_name_labels() -> None:
    description = OnnxDescription((tensor("x", "N", "length"),), (tensor("y", "N", 2),))

    info = resolved(
        description,
        inputs=(TensorEntry(name="x", shape=(16,), optional=True),),
        outputs=(TensorEntry(name="y", labels=("no", "yes")),),
    )

    assert info.inputs == (TensorInfo("x", "FP32", (16,), optional=True),)
    assert info.outputs == (TensorInfo("y", "FP32", (2,), labels=("no", "yes")),)


def test_an_output_whose_shape_the_file_hides_is_taken_from_the_manifest() -> None:
    hidden = OnnxDescription((tensor("x", "N", 4),), (tensor("y"),))

    info = resolved(hidden, max_batch=8, outputs=(TensorEntry(name="y", shape=(-1,)),))

    assert info.outputs == (TensorInfo("y", "FP32", (-1,)),)


def test_states_leave_the_inputs_and_outputs() -> None:
    info = resolved(STATEFUL, states=(CARRY,))

    assert [one.name for one in info.inputs] == ["x"]
    assert info.outputs == (TensorInfo("y", "FP32", ()),)
    assert info.states == (StateInfo("h", "hn", "FP32", (1, 8), axis=1),)
    assert info.sequences == "slots"
    assert info.batched, "the state's batch axis is elsewhere, and says nothing against one"


def test_states_of_a_model_without_batches_are_whole() -> None:
    single = OnnxDescription(
        (tensor("x", 4), tensor("h", 8)), (tensor("y", 2), tensor("hn", 8, datatype="FP32"))
    )

    info = resolved(single, states=(StateEntry(input="h", output="hn", initial=0.5),))

    assert info.states == (StateInfo("h", "hn", "FP32", (8,), initial=0.5),)


def test_a_batch_axis_of_fixed_length_is_the_only_bucket() -> None:
    fours = OnnxDescription((tensor("x", 4, 3),), (tensor("y", 4),))

    assert resolved(fours, limits=LimitEntries(buckets=(4,))).inputs[0].shape == (3,)
    with pytest.raises(ModelError, match=r"always 4; set limits.buckets to \[4\]"):
        resolved(fours, max_batch=4)


def test_buckets_end_with_the_largest_batch() -> None:
    assert resolved(BATCHED, max_batch=24).limits.buckets == (1, 2, 4, 8, 16, 24)
    assert resolved(BATCHED, limits=LimitEntries(buckets=(3, 9))).limits.buckets == (3, 9)
    assert resolved(BATCHED, max_batch=1).limits.buckets == (1,)
    assert resolved(BATCHED, max_batch=1).batched
    with pytest.raises(ModelError, match="the last bucket is the largest batch"):
        resolved(BATCHED, max_batch=8, limits=LimitEntries(buckets=(1, 4)))
    with pytest.raises(ModelError, match="no batch axis"):
        resolve_limits(LimitEntries(buckets=(1, 4)), 0)


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [(0, (1,)), (1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8, 9))],
)
def test_powers_of_two_end_with_the_largest(largest: int, sizes: tuple[int, ...]) -> None:
    assert powers_of_two(largest) == sizes


@pytest.mark.parametrize(
    ("fields", "both"),
    [
        ({"inputs": (TensorEntry(name="z"),)}, ["'z'", "file has x"]),
        ({"outputs": (TensorEntry(name="x"),)}, ["'x'", "file has y"]),
        ({"inputs": (TensorEntry(name="x", shape=(5,)),)}, ["[5]", "[4]", "[N, 4]"]),
        ({"inputs": (TensorEntry(name="x", shape=(-1,)),)}, ["[-1]", "[4]"]),
        ({"inputs": (TensorEntry(name="x", shape=(4, 1)),)}, ["[4, 1]", "[4]"]),
        ({"inputs": (TensorEntry(name="x", datatype="INT8"),)}, ["INT8", "FP32"]),
        ({"inputs": (TensorEntry(name="x", datatype="FLOAT"),)}, ["no type", "FP32"]),
        ({"inputs": (TensorEntry(name="x"), TensorEntry(name="x"))}, ["'x' twice"]),
        ({"states": (StateEntry(input="h", output="y"),)}, ["'h' as a state's input", "x"]),
        ({"states": (StateEntry(input="x", output="h"),)}, ["'h' as a state's output", "y"]),
    ],
)
def test_where_manifest_and_file_differ_both_are_shown(
    fields: dict[str, Any], both: list[str]
) -> None:
    with pytest.raises(ModelError) as error:
        resolved(BATCHED, **fields)

    assert all(part in error.value.message for part in both), error.value.message


def test_a_tensor_without_a_batch_axis_is_named() -> None:
    scalar = OnnxDescription((tensor("x", "N", 4), tensor("rate")), (tensor("y", "N"),))

    with pytest.raises(ModelError, match=r"input 'rate' has the shape \[\].*set max_batch to 0"):
        resolved(scalar, max_batch=8)


def test_a_state_of_unknown_length_has_to_be_given_one() -> None:
    open_state = OnnxDescription(
        (tensor("x", "N"), tensor("h", "N", "")), (tensor("y", "N"), tensor("hn", "N", ""))
    )

    with pytest.raises(ModelError, match=r"\[N, \?\].*say its shape"):
        resolved(open_state, states=(StateEntry(input="h", output="hn"),))
    states = resolved(open_state, states=(StateEntry(input="h", output="hn", shape=(6,)),)).states
    assert states[0].shape == (6,)


def test_a_state_keeps_its_type_from_step_to_step() -> None:
    mixed = OnnxDescription(
        (tensor("x", "N"), tensor("h", "N", 2)),
        (tensor("y", "N"), tensor("hn", "N", 2, datatype="FP64")),
    )

    with pytest.raises(ModelError, match=r"FP32.*'hn'.*FP64"):
        resolved(mixed, states=(StateEntry(input="h", output="hn"),))


# --- the file ---


def test_every_field_can_be_said() -> None:
    manifest = parse_manifest(
        """
        description = "d"
        licence = "MIT"
        platform = "onnxruntime_onnx"
        kind = "classifier"
        file = "net.onnx"
        versions = [1, 3]
        max_batch = 8
        accepts = "audio"
        audio_rate_hz = 16000
        audio_hop_samples = 512
        flux = true
        allows_nan = true
        provider = "cpu"

        [[input]]
        name = "x"
        datatype = "FP32"
        shape = [-1, 4]
        optional = true

        [[output]]
        name = "y"
        labels = ["a", "b"]

        [[state]]
        input = "h"
        output = "hn"
        shape = [2]
        axis = 1
        initial = 1

        [limits]
        buckets = [1, 8]
        max_delay_ms = 2
        """
    )

    assert manifest == Manifest(
        description="d",
        licence="MIT",
        kind="classifier",
        file="net.onnx",
        versions=(1, 3),
        max_batch=8,
        accepts="audio",
        audio_rate_hz=16_000,
        audio_hop_samples=512,
        flux=True,
        allows_nan=True,
        provider="cpu",
        inputs=(TensorEntry(name="x", datatype="FP32", shape=(-1, 4), optional=True),),
        outputs=(TensorEntry(name="y", labels=("a", "b")),),
        states=(StateEntry(input="h", output="hn", shape=(2,), axis=1, initial=1.0),),
        limits=LimitEntries(buckets=(1, 8), max_delay_ms=2.0),
    )


def test_a_model_on_triton_names_its_servers() -> None:
    manifest = parse_manifest('platform = "triton"\n[triton]\nurls = ["a:8001", "b:8001"]')

    assert manifest.triton is not None
    assert manifest.triton.urls == ("a:8001", "b:8001")


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("max_bacth = 1", "max_bacth", "did you mean max_batch?"),
        ("zzzz = 1", "zzzz", "those known are description, licence"),
        ('[[input]]\nname = "a"\nshap = [1]', "input[0].shap", "did you mean shape?"),
        ("[limits]\nmax_sequence = 3", "limits.max_sequence", "did you mean max_sequences?"),
        ('[triton]\nurl = "a:1"', "triton.url", "did you mean urls?"),
        ("max_batch = -1", "max_batch", ">= 0"),
        ('[[input]]\nname = "a"\nshape = [-2]', "input[0].shape[0]", ">= -1"),
        ('[[input]]\nname = ""', "input[0].name", "length >= 1"),
        ('[[state]]\ninput = "a"', "state[0]", "output"),
        ('versions = "none"', "versions", "'none'"),
        ("versions = 0", "versions", ">= 1"),
        ('accepts = "video"', "accepts", "'video'"),
        ('accepts = "audio"', "audio_rate_hz", "at what rate"),
        ("[limits]\nbuckets = [4, 1]", "limits.buckets", "sort it"),
        ("[limits]\nmax_sequences = 0", "limits.max_sequences", ">= 1"),
        ("[limits]\ntimeout_ms = -1", "limits.timeout_ms", ">= 0"),
        ('platform = "triton"', "triton", "say both, or neither"),
        ('[triton]\nurls = ["a:1"]', "triton", "say both, or neither"),
        ('platform = "triton"\n[triton]\nurls = ["a"]', "triton", "HOST:PORT"),
        ("input = 3", "input", "array"),
        ("= 3", None, "no TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(
    text: str, field: str | None, words: str
) -> None:
    with pytest.raises(ModelError) as error:
        parse_manifest(text)

    assert error.value.param == field
    assert "manifest.toml" in error.value.message
    assert words in error.value.message


def test_labels_are_read_from_their_file(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text('[[output]]\nname = "y"\nlabels_file = "words.txt"\n')
    (tmp_path / "words.txt").write_text("yes\nno\nça va\n", "utf-8")

    (output,) = read_manifest(tmp_path).outputs

    assert output.labels == ("yes", "no", "ça va")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('labels_file = "none.txt"', "none.txt cannot be read: No such file"),
        ('labels_file = "../secret.txt"', "outside the model's folder"),
        ('labels_file = "/etc/passwd"', "outside the model's folder"),
        ('labels_file = "odd.txt"', "odd.txt is not UTF-8"),
        ('labels_file = "odd.txt"\nlabels = ["a"]', "keep one of them"),
    ],
)
def test_labels_that_cannot_be_read_are_an_error(tmp_path: Path, line: str, words: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("s")
    (folder / "odd.txt").write_bytes(b"\xff")
    (folder / "manifest.toml").write_text(f'[[output]]\nname = "y"\n{line}\n')

    with pytest.raises(ModelError, match=re.escape(words)):
        read_manifest(folder)


def test_the_manifest_counts_where_both_files_are_there(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == Manifest()
    (tmp_path / "config.pbtxt").write_text("max_batch_size: 4")
    assert read_manifest(tmp_path).max_batch == 4
    (tmp_path / "manifest.toml").write_text("max_batch = 2")
    assert read_manifest(tmp_path).max_batch == 2


def test_a_file_of_enormous_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "manifest.toml").open("wb") as file:
        file.truncate(17 * 2**20)

    with pytest.raises(ModelError, match="larger than"):
        read_manifest(tmp_path)
