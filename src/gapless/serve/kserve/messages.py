"""The JSON of KServe v2 over HTTP, exactly as its clients know it.

In: requests' bodies. Out: frozen structs that are the JSON on the wire, and the schemas of the API document.
Invariants: what is left out of an answer is left out of its JSON. Thread: any (immutable data).

Sources: Open Inference Protocol, ``inference_rest.md``; Triton's extensions for binary tensors, sequences, statistics
and the model repository; the ``tritonclient`` package.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_RANK: Final = 32
MAX_TENSORS: Final = 256
MAX_NAME_CHARS: Final = 256

TensorName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
WholeNumber: TypeAlias = Annotated[int, Meta(ge=0)]

# --- inference ------------------------------------------------------------------------------------


class CallParameters(Struct, frozen=True):
    """How a request is run; parameters that nobody knows are passed over."""

    sequence_id: WholeNumber | Annotated[str, Meta(max_length=MAX_NAME_CHARS)] = 0
    """The stream that this is a step of; 0 or an empty text: none."""
    sequence_start: bool = False
    """Begin the stream, anew if it is open."""
    sequence_end: bool = False
    """Close the stream after this step."""
    priority: WholeNumber = 0
    """0 and 1 are live work; 2 and more are bulk work, which waits behind all live work."""
    timeout: WholeNumber | None = None
    """Microseconds until the answer is of no use any more; 0: as the model is set."""
    cache: bool = True
    """Whether the answer to an equal question will do, where there is one."""


class InferParameters(CallParameters, frozen=True):
    """The parameters of a request over HTTP."""

    binary_data_output: bool = False
    """Answer with binary tensors where an output does not say."""


class InputParameters(Struct, frozen=True):
    """The parameters of one input."""

    binary_data_size: WholeNumber | None = None
    """Bytes of this tensor among those behind the JSON."""
    shared_memory_region: str | None = None
    """Refused: there is no shared memory here."""


class InferInput(Struct, frozen=True):
    """One tensor that goes in."""

    name: TensorName
    shape: Annotated[tuple[WholeNumber, ...], Meta(max_length=MAX_RANK)]
    datatype: str
    """FP32, INT64, BYTES..."""
    parameters: InputParameters = InputParameters()
    data: msgspec.Raw | UnsetType = UNSET
    """The elements, in lists within lists or in one list in row-major order; absent where they are binary."""


class OutputParameters(Struct, frozen=True):
    """The parameters of one output that is asked for."""

    binary_data: bool | None = None
    """Whether it comes as bytes behind the JSON."""
    classification: WholeNumber = 0
    """Refused: outputs come as they are."""
    shared_memory_region: str | None = None
    """Refused: there is no shared memory here."""


class RequestedOutput(Struct, frozen=True):
    """One tensor that is asked for."""

    name: TensorName
    parameters: OutputParameters = OutputParameters()


class InferRequest(Struct, frozen=True):
    """A question to a model."""

    inputs: Annotated[tuple[InferInput, ...], Meta(max_length=MAX_TENSORS)]
    """One for each input of the model; optional ones may be left out."""
    outputs: Annotated[tuple[RequestedOutput, ...], Meta(max_length=MAX_TENSORS)] = ()
    """What is wanted; none: everything."""
    parameters: InferParameters = InferParameters()
    """How it is run and answered."""
    id: str = ""
    """Comes back with the answer."""


class BinarySize(Struct, frozen=True):
    """The parameters of a binary tensor that comes out."""

    binary_data_size: int


class InferOutput(Struct, frozen=True):
    """One tensor that comes out."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: BinarySize | UnsetType = UNSET
    data: list[Any] | UnsetType = UNSET
    """The elements in one list in row-major order; absent where they are binary."""


class InferResponse(Struct, frozen=True, kw_only=True):
    """A model's answer."""

    id: str | UnsetType = UNSET
    model_name: str
    model_version: str
    outputs: tuple[InferOutput, ...]


# --- server and models ----------------------------------------------------------------------------


class ServerLive(Struct, frozen=True):
    """The process answers."""

    live: Literal[True] = True


class ServerReady(Struct, frozen=True):
    """Whether work may be sent here."""

    ready: bool


class ServerMetadata(Struct, frozen=True):
    """What this server is, and can."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ModelReady(Struct, frozen=True):
    """The model answers."""

    name: str
    ready: Literal[True] = True


class TensorMetadata(Struct, frozen=True):
    """One input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """With the batch axis, where there is one; -1: any length."""


class ModelMetadata(Struct, frozen=True):
    """What a model takes and gives."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class IndexRequest(Struct, frozen=True):
    """Which models to list."""

    ready: bool = False
    """Only those that answer."""


class IndexEntry(Struct, frozen=True):
    """One version of one model."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str
    """Why it does not answer, or what is wrong with a newer file of it."""


class LoadRequest(Struct, frozen=True):
    """What a load or unload may bring; may be empty."""

    parameters: dict[str, Any] = {}
    """Passed over, but for ``config`` and ``file:...``: a model is configured by its folder."""


# --- statistics -----------------------------------------------------------------------------------


class StatisticDuration(Struct, frozen=True):
    """How often, and how long in all."""

    count: int = 0
    ns: int = 0


class InferStatistics(Struct, frozen=True):
    """Requests: how many, and how long each part took."""

    success: StatisticDuration
    fail: StatisticDuration
    queue: StatisticDuration
    compute_input: StatisticDuration
    compute_infer: StatisticDuration
    compute_output: StatisticDuration
    cache_hit: StatisticDuration = StatisticDuration()
    cache_miss: StatisticDuration = StatisticDuration()


class InferBatchStatistics(Struct, frozen=True):
    """Calls of the model with one number of rows."""

    batch_size: int
    compute_input: StatisticDuration
    compute_infer: StatisticDuration
    compute_output: StatisticDuration


class MemoryUsage(Struct, frozen=True):
    """Memory that a loaded model holds."""

    type: str
    id: int
    byte_size: int


class ModelStatistics(Struct, frozen=True):
    """One version of one model, since it was first used."""

    name: str
    version: str
    last_inference: int
    """Milliseconds since 1970; 0: never."""
    inference_count: int
    """Rows."""
    execution_count: int
    """Calls of the model."""
    inference_stats: InferStatistics
    batch_stats: tuple[InferBatchStatistics, ...]
    memory_usage: tuple[MemoryUsage, ...]


class StatisticsAnswer(Struct, frozen=True):
    """The statistics of the models asked for."""

    model_stats: tuple[ModelStatistics, ...]
