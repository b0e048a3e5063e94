"""An ONNX file that is looked into: what it takes and gives, what it says of itself, and what it does with two rows.

In: a file. Out: its tensors, its metadata, and what a trial of it shows. Invariants: what a model says of its batch
axes is believed only after a trial: two rows that are run together must give what each gives alone. Blocks while the
model loads and computes. Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, final

import msgspec
import numpy as np

from gapless.errors import ModelError
from gapless.infer.contract import Array, ModelInfo
from gapless.infer.onnx.description import OnnxTensor
from gapless.infer.onnx.model import OnnxModel
from gapless.infer.onnx.session import (
    SessionOptions,
    describe_session,
    open_session,
    runtime_errors,
)
from gapless.infer.repository.manifest import LimitEntries, Manifest, resolve_info
from gapless.infer.sample_inputs import random_inputs

TOLERANCE: Final = 0.1
"""Relative difference (RMS) between a row alone and with company; models of 8 bits round by what is in the batch."""


class Trial(NamedTuple):
    """What a call of a model showed."""

    rows: Mapping[str, tuple[int, ...]]
    """The shape of one row of each output, without the batch axis."""
    batches: bool
    """Whether rows may be put together."""


@final
class Network:
    """One ONNX file, loaded.

    Args:
        path: of the file.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ModelError: it holds no usable model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = open_session(path, SessionOptions(provider="cpu"))
        self._description = describe_session(self._opened.session, path)
        self.inputs = {tensor.name: tensor for tensor in self._description.inputs}
        self.outputs = {tensor.name: tensor for tensor in self._description.outputs}
        self.metadata: Mapping[str, str] = dict(
            self._opened.session.get_modelmeta().custom_metadata_map
        )

    def input(self, name: str) -> OnnxTensor:
        """An input that has to be there.

        Raises:
            ModelError: it is not.
        """
        return self._named(name, self.inputs, "takes")

    def first_output(self, *names: str) -> OnnxTensor:
        """The first of these outputs that is there.

        Raises:
            ModelError: none is.
        """
        for name in names:
            if name in self.outputs:
                return self.outputs[name]
        return self._named(names[0], self.outputs, "gives")

    def run(self, inputs: Mapping[str, Array]) -> Array:
        """The first output for these inputs.

        Raises:
            ModelError: it fails on them.
        """
        try:
            first: Array = self._opened.session.run(list(self.outputs)[:1], dict(inputs))[0]
        except runtime_errors() as error:
            raise ModelError(f"{self.path.name} failed: {error}; replace the file") from error
        return first

    def try_out(self, manifest: Manifest, integers: Mapping[str, int]) -> Trial:
        """Run random rows, alone and together.

        Args:
            manifest: names states, axes, and every length that the file leaves open; without a largest batch.
            integers: what whole-numbered inputs are, such as lengths.

        Raises:
            ModelError: it fails on one row already; the message says how.
        """
        try:
            info, may_batch = self._info(manifest, 2), True
        except ModelError:
            # An axis is always 1 in the file; what else is wrong with the manifest is said again.
            info, may_batch = self._info(manifest, 1), False
        model = OnnxModel(info, self._opened, manifest)
        first, second = (_inputs(info, integers, seed) for seed in (1, 2))
        alone = model.run(first), model.run(second)
        rows = {name: _row(info, name, array, 0).shape for name, array in alone[0].items()}
        return Trial(rows, may_batch and _agree(model, (first, second), alone))

    def _info(self, manifest: Manifest, most_rows: int) -> ModelInfo:
        limits = LimitEntries(buckets=tuple(range(1, most_rows + 1)))
        limited = msgspec.structs.replace(manifest, max_batch=most_rows, limits=limits)
        return resolve_info(self.path.stem, "1", limited, self._description)

    def _named(self, name: str, tensors: Mapping[str, OnnxTensor], verb: str) -> OnnxTensor:
        if name not in tensors:
            raise ModelError(
                f"{self.path.name} {verb} no {name!r}, only {', '.join(tensors) or 'nothing'}; "
                "it is no export of a kind that is known: see the reference of profiles"
            )
        return tensors[name]


def batch_axis(tensor: OnnxTensor, symbol: str) -> int:
    """Where the batch axis is: what the file calls it or, without that name, the only length that it leaves open.

    Raises:
        ModelError: the file does not tell.
    """
    if symbol and symbol in tensor.shape:
        return tensor.shape.index(symbol)
    open_axes = [axis for axis, length in enumerate(tensor.shape) if isinstance(length, str)]
    if len(open_axes) == 1:
        return open_axes[0]
    raise ModelError(
        f"{tensor.name!r} of shape {list(tensor.shape)} does not tell its batch axis; export it with one named axis"
    )


def relative_rms(ours: Array, theirs: Array) -> float:
    """How far ours is from theirs, relative to the size of theirs; infinite where their shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    wrong, size = (
        float(np.sqrt(np.square(array, dtype=np.float64).sum()))
        for array in (ours - theirs, theirs)
    )
    return wrong / size if size else wrong


def _inputs(info: ModelInfo, integers: Mapping[str, int], seed: int) -> dict[str, Array]:
    inputs = random_inputs(info, 1, 1, seed)
    rng = np.random.default_rng(seed)
    for name, value in integers.items():
        inputs[name] = np.full_like(inputs[name], value)
    for state in info.states:
        # Zeros would hide an axis that is taken for another. Whole numbers count what was heard: none.
        if inputs[state.input].dtype.kind == "f":
            shape = inputs[state.input].shape
            inputs[state.input] = rng.standard_normal(shape).astype(inputs[state.input].dtype)
    return inputs


def _agree(
    model: OnnxModel,
    inputs: tuple[Mapping[str, Array], Mapping[str, Array]],
    alone: tuple[Mapping[str, Array], Mapping[str, Array]],
) -> bool:
    """Whether two rows give together what each gives alone."""
    axes = {state.input: state.axis for state in model.info.states}
    both = {
        name: np.concatenate([row[name] for row in inputs], axes.get(name, 0)) for name in inputs[0]
    }
    try:
        together = model.run(both)
        return all(
            relative_rms(
                _row(model.info, name, together[name], number), _row(model.info, name, one[name], 0)
            )
            <= TOLERANCE
            for number, one in enumerate(alone)
            for name in one
        )
    except (ModelError, IndexError):
        return False


def _row(info: ModelInfo, name: str, array: Array, number: int) -> Array:
    axes = {state.output: state.axis for state in info.states}
    row: Array = array.take(number, axes.get(name, 0))
    return row
