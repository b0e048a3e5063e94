"""The networks of a recogniser: models of the engine that stay loaded for as long as the recogniser does.

In: the recogniser's name and the names of its parts. Out: what each part takes and gives; calls of them. Invariants: a
part whose tensors are not those that ``recogniser.toml`` names is refused when the recogniser is opened, not when it is
used. Thread: any; ``ask`` blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from gapless.errors import GaplessError, ModelError
from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo
from gapless.infer.inference import Inference, Request
from gapless.infer.models import Held
from gapless.infer.wire.tensors import dtype_of


@final
class Part:
    """One network.

    Args:
        inference: runs it.
        model: its name in the library.

    Raises:
        GaplessError: it is not there, or cannot be loaded.
    """

    def __init__(self, inference: Inference, model: str) -> None:
        self._inference = inference
        self._held: Held = inference.models.acquire(model)
        self.info: ModelInfo = self._held.model.info
        self._inputs = {tensor.name: tensor for tensor in self.info.inputs}
        self._outputs = {tensor.name: tensor for tensor in self.info.outputs}

    def input(self, name: str) -> TensorInfo:
        """One input.

        Raises:
            ModelError: it has none of this name.
        """
        return self._named(name, self._inputs, "input")

    def output(self, name: str) -> TensorInfo:
        """One output.

        Raises:
            ModelError: it has none of this name.
        """
        return self._named(name, self._outputs, "output")

    def ask(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None
    ) -> Mapping[str, Array]:
        """Call it, and wait; the calling thread computes where it can.

        Raises:
            GaplessError: as ``Inference.infer``.
        """
        request = Request(model=self.info.name, inputs=inputs, outputs=outputs)
        return self._inference.infer(request).outputs

    def close(self) -> None:
        """It may be unloaded."""
        self._held.release()

    def _named(self, name: str, tensors: Mapping[str, TensorInfo], side: str) -> TensorInfo:
        if name not in tensors:
            raise ModelError(
                f"recogniser.toml names the {side} {name!r}, but {self.info.name} has "
                f"{', '.join(tensors) or 'none'}; use the file's names",
                param=name,
            )
        return tensors[name]


@final
class Parts:
    """The parts of one recogniser, each opened once.

    Args:
        inference: runs them.
        name: of the recogniser.
    """

    def __init__(self, inference: Inference, name: str) -> None:
        self._inference = inference
        self._name = name
        self._open: dict[str, Part] = {}

    def open(self, part: str) -> Part:
        """A part, loaded; blocks meanwhile.

        Raises:
            GaplessError: it is not there, or cannot be loaded.
        """
        if part not in self._open:
            try:
                self._open[part] = Part(self._inference, f"{self._name}.{part}")
            except GaplessError:
                self.close()
                raise
        return self._open[part]

    def close(self) -> None:
        """Let go of all. Idempotent."""
        opened, self._open = self._open, {}
        for part in opened.values():
            part.close()


def zeros(tensor: TensorInfo, n_rows: int) -> Array:
    """Rows of zeros for an input whose lengths are known, but for those that are one.

    Args:
        tensor: the input.
        n_rows: how many.
    """
    lengths = (1 if length == DYNAMIC else length for length in tensor.shape)
    return np.zeros((n_rows, *lengths), dtype_of(tensor.datatype))
