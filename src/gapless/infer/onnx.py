"""One ONNX Runtime session per model file, shared by everyone in the process.

In: float32 tensors by name. Out: float32 tensors. Invariants: a file is loaded once while anyone holds its model and
freed with its last holder; calls take one thread each, the caller's own. Thread: any, many at a time.

Why shared: measured, N sessions run no faster than one called from N threads, and each costs 1.4 times the file.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from gapless.errors import MissingDependencyError, ModelError

if TYPE_CHECKING:
    import onnxruntime

Tensor: TypeAlias = npt.NDArray[np.float32]


@final
class OnnxModel:
    """A loaded model. Get one from ``open_model``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = _load(path)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Evaluate the model once; the returned tensors are the caller's own.

        Raises:
            ModelError: the inputs do not fit the model, or it failed.
        """
        try:
            results: list[Tensor] = self._session.run(outputs, inputs)
        except _runtime_errors() as error:
            raise ModelError(f"the model {self._path.name} failed: {error}; report it") from error
        return results


_opened: WeakValueDictionary[Path, OnnxModel] = WeakValueDictionary()
"""Every model in use, by its absolute path."""
_opening = threading.Lock()
"""Guards ``_opened``; held while a file loads, so that nobody loads it twice."""


def open_model(path: Path) -> OnnxModel:
    """The model in this file, loaded unless somebody else holds it already.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ModelError: there is no such file, or it holds no usable model.
    """
    path = path.resolve()
    with _opening:
        model = _opened.get(path)
        if model is None:
            model = _opened[path] = OnnxModel(path)
        return model


def _load(path: Path) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "ONNX Runtime is not installed; run `pip install onnxruntime`"
        ) from error
    options = onnxruntime.SessionOptions()
    # The caller's thread computes: a pool inside would compete with the threads that call, and spin while it waits.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # The arena never gives back the memory of its largest call. Without it our small calls are as fast (measured).
    options.enable_cpu_mem_arena = False
    # What goes wrong is raised; the runtime need not write it to standard error as well.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except _runtime_errors() as error:
        raise ModelError(f"the model {path} cannot be loaded: {error}; replace the file") from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    # The native part's errors share no base but Exception; the Python part checks its arguments with ValueError.
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    return ValueError, *(
        kind
        for kind in vars(native).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )
