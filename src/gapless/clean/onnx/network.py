"""One recurrent network of one stream, with all its memory made beforehand.

In: arrays that are written in place, then ``run``. Out: arrays that are read in place. Invariants: no array is made or
copied by a call; the states that a run read stay as they were until ``keep`` takes those that it wrote, so that a run
that went wrong is undone by doing nothing; inputs and outputs have the declared shapes, or the network does not open.
Thread: one at a time; ``run`` releases the interpreter lock while it computes.

There are two sets of states, one read and one written, which change places with ``keep``. Each of the two ways around
is a binding of ONNX Runtime that names the arrays' memory once and for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.clean.onnx.manifest import Constant, State
from gapless.errors import ModelError
from gapless.infer.onnx.session import SessionOptions, open_session, runtime_errors

if TYPE_CHECKING:
    import onnxruntime

Array: TypeAlias = npt.NDArray[Any]
Frame: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]

DTYPES: Final[dict[str, npt.DTypeLike]] = {
    "tensor(bool)": np.bool_,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
"""ONNX's names of the types that states and constants can have."""

FLOAT: Final = "tensor(float)"

MAX_ELEMENTS: Final = 2**26
"""Of all tensors together: 256 MiB of floats."""


@final
class Network:
    """A network that is open and at the start of a stream.

    Args:
        path: the ONNX file.
        inputs: shapes of the inputs that are written before each run; float32.
        outputs: shapes of the outputs that are read after it; float32.
        states: pairs of input and output that are carried from run to run.
        constants: inputs that stay as they are.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ModelError: the file is no model, or it has other tensors than these.
    """

    def __init__(
        self,
        path: Path,
        *,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        states: Iterable[State] = (),
        constants: Iterable[Constant] = (),
    ) -> None:
        self._path = path
        session = open_session(path, SessionOptions(threads=1, provider="cpu")).session
        facts = _Tensors(path, session)
        self._session: onnxruntime.InferenceSession | None = session
        self.inputs: dict[str, Frame] = {
            name: facts.array("input", name, shape, FLOAT) for name, shape in inputs.items()
        }
        """By name; write here."""
        self.outputs: dict[str, Frame] = {
            name: facts.array("output", name, shape, FLOAT) for name, shape in outputs.items()
        }
        """By name; what the last run wrote."""
        self._constants = {
            constant.input: facts.array("input", constant.input, constant.shape)
            for constant in constants
        }
        for constant in constants:
            self._constants[constant.input][...] = constant.value
        self._states = tuple(states)
        self._now = [facts.array("input", state.input, state.shape) for state in self._states]
        self._next = [
            facts.array("output", state.output, array.shape)
            for state, array in zip(self._states, self._now, strict=True)
        ]
        facts.require_all(
            {*self.inputs, *self._constants, *(state.input for state in self._states)}
        )
        self._bindings = [
            self._bind(session, self._now, self._next),
            self._bind(session, self._next, self._now),
        ]
        self._turn = 0
        """Which binding is next: the set of states that it reads is the one that counts."""
        self._starts = [
            np.linspace(state.first, state.last, array.size)
            .reshape(array.shape)
            .astype(array.dtype)
            for state, array in zip(self._states, self._now, strict=True)
        ]
        self.forget()

    def run(self) -> None:
        """Compute the outputs, and the states behind them, which count once ``keep`` is called.

        Raises:
            ModelError: the network is closed, or failed.
        """
        if self._session is None:
            raise ModelError(f"the denoiser {self._path.parent.name} is closed; open a new one")
        try:
            self._session.run_with_iobinding(self._bindings[self._turn])
        except runtime_errors() as error:
            raise ModelError(
                f"the denoiser {self._path} failed: {str(error).strip().partition(chr(10))[0]}; "
                "compare its manifest with the file, or use another model"
            ) from error

    def keep(self) -> None:
        """Take the states that the last run wrote: the next run goes on from there."""
        self._turn ^= 1

    def forget(self) -> None:
        """Go back to the start of a stream."""
        for array, start in zip((self._now, self._next)[self._turn], self._starts, strict=True):
            np.copyto(array, start)

    def close(self) -> None:
        """Free the session. Idempotent."""
        self._bindings.clear()
        self._session = None

    def _bind(
        self, session: onnxruntime.InferenceSession, reading: list[Array], writing: list[Array]
    ) -> onnxruntime.IOBinding:
        binding = session.io_binding()
        sources: dict[str, Array] = {**self.inputs, **self._constants}
        targets: dict[str, Array] = {**self.outputs}
        for state, before, after in zip(self._states, reading, writing, strict=True):
            sources[state.input] = before
            targets[state.output] = after
        for name, array in sources.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in targets.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding


class _Tensors:
    """What the file says of its tensors, held against what the manifest says."""

    def __init__(self, path: Path, session: onnxruntime.InferenceSession) -> None:
        self._path = path
        self._facts = {
            "input": {tensor.name: tensor for tensor in session.get_inputs()},
            "output": {tensor.name: tensor for tensor in session.get_outputs()},
        }
        self._elements = 0

    def array(
        self, side: str, name: str, shape: Shape | None, needed_type: str | None = None
    ) -> Array:
        """Zeros for a tensor.

        Args:
            side: "input" or "output".
            name: of the tensor.
            shape: what the manifest says; None: as the file fixes it.
            needed_type: ONNX's name of the type that it must have; None: any of ``DTYPES``.

        Raises:
            ModelError: the file has no such tensor, or it has another shape or type.
        """
        tensor = self._facts[side].get(name)
        if tensor is None:
            here = ", ".join(self._facts[side])
            raise self._wrong(f"has no {side} {name!r}; those it has are {here}")
        if tensor.type not in DTYPES or tensor.type != (needed_type or tensor.type):
            wanted = needed_type or f"one of {', '.join(DTYPES)}"
            raise self._wrong(f"has {name!r} of type {tensor.type}; export it as {wanted}")
        fixed = [length if isinstance(length, int) else None for length in tensor.shape]
        if shape is None:
            if None in fixed:
                raise self._wrong(
                    f"leaves the shape of {name!r} open ({tensor.shape}); say its shape in the manifest"
                )
            shape = tuple(length for length in fixed if length is not None)
        fits = len(shape) == len(fixed) and all(
            known in {None, length} for known, length in zip(fixed, shape, strict=True)
        )
        if not fits:
            raise self._wrong(
                f"has {name!r} of shape {list(tensor.shape)}, the manifest means {list(shape)}; "
                "correct axes, shape or lengths there"
            )
        self._elements += math.prod(shape)
        if self._elements > MAX_ELEMENTS:
            raise self._wrong(
                f"has more than {MAX_ELEMENTS} elements in its tensors; use a smaller model"
            )
        return np.zeros(shape, DTYPES[tensor.type])

    def require_all(self, given: set[str]) -> None:
        """Refuse a file that wants more than it is given.

        Raises:
            ModelError: an input of the file is nowhere in the manifest.
        """
        missing = [name for name in self._facts["input"] if name not in given]
        if missing:
            raise self._wrong(
                f"wants {', '.join(missing)} too; name each as input, state or constant in the manifest"
            )

    def _wrong(self, what: str) -> ModelError:
        return ModelError(f"the denoiser {self._path} {what}")
