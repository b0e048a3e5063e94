"""Models in ONNX files, run by ONNX Runtime: one session each, shared by everyone in the process.

In: a file and its manifest; then tensors by name. Out: a ``Model``; tensors by name. Invariants: a model that is
returned has run every bucket; calls compute in the caller's thread, and in the session's few others where it has any.
Thread: any, many at a time.

Why shared: measured, N sessions run no faster than one called from N threads, and each holds its file in memory again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
import numpy as np
import structlog

from gapless.errors import ModelError
from gapless.infer.contract import Array, LoadTimings, ModelInfo, SequenceStep, Tensors
from gapless.infer.onnx.answers import answers_digest, is_repeatable
from gapless.infer.onnx.batch_axis import rows_keep_apart
from gapless.infer.onnx.heap import private_bytes, trim_heap
from gapless.infer.onnx.int8.report import preferred_file
from gapless.infer.onnx.providers import Wanted
from gapless.infer.onnx.session import (
    OpenSession,
    SessionOptions,
    describe_session,
    load_runtime,
    model_files,
    open_session,
    plan_session,
    runtime_errors,
)
from gapless.infer.onnx.timing import NS_PER_MS, time_calls
from gapless.infer.repository.manifest import Manifest, TensorEntry, resolve_info
from gapless.infer.sample_inputs import FREE_LENGTHS, has_free_lengths, zero_inputs

if TYPE_CHECKING:
    import onnxruntime

MIB: Final = 1024 * 1024

_log = structlog.get_logger(__name__)


@final
class OnnxLoader:
    """Opens models in ONNX files; a ``Loader``.

    Args:
        threads: that one call uses.
        provider: what computes, where a model's manifest does not say.
        device_memory_bytes: what one model may take of a CUDA device's memory; None: all.
    """

    def __init__(
        self, threads: int = 1, provider: Wanted = "auto", device_memory_bytes: int | None = None
    ) -> None:
        self._options = SessionOptions(
            threads=threads, provider=provider, device_memory_bytes=device_memory_bytes
        )

    def __call__(self, name: str, version: str, manifest: Manifest, path: Path | None) -> OnnxModel:
        """Load, and run every bucket once.

        Raises:
            MissingDependencyError: ONNX Runtime is not installed.
            ConfigError: the provider that was asked for is not there, or does not work.
            ModelError: no such file, no usable model, or not what the manifest says.
        """
        if path is None:
            raise ModelError(f"the model {name} has no file; put one into {name}/{version}")
        options = self._options
        if manifest.provider is not None:
            options = msgspec.structs.replace(options, provider=manifest.provider)
        # The 8-bit version was measured on the processor, and says nothing of any other.
        on_processor = plan_session(options)[0].name == "cpu"
        file = preferred_file(path) if on_processor else path
        model = load_file(name, version, manifest, file, options)
        if file != path:
            model.provider += " It is the 8-bit version, which was measured to be faster here."
        if manifest.cache and is_repeatable(model):
            computed_by = f"onnxruntime {load_runtime().__version__}: {model.provider}"
            digest = answers_digest(manifest, computed_by, model_files(file))
            model.info = msgspec.structs.replace(model.info, digest=digest)
        return model


def load_file(
    name: str, version: str, manifest: Manifest, file: Path, options: SessionOptions
) -> OnnxModel:
    """Load exactly this file, and run every bucket once.

    Raises:
        GaplessError: as ``OnnxLoader``.
    """
    load_runtime()  # So that importing it counts neither as time nor as memory of the first model.
    trim_heap()
    before = private_bytes()
    begin_ns = time.perf_counter_ns()
    opened = open_session(file, options)
    create_ms = (time.perf_counter_ns() - begin_ns) / NS_PER_MS
    description = describe_session(opened.session, file)
    model = OnnxModel(resolve_info(name, version, manifest, description), opened, manifest)
    is_guess = manifest.max_batch is None and not manifest.limits.buckets
    if model.info.batched and is_guess and not rows_keep_apart(model):
        _log.warning(
            "what looks like a model's batch axis is none, for its rows are not independent",
            model=name,
            file=str(file),
            hint="set max_batch in its manifest",
        )
        unbatched = msgspec.structs.replace(manifest, max_batch=0)
        model = OnnxModel(resolve_info(name, version, unbatched, description), opened, unbatched)
    _warm_up(model, create_ms)
    model.memory_bytes = _held_bytes(file, before)
    return model


@final
class OnnxModel:
    """A loaded model; a ``Model``. ``OnnxLoader`` makes them.

    Args:
        info: what it takes and gives.
        opened: what runs it.
        manifest: says where the file has its batch axes, which are in front for who asks.
    """

    def __init__(
        self,
        info: ModelInfo,
        opened: OpenSession,
        manifest: Manifest = Manifest(),  # noqa: B008 - immutable
    ) -> None:
        self.info = info
        self.provider = opened.why
        self.trouble = ""
        self.timings: LoadTimings | None = None
        self.memory_bytes = 0
        self.free_length: int | None = None
        """The length that it was warmed up with, of axes of any length; None: it refused all that were tried."""
        self._session: onnxruntime.InferenceSession | None = opened.session
        self._outputs = [output.name for output in opened.session.get_outputs()]
        self._axes_in = _batch_axes(manifest.inputs) if info.batched else {}
        self._axes_out = _batch_axes(manifest.outputs) if info.batched else {}
        self._texts = [tensor.name for tensor in info.inputs if tensor.datatype == "BYTES"]
        self._turn: AbstractContextManager[object] = (
            Lock() if opened.plan.provider.serial else nullcontext()
        )

    def run(
        self, inputs: Tensors, *, timeout_s: float | None = None, step: SequenceStep | None = None
    ) -> dict[str, Array]:
        """Evaluate the model once; see ``Model.run``."""
        del timeout_s, step
        session = self._session
        if session is None:
            raise ModelError(f"the model {self.info.name} is closed; load it again")
        feed = dict(inputs)
        for name in self._texts:
            if name in feed:
                feed[name] = _to_str(feed[name], name, self.info.name)
        for name, axis in self._axes_in.items():
            if name in feed:
                feed[name] = np.moveaxis(feed[name], 0, axis)
        try:
            with self._turn:
                results = session.run(self._outputs, feed)
        except runtime_errors() as error:
            raise ModelError(
                f"the model {self.info.name} failed: {error}; check its inputs"
            ) from error
        given = dict(zip(self._outputs, results, strict=True))
        for name, axis in self._axes_out.items():
            given[name] = np.moveaxis(given[name], axis, 0)
        return {
            name: _to_bytes(array) if array.dtype == np.object_ else array
            for name, array in given.items()
        }

    def close(self) -> None:
        """Free the session. Idempotent."""
        self._session = None
        trim_heap()


def _batch_axes(entries: Iterable[TensorEntry]) -> dict[str, int]:
    """Tensors whose batch axis is not in front in the file, as it is for everybody else, and where it is."""
    return {entry.name: entry.axis for entry in entries if entry.axis}


def _warm_up(model: OnnxModel, create_ms: float) -> None:
    """Run every bucket; not if the model takes axes of any length and refuses all that are tried.

    Raises:
        ModelError: it fails on zeros of exactly the shapes that it says.
    """
    info = model.info
    free_lengths = FREE_LENGTHS if has_free_lengths(info) else FREE_LENGTHS[:1]
    for free in free_lengths:
        try:
            model.timings = _time_zeros(model, free, create_ms)
        except ModelError as error:
            failure = error
        else:
            model.free_length = free
            return
    if len(free_lengths) == 1:
        raise ModelError(
            f"the model {info.name} cannot run zeros of its own shapes, {list(info.limits.buckets)} rows at a time: "
            f"{failure.__cause__}; set max_batch in its manifest to what it takes, or export it anew"
        ) from failure
    _log.warning("a model was not warmed up", model=info.name, reason=str(failure))


def _time_zeros(model: OnnxModel, free: int, create_ms: float) -> LoadTimings:
    sizes = model.info.limits.buckets
    batches = {rows: zero_inputs(model.info, rows, free) for rows in sizes}
    return time_calls(lambda rows: model.run(batches[rows]), sizes, create_ms)


def _held_bytes(path: Path, before: int | None) -> int:
    """What the process has grown by; kept near the file's size, for others take and free memory meanwhile."""
    trim_heap()
    after = private_bytes()
    file_bytes = sum(part.stat().st_size for part in model_files(path))
    if before is None or after is None:
        return 2 * file_bytes
    return min(max(after - before, file_bytes), 3 * file_bytes + 16 * MIB)


def _to_str(array: Array, name: str, model: str) -> Array:
    """Texts as ONNX Runtime takes them; given ``bytes``, or numbers, it would take what ``repr`` says of them."""
    if not all(isinstance(element, bytes) for element in array.flat):
        raise ModelError(
            f"the model {model} failed: input {name!r} has elements that are no texts; give it bytes",
            param=name,
        )
    try:
        return _texts(array, [element.decode() for element in array.flat])
    except UnicodeDecodeError as error:
        raise ModelError(
            f"the model {model} failed: input {name!r} has bytes that are no text; send UTF-8",
            param=name,
        ) from error


def _to_bytes(array: Array) -> Array:
    return _texts(array, [element.encode() for element in array.flat])


def _texts(like: Array, elements: list[Any]) -> Array:
    array = np.empty(like.size, np.object_)
    array[:] = elements
    return array.reshape(like.shape)
