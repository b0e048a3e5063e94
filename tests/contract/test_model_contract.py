"""The contract of models, over the models of ``gapless.testing``; and that the suite finds what is broken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gapless.infer.contract import Array, Model, Tensors
from gapless.testing.model_contract import CHECKS, Check, Subject, check_close, check_model
from gapless.testing.models import (
    FunctionModel,
    ServerSum,
    double,
    mirror,
    picky,
    row_sums,
    running_sum,
    upper,
)

MODELS: tuple[Callable[[], Model], ...] = (
    double,
    picky,
    running_sum,
    row_sums,
    upper,
    mirror,
    ServerSum,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_models_keep_the_contract(make: Callable[[], Model], check: Check) -> None:
    check(Subject.of(make()))


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_models_can_be_closed_twice(make: Callable[[], Model]) -> None:
    check_close(make())


def _broken(run: Callable[[Tensors], dict[str, Array]], like: FunctionModel) -> FunctionModel:
    return FunctionModel(like.info, run)


def _leaky() -> FunctionModel:
    """Adds what the call before left."""
    last = np.zeros((1, 4), np.float32)

    def run(inputs: Tensors) -> dict[str, Array]:
        nonlocal last
        answer = inputs["x"] * np.float32(2) + last[:1] * 0.001
        last = inputs["x"].copy()
        return {"y": answer}

    return _broken(run, double())


def _neighbourly() -> FunctionModel:
    """A row feels its neighbours."""
    return _broken(lambda inputs: {"y": inputs["x"] + inputs["x"].mean(axis=0)}, double())


def _viewing() -> FunctionModel:
    """Gives what it was given."""

    def run(inputs: Tensors) -> dict[str, Array]:
        return {"y": inputs["x"]}

    return _broken(run, double())


def _reusing() -> FunctionModel:
    """Writes every answer to the same place."""
    places: dict[int, Array] = {}

    def run(inputs: Tensors) -> dict[str, Array]:
        x = inputs["x"]
        place = places.setdefault(len(x), np.empty_like(x))
        np.multiply(x, np.float32(2), out=place)
        return {"y": place}

    return _broken(run, double())


def _forgetful() -> FunctionModel:
    """Does not look at its state."""

    def run(inputs: Tensors) -> dict[str, Array]:
        x = inputs["x"]
        ones = np.ones((len(x), 1), np.int64)
        return {"sum": x.copy(), "steps": ones, "after": np.zeros((2, len(x), 3), np.float32)}

    return _broken(run, running_sum())


def _mistyped() -> FunctionModel:
    """Gives float64."""
    return _broken(lambda inputs: {"y": inputs["x"] * np.float64(2).reshape(1)}, double())


def _flattened() -> FunctionModel:
    """Gives one number a row."""
    return _broken(lambda inputs: {"y": inputs["x"].sum(axis=1)}, double())


@pytest.mark.parametrize(
    "make",
    [_leaky, _neighbourly, _viewing, _reusing, _forgetful, _mistyped, _flattened],
    ids=lambda make: make.__name__.strip("_"),
)
def test_the_suite_finds_what_is_broken(make: Callable[[], Model]) -> None:
    with pytest.raises(AssertionError):
        check_model(make)
