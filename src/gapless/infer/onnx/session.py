"""ONNX Runtime sessions, opened in one way; everything that is said to or by ONNX Runtime, but for running.

In: a model's file. Out: a session, what it takes and gives, and what computes it. Invariants: what ONNX Runtime raises
leaves as a ``GaplessError``; a session that silently fell back to the processor is noticed. Thread: any.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gapless.errors import ConfigError, MissingDependencyError, ModelError
from gapless.infer.onnx.description import OnnxDescription, OnnxTensor
from gapless.infer.onnx.providers import Plan, ProviderName, Wanted, explain, plan_providers

if TYPE_CHECKING:
    import onnxruntime

DATATYPES: Final = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""KServe's name of each of ONNX's types that NumPy and KServe have too."""


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a session computes."""

    threads: int = 1
    """That one call uses, the caller's among them."""
    provider: Wanted = "auto"
    device_memory_bytes: int | None = None
    """What it may take of a CUDA device's memory; None: all."""


class OpenSession(msgspec.Struct, frozen=True):
    """A session, and how it came about."""

    session: onnxruntime.InferenceSession
    plan: Plan
    why: str
    """What computes, and why; a sentence."""


def open_session(path: Path, options: SessionOptions) -> OpenSession:
    """Open a model's file with the first provider that works.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ConfigError: the provider that was asked for is not there, or does not work.
        ModelError: there is no such file, or it holds no usable model.
    """
    return open_planned(path, options, plan_session(options))


def plan_session(options: SessionOptions) -> list[Plan]:
    """What ``open_session`` tries, in order.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ConfigError: the provider that was asked for is not there.
    """
    available = load_runtime().get_available_providers()
    return plan_providers(options.provider, available, options.device_memory_bytes)


def open_planned(path: Path, options: SessionOptions, plans: Sequence[Plan]) -> OpenSession:
    """Open a model's file with the first of these plans that works; see ``open_session``."""
    refused: dict[ProviderName, str] = {}
    for plan in plans:
        failure: Exception | None = None
        try:
            session = _try(path, options, plan)
        except runtime_errors() as error:
            failure = error
            refused[plan.name] = f"failed ({_first_line(error)})"
            continue
        if plan.provider.onnx_name in session.get_providers():
            why = explain(options.provider, plan, refused)
            return OpenSession(session, plan, why)
        refused[plan.name] = "did not start: its libraries or its device are missing"
    if failure is None:
        raise ConfigError(
            f"provider is {options.provider}, which is built in, but {refused[plan.name]}; "
            f"{plan.provider.install}, or set provider to auto",
            param="provider",
        )
    mend = "replace the file" if plan.name == "cpu" else "replace the file, or set provider to cpu"
    raise ModelError(
        f"the model {path} cannot be loaded: {_first_line(failure)}; {mend}"
    ) from failure


def describe_session(session: onnxruntime.InferenceSession, path: Path) -> OnnxDescription:
    """What the model of a session takes and gives; ``path`` is for the message.

    Raises:
        ModelError: KServe has no type for one of its tensors.
    """
    return OnnxDescription(
        tuple(_describe(tensor, path) for tensor in session.get_inputs()),
        tuple(_describe(tensor, path) for tensor in session.get_outputs()),
    )


def model_files(path: Path) -> list[Path]:
    """The file, and those beside it that hold its weights: their names begin with its own, as exporters choose them."""
    try:
        return sorted(part for part in path.parent.iterdir() if part.name.startswith(path.name))
    except OSError:
        return []


def load_runtime() -> ModuleType:
    """ONNX Runtime.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "ONNX Runtime is not installed; run `pip install onnxruntime`"
        ) from error
    runtime: ModuleType = onnxruntime
    return runtime


@cache
def runtime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its native part's errors share no base but ``Exception``, Python's are these."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    return (
        ValueError,
        RuntimeError,
        *(
            kind
            for kind in vars(native).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ),
    )


def _try(path: Path, options: SessionOptions, plan: Plan) -> onnxruntime.InferenceSession:
    runtime = load_runtime()
    if plan.name in {"cuda", "tensorrt"}:
        _load_cuda(runtime)
    wanted = runtime.SessionOptions()
    # A pool of threads inside would compete with the threads that call, and spin while it waits.
    wanted.intra_op_num_threads = options.threads
    wanted.inter_op_num_threads = 1
    wanted.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Neither made a call faster when measured; the arena keeps the memory of its largest call for good, and patterns
    # are kept of all shapes ever seen. See docs/explanation/decisions/0011-onnxruntime-sessions.md.
    wanted.enable_cpu_mem_arena = False
    wanted.enable_mem_pattern = False
    # What goes wrong is raised; the runtime need not write it to standard error as well.
    wanted.log_severity_level = 4
    return runtime.InferenceSession(
        path,
        sess_options=wanted,
        providers=list(plan.providers),
        # Else it prints what failed to standard output, and takes the processor.
        enable_fallback=0,
    )


@cache
def _load_cuda(runtime: ModuleType) -> None:
    """Find CUDA's libraries in NVIDIA's packages too, which ONNX Runtime does not do by itself."""
    preload = getattr(runtime, "preload_dlls", None)
    if preload is not None:
        # It prints what it misses; standard output may be somebody's pipe.
        with redirect_stdout(sys.stderr):
            preload()


def _describe(tensor: Any, path: Path) -> OnnxTensor:
    datatype = DATATYPES.get(tensor.type)
    if datatype is None:
        raise ModelError(
            f"the model {path} has {tensor.name!r} of type {tensor.type}, which cannot travel; export it with one of "
            f"{', '.join(DATATYPES)}",
            param=tensor.name,
        )
    shape = tuple(length if isinstance(length, int) else length or "" for length in tensor.shape)
    return OnnxTensor(tensor.name, datatype, shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
