"""What KServe's clients may know of the server and its models, for HTTP and gRPC alike.

In: the library's index and the engine's statistics. Out: the structs of ``messages``. Invariants: nothing is loaded,
except by ``info_of``. Thread: any (pure functions, but for ``info_of``, which may block).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version as version_of
from typing import Final

from gapless.errors import ConnectionLostError, ModelNotFoundError, ProtocolError
from gapless.infer.contract import DYNAMIC, ModelInfo, TensorInfo
from gapless.infer.engine.statistics import Duration
from gapless.infer.engine.statistics import ModelStatistics as Counted
from gapless.infer.models import Models, ModelStatus
from gapless.serve.kserve.messages import (
    IndexEntry,
    InferBatchStatistics,
    InferStatistics,
    MemoryUsage,
    ModelMetadata,
    ModelStatistics,
    ServerMetadata,
    StatisticDuration,
    TensorMetadata,
)

EXTENSIONS: Final = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "sequence",
    "sequence(string_id)",
    "statistics",
)

UNLOADED: Final = "unloaded"
"""The reason that Triton gives for a model that was taken out by hand."""


def server_metadata() -> ServerMetadata:
    """What this server is, and can."""
    return ServerMetadata("gapless", version_of("gapless"), EXTENSIONS)


def find_model(models: Models, name: str, version: str | None = None) -> ModelStatus:
    """One version of a model; None: the newest that answers, or else the newest.

    Raises:
        ModelNotFoundError: no such model or version here.
    """
    found = [
        status
        for status in models.index()
        if status.name == name and version in (None, status.version)
    ]
    if not found:
        which = f"{name!r}, version {version!r}," if version else repr(name)
        raise ModelNotFoundError(
            f"there is no model {which} here; POST /v2/repository/index lists what there is",
            param="model",
        )
    return max(found, key=lambda status: (status.state == "READY", int(status.version)))


def require_ready(status: ModelStatus) -> None:
    """Pass if the model answers.

    Raises:
        ConnectionLostError: it does not; why is in the message.
    """
    if status.state != "READY":
        reason = status.reason or status.state.lower()
        raise ConnectionLostError(
            f"the model {status.name}, version {status.version}, is not ready: {reason}; try again later"
        )


def info_of(models: Models, name: str, version: str | None = None) -> ModelInfo:
    """What a model takes and gives; one that was never loaded is, so this may block.

    Raises:
        GaplessError: as ``Models.acquire``.
    """
    status = find_model(models, name, version)
    if status.info is not None:
        return status.info
    held = models.acquire(name, version)
    try:
        return held.model.info
    finally:
        held.release()


def model_metadata(models: Models, info: ModelInfo) -> ModelMetadata:
    """What a model takes and gives, and which of its versions answer."""
    versions = [
        status.version
        for status in models.index()
        if status.name == info.name and status.state == "READY"
    ]

    def described(tensors: tuple[TensorInfo, ...]) -> tuple[TensorMetadata, ...]:
        front = (DYNAMIC,) if info.batched else ()
        return tuple(
            TensorMetadata(tensor.name, tensor.datatype, (*front, *tensor.shape))
            for tensor in tensors
        )

    return ModelMetadata(
        info.name, tuple(versions), info.platform, described(info.inputs), described(info.outputs)
    )


def index_entries(models: Models, *, only_ready: bool = False) -> list[IndexEntry]:
    """Everything that is here, as Triton's repository index says it."""
    return [
        IndexEntry(
            status.name,
            status.version,
            "UNAVAILABLE" if status.state == "UNLOADED" else status.state,
            UNLOADED if status.state == "UNLOADED" else status.reason,
        )
        for status in models.index()
        if status.state == "READY" or not only_ready
    ]


def refuse_overrides(parameters: Iterable[str]) -> None:
    """Pass a load of a model as its folder has it.

    Raises:
        ProtocolError: it brings a configuration or files of its own, as Triton allows.
    """
    for name in parameters:
        if name == "config" or name.startswith("file:"):
            raise ProtocolError(
                f"a model is configured by its folder, not by the parameter {name!r}; change its files there",
                param=name,
            )


def model_statistics(
    models: Models, counted: list[Counted], name: str | None = None, version: str | None = None
) -> tuple[ModelStatistics, ...]:
    """The statistics of every version that answers, of one model or of all; zeros for one that was never used.

    Raises:
        ModelNotFoundError: no such model or version here.
    """
    if name is not None:
        find_model(models, name, version)
    by_version = {(each.name, each.version): each for each in counted}
    return tuple(
        _statistics(status, by_version.get((status.name, status.version)))
        for status in models.index()
        if status.state == "READY"
        and name in (None, status.name)
        and version in (None, status.version)
    )


def _statistics(status: ModelStatus, counted: Counted | None) -> ModelStatistics:
    none = StatisticDuration()
    memory = (MemoryUsage("CPU", 0, status.memory_bytes),) if status.memory_bytes else ()
    if counted is None:
        never = InferStatistics(none, none, none, none, none, none)
        return ModelStatistics(status.name, status.version, 0, 0, 0, never, (), memory)
    return ModelStatistics(
        status.name,
        status.version,
        counted.last_inference_ms,
        counted.rows,
        counted.calls,
        InferStatistics(
            success=_duration(counted.success),
            fail=_duration(counted.fail),
            queue=_duration(counted.queue),
            compute_input=_duration(counted.gather),
            compute_infer=_duration(counted.compute),
            compute_output=_duration(counted.scatter),
        ),
        tuple(
            InferBatchStatistics(
                batch.rows,
                _duration(batch.gather),
                _duration(batch.compute),
                _duration(batch.scatter),
            )
            for batch in counted.batches
        ),
        memory,
    )


def _duration(duration: Duration) -> StatisticDuration:
    return StatisticDuration(duration.count, duration.ns)
