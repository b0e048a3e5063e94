"""Small models for a real Triton server, in its Python backend.

In: a folder. Out: models in it, in Triton's layout. Invariants: each answers on a processor without anything but NumPy.
Thread: any (they are only written here; a server runs them).

Tensors go in and out through DLPack, because the stub in PyTriton's wheel was built for NumPy 1: under NumPy 2 it takes
every array for one of zero bytes, and texts end it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

COMMON: Final = """\
import ctypes
import pathlib
import time

import numpy as np
import triton_python_backend_utils as pb

SET_NAME = ctypes.pythonapi.PyCapsule_SetName
SET_NAME.argtypes = (ctypes.py_object, ctypes.c_char_p)
USED = b"used_dltensor"


def take(request, name):
    return np.array(np.from_dlpack(pb.get_input_tensor_by_name(request, name)))


def give(name, array):
    capsule = np.ascontiguousarray(array).__dlpack__()
    tensor = pb.Tensor.from_dlpack(name, capsule)
    SET_NAME(capsule, USED)  # the stub marks it as used under a name that NumPy does not know
    return pb.InferenceResponse([tensor])


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]
"""

DOUBLE: Final = """
    def answer(self, request):
        return give("y", take(request, "x") * 2)
"""
DOUBLE_CONFIG: Final = """
backend: "python"
max_batch_size: 32
input [{ name: "x", data_type: TYPE_FP32, dims: [-1] }]
output [{ name: "y", data_type: TYPE_FP32, dims: [-1] }]
dynamic_batching {}
instance_group [{ kind: KIND_CPU, count: 1 }]
"""


SUM: Final = """
    def initialize(self, arguments):
        self.totals = {}
        self.record = pathlib.Path(__file__).with_name("steps.txt")

    def answer(self, request):
        step, start, end = (take(request, name).item() for name in ("ID", "START", "END"))
        x = take(request, "x")
        with self.record.open("a") as record:
            print(step, int(start), int(end), x.item(), file=record)
        before = 0 if start else self.totals.get(step, 0)
        total = self.totals[step] = before + x
        if end:
            del self.totals[step]
        return give("total", total)
"""

SUM_CONFIG: Final = """
backend: "python"
max_batch_size: 1
input [{ name: "x", data_type: TYPE_FP32, dims: [1] }]
output [{ name: "total", data_type: TYPE_FP32, dims: [1] }]
sequence_batching {
  max_sequence_idle_microseconds: 600000000
  oldest { max_candidate_sequences: 4 }
  control_input [
    { name: "START" control [{ kind: CONTROL_SEQUENCE_START, int32_false_true: [0, 1] }] },
    { name: "END" control [{ kind: CONTROL_SEQUENCE_END, int32_false_true: [0, 1] }] },
    { name: "ID" control [{ kind: CONTROL_SEQUENCE_CORRID, data_type: TYPE_UINT64 }] }
  ]
}
instance_group [{ kind: KIND_CPU, count: 1 }]
"""

MOODY: Final = """
    def answer(self, request):
        x = take(request, "x")
        if x.item() < 0:
            raise ValueError("this model does not like what is below zero")
        time.sleep(x.item())
        return give("y", x)
"""

MOODY_CONFIG: Final = """
backend: "python"
max_batch_size: 1
input [{ name: "x", data_type: TYPE_FP32, dims: [1] }]
output [{ name: "y", data_type: TYPE_FP32, dims: [1] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
"""

CROWDED_CONFIG: Final = (
    MOODY_CONFIG + "dynamic_batching { default_queue_policy { max_queue_size: 2 } }\n"
)

UNBATCHED_CONFIG: Final = """
backend: "python"
max_batch_size: 0
input [{ name: "x", data_type: TYPE_INT64, dims: [2, -1] }]
output [{ name: "y", data_type: TYPE_INT64, dims: [2, -1] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
"""


def write_model(repository: Path, name: str, config: str, code: str) -> Path:
    """Write a model that the Python backend runs.

    Args:
        repository: folder of models.
        name: what it is called.
        config: its ``config.pbtxt``.
        code: the methods of its class, ``answer(self, request)`` at least, indented; ``COMMON`` comes before them.

    Returns:
        The folder of its only version.
    """
    version = repository / name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(COMMON + code)
    (version.parent / "config.pbtxt").write_text(config)
    return version


def write_double(repository: Path) -> None:
    """The model ``double``: y = 2 x, for float rows of any length, up to 32 of them at a time."""
    write_model(repository, "double", DOUBLE_CONFIG, DOUBLE)


def write_sum(repository: Path) -> Path:
    """The model ``sum``: the sum of what a stream sent so far, for up to 4 streams at a time.

    Returns:
        A file in which it writes a line for each step: the stream's id, start, end, and x.
    """
    return write_model(repository, "sum", SUM_CONFIG, SUM) / "steps.txt"


def write_moody(repository: Path) -> None:
    """The model ``moody``: y = x after x seconds, one at a time; it fails if x is below zero."""
    write_model(repository, "moody", MOODY_CONFIG, MOODY)


def write_crowded(repository: Path) -> None:
    """The model ``crowded``: as ``moody``, but only two calls may wait, others are refused.

    Calls that were cancelled while they waited may be counted for a while yet: give it none.
    """
    write_model(repository, "crowded", CROWDED_CONFIG, MOODY)


def write_unbatched(repository: Path) -> None:
    """The model ``unbatched``: y = 2 x, for whole numbers in two rows of any length; it has no batch axis."""
    write_model(repository, "unbatched", UNBATCHED_CONFIG, DOUBLE)
