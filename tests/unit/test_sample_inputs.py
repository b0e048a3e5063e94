from __future__ import annotations

import numpy as np

from gapless.infer.contract import ModelInfo, StateInfo, TensorInfo
from gapless.infer.sample_inputs import has_free_lengths, random_inputs, zero_inputs

INFO = ModelInfo(
    name="tried",
    platform="onnxruntime_onnx",
    inputs=(
        TensorInfo("x", "FP32", (3, -1)),
        TensorInfo("n", "INT64", ()),
        TensorInfo("t", "BYTES", (2,)),
    ),
    outputs=(),
    states=(StateInfo("h", "h_next", "FP16", (1, 5), axis=1, initial=2.0),),
    batched=True,
)


def test_zeros_have_the_shapes_that_the_model_says() -> None:
    inputs = zero_inputs(INFO, rows=4, free=7)
    assert {name: (str(a.dtype), a.shape) for name, a in inputs.items()} == {
        "x": ("float32", (4, 3, 7)),
        "n": ("int64", (4,)),
        "t": ("object", (4, 2)),
        "h": ("float16", (1, 4, 5)),
    }
    assert not inputs["x"].any()
    assert inputs["t"].tolist() == [[b"", b""]] * 4
    assert (inputs["h"] == 2).all()


def test_random_numbers_are_those_of_their_seed() -> None:
    one, same, other = (random_inputs(INFO, 4, 7, seed) for seed in (1, 1, 2))
    for name in ("x", "n", "t"):
        assert one[name].tolist() == same[name].tolist()
        assert one[name].tolist() != other[name].tolist()
    assert set(np.unique(one["n"])) <= {0, 1}
    assert all(isinstance(text, bytes) for text in one["t"].flat)
    assert (one["h"] == 2).all(), "states are what they are before the first step"


def test_without_a_batch_axis_there_is_none() -> None:
    plain = ModelInfo(
        name="tried",
        platform="onnxruntime_onnx",
        inputs=(TensorInfo("x", "FP32", (2, 3)),),
        outputs=(),
    )
    assert zero_inputs(plain, rows=1, free=1)["x"].shape == (2, 3)
    assert not has_free_lengths(plain)
    assert has_free_lengths(INFO)
