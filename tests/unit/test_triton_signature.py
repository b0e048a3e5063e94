"""What a server says of a model, and what becomes of it here."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.errors import ModelError
from gapless.infer.contract import ModelInfo, StateInfo
from gapless.infer.repository.manifest import LimitEntries, Manifest, StateEntry, TensorEntry
from gapless.infer.triton.options import TritonOptions
from gapless.infer.triton.signature import read_info
from gapless.infer.wire import messages

X = {"name": "x", "datatype": "FP32", "shape": (-1, 4, -1)}
Y = {"name": "y", "datatype": "INT64", "shape": (-1, 2)}


def info(
    config: dict[str, Any],
    *,
    inputs: Any = (X,),
    outputs: Any = (Y,),
    outputs_said: tuple[TensorEntry, ...] = (),
    **manifest: Any,
) -> ModelInfo:
    options = TritonOptions(urls=("here:1",))
    said = Manifest(platform="triton", triton=options, outputs=outputs_said, **manifest)
    metadata = messages.ModelMetadataResponse(name="m", inputs=inputs, outputs=outputs)
    return read_info("m", "1", said, metadata, messages.ModelConfig(**config))


def test_a_model_that_batches_has_rows_without_the_batch_axis() -> None:
    got = info({"max_batch_size": 12})
    assert got.batched
    assert got.platform == "triton"
    assert got.limits.buckets == (1, 2, 4, 8, 12)
    assert [(t.name, t.datatype, t.shape) for t in got.inputs] == [("x", "FP32", (4, -1))]
    assert [(t.name, t.datatype, t.shape) for t in got.outputs] == [("y", "INT64", (2,))]
    assert got.sequences == "none"


def test_a_model_without_a_batch_axis_keeps_its_whole_shapes() -> None:
    got = info({"max_batch_size": 0})
    assert not got.batched
    assert got.limits.buckets == (1,)
    assert [tensor.shape for tensor in got.inputs] == [(-1, 4, -1)]


def test_a_model_whose_state_the_server_keeps_takes_one_row_at_a_time() -> None:
    got = info({"max_batch_size": 8, "sequence_batching": {}})
    assert (got.sequences, got.batched, got.limits.buckets) == ("server", True, (1,))


def test_states_that_go_through_the_tensors_are_carried_here() -> None:
    h = [{"name": name, "datatype": "FP32", "shape": (-1, 3)} for name in ("h", "h_next")]
    got = info(
        {"max_batch_size": 8},
        inputs=(X, h[0]),
        outputs=(Y, h[1]),
        states=(StateEntry(input="h", output="h_next"),),
    )
    assert got.sequences == "slots"
    assert got.states == (StateInfo("h", "h_next", "FP32", (3,)),)
    assert [tensor.name for tensor in got.inputs] == ["x"]
    with pytest.raises(ModelError, match="its Triton server keeps them"):
        info({"sequence_batching": {}}, states=(StateEntry(input="h", output="h_next"),))


def test_inputs_that_the_server_can_do_without_are_optional() -> None:
    config = {"max_batch_size": 1, "input": [{"name": "x", "optional": True}]}
    assert [tensor.optional for tensor in info(config).inputs] == [True]
    assert [tensor.optional for tensor in info({"max_batch_size": 1}).inputs] == [False]


def test_the_manifest_adds_what_the_server_does_not_say() -> None:
    labels = TensorEntry(name="y", labels=("no", "yes"))
    got = info(
        {"max_batch_size": 8},
        description="says yes or no",
        outputs_said=(labels,),
        limits=LimitEntries(max_waiting_rows=7, buckets=(2, 4)),
    )
    assert got.description == "says yes or no"
    assert got.outputs[0].labels == ("no", "yes")
    assert (got.limits.max_waiting_rows, got.limits.buckets) == (7, (2, 4))


@pytest.mark.parametrize("largest", [0, 9])
def test_the_manifest_cannot_ask_for_batches_that_the_server_does_not_take(largest: int) -> None:
    with pytest.raises(ModelError, match=f"{largest} in the manifest, but 8 on the Triton server"):
        info({"max_batch_size": 8}, max_batch=largest)


def test_a_manifest_that_contradicts_the_server_is_refused() -> None:
    with pytest.raises(ModelError, match="INT64"):
        info({"max_batch_size": 8}, outputs_said=(TensorEntry(name="y", datatype="FP32"),))


@pytest.mark.parametrize(
    ("config", "tensor", "match"),
    [
        ({"model_transaction_policy": {"decoupled": True}}, X, "decoupled"),
        ({"max_batch_size": 1}, X | {"datatype": "BF16"}, "BF16 on the Triton server"),
    ],
)
def test_a_model_that_cannot_be_called_is_refused(
    config: dict[str, Any], tensor: dict[str, Any], match: str
) -> None:
    with pytest.raises(ModelError, match=match):
        info(config, inputs=(tensor,))
