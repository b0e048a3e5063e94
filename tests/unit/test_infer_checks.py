"""What a request is told before it waits."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.errors import ModelError, TooLargeError
from gapless.infer.contract import Array
from gapless.infer.engine.checks import Checks
from gapless.testing.models import FunctionModel, double, mirror, row_sums, upper


def checks(model: FunctionModel, most_rows: int = 100) -> Checks:
    return Checks(model.info, most_rows)


def floats(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def test_a_request_that_fits_is_counted_by_its_rows() -> None:
    assert checks(double()).inputs({"x": floats(3, 4)}) == (3, ())


def test_without_a_batch_axis_a_request_is_one_row() -> None:
    assert checks(mirror()).inputs({"x": floats(7)}) == (1, (("x", (7,)),))


def test_lengths_that_may_differ_are_the_signature() -> None:
    some = checks(row_sums())
    assert some.inputs({"x": floats(2, 5)}) == (2, (("x", (5,)),))
    assert some.inputs({"x": floats(2, 5), "y": floats(2, 3)})[1] == (("x", (5,)), ("y", (3,)))


@pytest.mark.parametrize(
    ("inputs", "param", "words"),
    [
        ({}, "x", "needs the input 'x': FP32 [rows, 4]"),
        ({"x": floats(1, 4), "z": floats(1)}, "z", "takes no input 'z'; send x"),
        ({"x": floats(1, 5)}, "x", "takes FP32 [rows, 4] as 'x', not float32 [1, 5]"),
        ({"x": floats(4)}, "x", "not float32 [4]"),
        ({"x": floats(1, 1, 4)}, "x", "not float32 [1, 1, 4]"),
        ({"x": np.float32(1).reshape(())}, "x", "not float32 []"),
        ({"x": floats(0, 4)}, "x", "not float32 [0, 4]"),
        ({"x": np.zeros((1, 4))}, "x", "not float64 [1, 4]"),
        ({"x": np.zeros((1, 4), ">f4")}, "x", "not >f4 [1, 4]"),
    ],
)
def test_what_does_not_fit_is_named(inputs: dict[str, Array], param: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        checks(double()).inputs(inputs)
    assert caught.value.param == param
    assert words in str(caught.value)
    assert "double" in str(caught.value)


def test_all_inputs_bring_as_many_rows() -> None:
    with pytest.raises(ModelError, match="2 rows, but 3 of 'y'"):
        checks(row_sums()).inputs({"x": floats(2, 5), "y": floats(3, 5)})


def test_texts_are_bytes() -> None:
    shouting = checks(upper())
    texts = np.empty((2, 1), np.object_)
    texts[:] = [[b"a"], ["b"]]
    with pytest.raises(ModelError, match="takes texts as bytes in 'text'; encode them"):
        shouting.inputs({"text": texts})
    texts[1, 0] = b"b"
    assert shouting.inputs({"text": texts}) == (2, ())


def test_more_rows_than_a_request_may_bring_are_refused() -> None:
    with pytest.raises(TooLargeError, match="9 rows are more than the 8"):
        checks(double(), most_rows=8).inputs({"x": floats(9, 4)})


def test_outputs_are_all_or_those_that_are_named() -> None:
    some = checks(double())
    assert some.outputs(None) == ("y",)
    assert some.outputs(("y",)) == ("y",)
    assert some.outputs(()) == ()
    with pytest.raises(ModelError, match="gives no output 'z'; ask for y") as caught:
        some.outputs(("y", "z"))
    assert caught.value.param == "z"
