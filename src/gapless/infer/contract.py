"""What a model is: named tensors in, named tensors out.

In: arrays by name. Out: arrays by name. Invariants: ``ModelInfo`` says what it takes and gives; rows of a batch lie
along axis 0 (a state may name another axis) and do not influence each other; nothing is kept between two calls, unless
the model's server keeps it and ``info.sequences`` says so. Thread: ``run`` any, many at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec
import numpy.typing as npt

if TYPE_CHECKING:
    from gapless.infer.repository.manifest import Manifest

Array: TypeAlias = npt.NDArray[Any]
"""A tensor of any type in ``tensors.DATATYPES``; texts are arrays of ``bytes`` objects."""

Tensors: TypeAlias = Mapping[str, Array]
"""Tensors by name."""

DYNAMIC = -1
"""A dimension of any length."""


class TensorInfo(msgspec.Struct, frozen=True):
    """One input or output."""

    name: str
    datatype: str
    """As KServe names it: FP32, INT64, BYTES..."""
    shape: tuple[int, ...]
    """Of one row: without the batch axis where the model batches; ``DYNAMIC`` where any length fits."""
    labels: tuple[str, ...] = ()
    """What the entries of the last axis stand for."""
    optional: bool = False
    """An input that may be left out."""


class StateInfo(msgspec.Struct, frozen=True):
    """A tensor that goes out of one step of a sequence and into its next one."""

    input: str
    output: str
    datatype: str
    shape: tuple[int, ...]
    """Of one row, without the batch axis; all lengths are known."""
    axis: int = 0
    """Where the batch axis is put in."""
    initial: float = 0.0
    """What every element is before the first step."""


class ModelLimits(msgspec.Struct, frozen=True):
    """The bounds of one model."""

    buckets: tuple[int, ...] = (1,)
    """Sizes of batch that are run, ascending; others are padded up to the next. The last is the largest batch."""
    max_waiting_rows: int = 1024
    """Rows that may wait; more are refused at once."""
    max_sequences: int = 256
    """Sequences at a time; one more is refused."""
    sequence_idle_ms: int = 60_000
    """A sequence that nobody steps for this long is released."""
    max_delay_ms: float = 0.0
    """How long a row may wait for company; 0: it never does."""
    latency_budget_ms: float | None = None
    """What a batch that holds live rows may take; larger buckets are not used once they measured slower."""
    timeout_ms: float | None = None
    """How long a row may wait where its caller does not say."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model before it is run."""

    name: str
    version: str = "1"
    """A whole number, as text."""
    platform: str
    """As KServe names it: onnxruntime_onnx, triton..."""
    kind: str = "tensors"
    """What it is for: vad, classifier, ... or just tensors."""
    description: str = ""
    licence: str = ""
    inputs: tuple[TensorInfo, ...]
    """Without the states."""
    outputs: tuple[TensorInfo, ...]
    """Without the states."""
    states: tuple[StateInfo, ...] = ()
    """What the engine carries from step to step of a sequence, in the slots of an arena."""
    sequences: Literal["none", "slots", "server"] = "none"
    """Who keeps the state of sequences: nobody, the engine's slots, or the server the model runs on."""
    batched: bool = False
    """Whether tensors have a batch axis in front, be the largest batch one row or many."""
    limits: ModelLimits = ModelLimits()
    accepts: Literal["text", "audio"] | None = None
    """What the JSON face may be given instead of tensors."""
    audio_rate_hz: int | None = None
    """The rate of the samples it takes, where it accepts audio."""
    audio_hop_samples: int | None = None
    """New samples in each window of audio, whose length is the input's last dimension; None: all of them are new."""
    flux: bool = False
    """Whether answers carry the position of their integer label; see ``infer/flux.py``."""
    allows_nan: bool = False
    """Whether values that are no numbers may go in or come out; a row that has one fails otherwise."""
    digest: str = ""
    """Of all that its answers depend on besides the inputs, in hexadecimal; empty: they are not to be remembered."""


class SequenceStep(msgspec.Struct, frozen=True):
    """Where a call stands in a sequence whose state the model's server keeps."""

    id: int
    """Unique on that server; never 0."""
    start: bool = False
    end: bool = False


class LoadTimings(msgspec.Struct, frozen=True):
    """What loading a model took, and what its calls take."""

    create_ms: float
    """Reading the file and preparing the graph."""
    warm_up_ms: float
    """Running every bucket for the first time, all together."""
    first_call_ms: float
    """The first call of one row after that."""
    steady_ms: dict[int, float]
    """The median call by bucket."""


class Model(Protocol):
    """A loaded model."""

    @property
    def info(self) -> ModelInfo:
        """What it takes and gives."""
        ...

    @property
    def memory_bytes(self) -> int:
        """What it holds of this process's memory, as measured when it was loaded; 0 for one that runs elsewhere."""
        ...

    @property
    def timings(self) -> LoadTimings | None:
        """What was measured when it was loaded; None for one that runs elsewhere."""
        ...

    @property
    def provider(self) -> str:
        """What computes it, and why that was chosen; a sentence."""
        ...

    @property
    def trouble(self) -> str:
        """Why it cannot answer now, the server it runs on being away for instance; empty while all is well."""
        ...

    def run(
        self,
        inputs: Tensors,
        *,
        timeout_s: float | None = None,
        step: SequenceStep | None = None,
    ) -> dict[str, Array]:
        """Evaluate the model once.

        Args:
            inputs: every input and every state's input, by name, whole batches where ``info.batched``.
            timeout_s: when the answer is of no use any more; a model that runs in this process ignores it.
            step: where this call stands, for models with ``info.sequences == "server"``; else None.

        Returns:
            Every output and every state's output; the arrays are the caller's own.

        Raises:
            ModelError: the inputs do not fit, or the model failed on them.
            OverloadError: the server it runs on has no room; nothing was run.
            ConnectionLostError: the server it runs on cannot be reached, or is not asked while it fails.
            DeadlineError: the server it runs on did not answer in time.
        """
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent. No call is under way, and none follows."""
        ...


@runtime_checkable
class KeepsSequences(Protocol):
    """What a model with ``info.sequences == "server"`` has besides."""

    def end(self, sequence: int) -> None:
        """Tell the server that a sequence is over which no step ended; quick, and at best effort."""
        ...


class Loader(Protocol):
    """Opens models of one platform."""

    def __call__(self, name: str, version: str, manifest: Manifest, path: Path | None) -> Model:
        """Load, and run every bucket once, so that the first call is as fast as the rest.

        Args:
            name: what it is called here.
            version: a whole number, as text.
            manifest: what its folder says of it; the model itself adds the rest to ``Model.info``.
            path: its file; None for a model that runs elsewhere.

        Raises:
            ModelError: it cannot be loaded, or is not what the manifest says.
            ConfigError: the provider that is asked for is not here.
            MissingDependencyError: what runs it is not installed.
            ConnectionLostError: the server it runs on cannot be reached.
        """
        ...
