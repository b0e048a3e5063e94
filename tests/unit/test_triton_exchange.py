"""Tensors in KServe's messages: they come out as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gapless.errors import ModelError
from gapless.infer.triton.exchange import (
    RemoteModel,
    make_ending,
    make_request,
    mark_step,
    read_outputs,
)
from gapless.infer.wire import messages
from gapless.infer.wire.tensors import DATATYPES

MODEL = RemoteModel("m", "3", "the model here")


def echo(request: Any) -> Any:
    """The answer of a model that gives back what it got."""
    return messages.ModelInferResponse(
        outputs=[
            {"name": one.name, "datatype": one.datatype, "shape": one.shape}
            for one in request.inputs
        ],
        raw_output_contents=request.raw_input_contents,
    )


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_arrays_of_every_type_come_back_and_can_be_written_to(datatype: str) -> None:
    array = np.array([[1, 0, 2], [3, 1, 0]]).astype(DATATYPES[datatype])
    if datatype == "BYTES":
        array = np.array([[b"one", b""], [b"\xff\x00", "zwölf".encode()]], object)
    request = make_request(MODEL, {"x": array, "y": array[:, :0]})
    assert (request.model_name, request.model_version) == ("m", "3")

    outputs = read_outputs(echo(request), MODEL.where)
    for name, want in (("x", array), ("y", array[:, :0])):
        assert outputs[name].dtype == want.dtype
        assert outputs[name].shape == want.shape
        assert outputs[name].tolist() == want.tolist()
        assert outputs[name].flags.writeable


def test_a_type_that_cannot_travel_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="the model here cannot be given 'when'") as refused:
        make_request(MODEL, {"when": np.zeros(1, "datetime64[s]")})
    assert refused.value.param == "when"


def test_the_end_of_a_stream_has_inputs_of_its_last_shape_that_say_nothing() -> None:
    texts = np.array([[b"some", b"text"]], object)
    step = make_request(MODEL, {"x": np.ones((1, 3), np.float32), "texts": texts})
    mark_step(step, 77, start=True, end=False)
    ending = make_ending(step)

    parameters = ending.parameters
    assert parameters["sequence_id"].int64_param == 77
    assert not parameters["sequence_start"].bool_param
    assert parameters["sequence_end"].bool_param
    assert (ending.model_name, ending.model_version) == ("m", "3")
    zeros = read_outputs(echo(ending), MODEL.where)
    assert zeros["x"].tolist() == [[0, 0, 0]]
    assert zeros["texts"].tolist() == [[b"", b""]]


@pytest.mark.parametrize(
    ("datatype", "shape", "contents"),
    [
        ("FP32", (2,), [b"1234"]),
        ("FP32", (1,), []),
        ("NO", (1,), [b"1234"]),
        ("FP32", (-1,), [b""]),
    ],
)
def test_an_answer_that_contradicts_itself_is_a_model_error(
    datatype: str, shape: tuple[int, ...], contents: list[bytes]
) -> None:
    answer = messages.ModelInferResponse(
        outputs=[{"name": "y", "datatype": datatype, "shape": shape}], raw_output_contents=contents
    )
    with pytest.raises(ModelError, match="the model here sent an answer that cannot be read"):
        read_outputs(answer, MODEL.where)
