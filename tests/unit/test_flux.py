from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gapless.errors import ModelError, ProtocolError
from gapless.infer.contract import TensorInfo
from gapless.infer.flux import (
    MAX_SEED_DIGITS,
    STEPS,
    digital_root,
    doubling,
    flux_positions,
    read_seed,
)
from gapless.testing.models import double

INFO = double().info


@pytest.mark.parametrize(
    ("number", "position"), [(0, 0), (1, 1), (9, 9), (10, 1), (18, 9), (27, 9), (888, 6), (-12, 3)]
)
def test_a_position_is_the_digital_root(number: int, position: int) -> None:
    assert digital_root(number) == position


@given(st.integers())
def test_a_position_is_what_summing_digits_until_one_is_left_gives(number: int) -> None:
    digits = str(abs(number))
    while len(digits) > 1:
        digits = str(sum(map(int, digits)))

    assert digital_root(number) == int(digits)


@pytest.mark.parametrize(
    ("seed", "steps"),
    [
        (1, "248751248"),
        (872, "751248751"),
        (888, "363636363"),
        (9, "999999999"),
        (0, "000000000"),
    ],
)
def test_doubling_goes_round_in_the_circle_it_began_in(seed: int, steps: str) -> None:
    assert doubling(seed) == tuple(map(int, steps))


@given(st.integers())
def test_each_step_is_the_root_of_twice_the_last(seed: int) -> None:
    steps = doubling(seed)

    assert len(steps) == STEPS
    assert steps == tuple(digital_root(2 * before) for before in (seed, *steps[:-1]))


@pytest.mark.parametrize("text", ["", "-", "1.5", "1e3", "nine", "\u0663", "1_0", " 1", "1" * 1001])
def test_a_seed_is_a_whole_number_of_bounded_length(text: str) -> None:
    with pytest.raises(ProtocolError, match="whole number"):
        read_seed(text)


@pytest.mark.parametrize("text", ["0", "-7", "9" * MAX_SEED_DIGITS])
def test_a_seed_may_be_negative_and_long(text: str) -> None:
    assert read_seed(text) == int(text)


def test_the_label_is_the_place_of_the_largest_value_of_the_output_with_labels() -> None:
    labels = tuple(f"label {n}" for n in range(30))
    info = replace(
        INFO,
        outputs=(
            TensorInfo(name="other", datatype="INT64", shape=(1,)),
            TensorInfo(name="scores", datatype="FP32", shape=(30,), labels=labels),
        ),
    )
    scores = np.zeros((2, 30), np.float32)
    scores[0, 27] = scores[1, 11] = 1

    positions = flux_positions(info, {"scores": scores, "other": np.array([[5], [5]])})

    assert positions.tolist() == [9, 2]


def test_without_labels_an_output_of_whole_numbers_is_the_label_itself() -> None:
    info = replace(
        INFO,
        outputs=(
            TensorInfo(name="score", datatype="FP32", shape=(1,)),
            TensorInfo(name="label", datatype="INT64", shape=(1,)),
        ),
    )
    outputs = {"score": np.ones((1, 1), np.float32), "label": np.array([[888]])}

    assert flux_positions(info, outputs).tolist() == [[6]]


def test_an_answer_without_a_label_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="name labels in its manifest"):
        flux_positions(INFO, {"y": np.ones((1, 4), np.float32)})
