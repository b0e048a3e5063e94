from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from gapless.errors import ConfigError, ModelError
from gapless.infer.onnx.description import OnnxDescription, OnnxTensor
from gapless.infer.onnx.providers import Wanted, plan_providers
from gapless.infer.onnx.session import (
    SessionOptions,
    describe_session,
    model_files,
    open_planned,
    open_session,
)
from gapless.testing.onnx_models import write_double, write_graph, write_gru

BUILD = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""What an ONNX Runtime for NVIDIA says of itself; the one here takes the processor where it is asked for CUDA."""


def open_without_cuda(path: Path, wanted: Wanted) -> str:
    plans = plan_providers(wanted, BUILD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that there is no CUDA in it
        return open_planned(path, SessionOptions(provider=wanted), plans).why


def test_a_session_that_silently_took_the_processor_is_noticed_and_explained(
    tmp_path: Path,
) -> None:
    path = write_double(tmp_path / "model.onnx")
    assert open_without_cuda(path, "auto") == (
        "The processor computes it, because CUDA did not start: its libraries or its device are missing."
    )
    with pytest.raises(ConfigError, match="provider is cuda, which is built in, but did not start"):
        open_without_cuda(path, "cuda")


def test_a_broken_file_is_not_blamed_on_the_provider(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        open_without_cuda(path, "auto")


def test_a_session_has_the_threads_that_were_asked_for_and_keeps_no_arena(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx")
    options = open_session(path, SessionOptions(threads=2)).session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern


COUNT_THREADS = """
import os, sys
from pathlib import Path
from gapless.infer.onnx.session import SessionOptions, open_session
first = open_session(Path(sys.argv[1]), SessionOptions())
before = len(os.listdir("/proc/self/task"))
kept = [open_session(Path(sys.argv[1]), SessionOptions(threads=number)) for number in (1, 1, 4)]
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell")
def test_a_session_starts_one_thread_less_than_a_call_uses(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx")
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == 3


def described(path: Path) -> OnnxDescription:
    return describe_session(open_session(path, SessionOptions()).session, path)


def test_a_file_is_described_with_its_symbols(tmp_path: Path) -> None:
    description = described(write_gru(tmp_path / "model.onnx", values=8, hidden=16))
    assert description.inputs == (
        OnnxTensor("x", "FP32", ("batch", 8)),
        OnnxTensor("h", "FP32", (1, "batch", 16)),
    )
    assert [tensor.name for tensor in description.outputs] == ["y", "h_next"]
    assert description.inputs[1].lengths == (1, -1, 16)
    assert description.batch_symbol is None, "the state's first axis is another one"


@pytest.mark.parametrize(
    ("x", "y", "symbol"),
    [
        (("n", 4), ("n", 4), "n"),
        ((None, 4), (None, 4), ""),
        (("n", 4), ("m", 4), None),
        ((3, 4), (3, 4), None),
        ((), (), None),
    ],
)
def test_a_batch_axis_is_open_and_called_the_same_everywhere(
    tmp_path: Path,
    x: tuple[int | str | None, ...],
    y: tuple[int | str | None, ...],
    symbol: str | None,
) -> None:
    from onnx import helper

    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = write_graph(
        tmp_path / "model.onnx", nodes, {"x": (np.float32, x)}, {"y": (np.float32, y)}
    )
    assert described(path).batch_symbol == symbol


def test_the_files_of_a_model_are_those_called_after_it(tmp_path: Path) -> None:
    for name in ("model.onnx", "model.onnx.data", "model.onnx_data", "model.int8.onnx", "a.onnx"):
        (tmp_path / name).touch()
    files = model_files(tmp_path / "model.onnx")
    assert [file.name for file in files] == ["model.onnx", "model.onnx.data", "model.onnx_data"]
