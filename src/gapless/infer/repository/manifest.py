"""What a folder says of its model, and what that and the model's own file come to.

In: a ``Manifest`` (``manifest_file.py`` and ``config_pbtxt.py`` read them) and the description of an ONNX file.
Out: a ``ModelInfo``. Invariants: what the file tells need not be said; what is said and is not so is an error that
shows both. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from gapless.errors import ModelError
from gapless.infer.contract import DYNAMIC, ModelInfo, ModelLimits, StateInfo, TensorInfo
from gapless.infer.onnx.description import OnnxDescription, OnnxTensor, batch_symbol
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire.tensors import DATATYPES

DEFAULT_MAX_BATCH: Final = 32
"""The largest batch of a model that batches, where nothing else is said."""

Platform: TypeAlias = Literal["onnxruntime_onnx", "triton"]
Length: TypeAlias = Annotated[int, Meta(ge=DYNAMIC)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0)]
Name: TypeAlias = Annotated[str, Meta(min_length=1)]


class TensorEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one input or output."""

    name: Name
    """As the file calls it."""
    datatype: str | None = None
    """As KServe names it; None: as the file has it."""
    shape: tuple[Length, ...] | None = None
    """Of one row, without the batch axis; -1 where any length fits. None: as the file has it."""
    axis: Annotated[int, Meta(ge=0)] = 0
    """Where the batch axis is in the file's tensor; whoever asks the model has it in front."""
    labels: tuple[str, ...] = ()
    """What the entries of the last axis stand for."""
    labels_file: str | None = None
    """A file in the model's folder that holds the labels, one a line."""
    optional: bool = False
    """An input that may be left out."""


class StateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a tensor that one step of a sequence leaves for the next."""

    input: Name
    output: Name
    datatype: str | None = None
    """None: as the file has it."""
    shape: tuple[Annotated[int, Meta(ge=0)], ...] | None = None
    """Of one row, without the batch axis. None: as the file has it."""
    axis: Annotated[int, Meta(ge=0)] = 0
    """Where the batch axis is in the file's tensor."""
    initial: float = 0.0
    """What every element is before the first step."""


class LimitEntries(ModelLimits, frozen=True, kw_only=True):
    """``ModelLimits`` with bounds; see there what they mean."""

    buckets: tuple[Count, ...] = ()
    """Empty: the powers of two up to the largest batch."""
    max_waiting_rows: Count = ModelLimits().max_waiting_rows
    max_sequences: Count = ModelLimits().max_sequences
    sequence_idle_ms: Count = ModelLimits().sequence_idle_ms
    max_delay_ms: Milliseconds = ModelLimits().max_delay_ms
    latency_budget_ms: Milliseconds | None = None
    timeout_ms: Milliseconds | None = None


class Manifest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"inputs": "input", "outputs": "output", "states": "state"},
):
    """What is said of a model; all of it may be left out. ``docs/reference/manifest.md`` explains every field."""

    description: str = ""
    licence: str = ""
    platform: Platform = "onnxruntime_onnx"
    kind: str = "tensors"
    file: str = "model.onnx"
    """The model's file in each version's folder."""
    versions: Literal["all"] | Count | tuple[Count, ...] = 1
    """Which are served: all, this many of the newest, or these."""
    max_batch: Annotated[int, Meta(ge=0, le=65_536)] | None = None
    """0: tensors have no batch axis. None: as the file has it."""
    inputs: tuple[TensorEntry, ...] = ()
    outputs: tuple[TensorEntry, ...] = ()
    states: tuple[StateEntry, ...] = ()
    limits: LimitEntries = LimitEntries()
    accepts: Literal["text", "audio"] | None = None
    audio_rate_hz: Count | None = None
    audio_hop_samples: Count | None = None
    flux: bool = False
    allows_nan: bool = False
    cache: bool = True
    """Whether answers may be remembered; those of sequences, of models elsewhere and of chance never are."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt", "coreml", "directml"] | None = None
    """What computes this model; None: what the settings say."""
    triton: TritonOptions | None = None
    """Where the model runs, for the platform ``triton``."""

    def __post_init__(self) -> None:
        """Check what types do not.

        Raises:
            ModelError: two fields do not go together.
        """
        if (self.platform == "triton") != (self.triton is not None):
            raise ModelError(
                'the platform "triton" and the table [triton] go together; say both, or neither',
                param="triton",
            )
        if self.accepts == "audio" and self.audio_rate_hz is None:
            raise ModelError(
                "a model that accepts audio needs audio_rate_hz; say at what rate it takes samples",
                param="audio_rate_hz",
            )
        if any(larger <= smaller for smaller, larger in pairwise(self.limits.buckets)):
            raise ModelError(
                f"limits.buckets is {list(self.limits.buckets)}; sort it, each size once",
                param="limits.buckets",
            )


def resolve_info(
    name: str, version: str, manifest: Manifest, description: OnnxDescription
) -> ModelInfo:
    """What a model in an ONNX file takes and gives.

    Raises:
        ModelError: the manifest and the file do not agree; the message shows both.
    """
    carried = {state.input for state in manifest.states}
    left = {state.output for state in manifest.states}
    inputs = [tensor for tensor in description.inputs if tensor.name not in carried]
    outputs = [tensor for tensor in description.outputs if tensor.name not in left]
    max_batch = _max_batch(manifest, [*inputs, *outputs])
    limits = resolve_limits(manifest.limits, max_batch)
    buckets = limits.buckets if max_batch else ()
    return ModelInfo(
        name=name,
        version=version,
        platform=manifest.platform,
        kind=manifest.kind,
        description=manifest.description,
        licence=manifest.licence,
        inputs=_tensors("input", manifest.inputs, inputs, buckets),
        outputs=_tensors("output", manifest.outputs, outputs, buckets),
        states=tuple(_state(entry, description, buckets) for entry in manifest.states),
        sequences="slots" if manifest.states else "none",
        batched=max_batch > 0,
        limits=limits,
        accepts=manifest.accepts,
        audio_rate_hz=manifest.audio_rate_hz,
        audio_hop_samples=manifest.audio_hop_samples,
        flux=manifest.flux,
        allows_nan=manifest.allows_nan,
    )


def resolve_limits(entries: LimitEntries, max_batch: int) -> ModelLimits:
    """The limits of a model whose largest batch is known; 0: it has no batch axis.

    Raises:
        ModelError: the buckets do not end with the largest batch.
    """
    buckets = entries.buckets or powers_of_two(max_batch)
    if max_batch == 0 and buckets != (1,):
        raise ModelError(
            f"limits.buckets is {list(buckets)}, but the model has no batch axis; leave it out, or export the model "
            "with a batch axis in front",
            param="limits.buckets",
        )
    if max_batch and buckets[-1] != max_batch:
        raise ModelError(
            f"limits.buckets is {list(buckets)} and max_batch {max_batch}; the last bucket is the largest batch: "
            "make them equal, or leave one out",
            param="limits.buckets",
        )
    return ModelLimits(**{**msgspec.structs.asdict(entries), "buckets": buckets})


def powers_of_two(largest: int) -> tuple[int, ...]:
    """1, 2, 4... and ``largest`` itself; just 1 if that is 0."""
    below = tuple(2**n for n in range(max(largest - 1, 0).bit_length()))
    return (*below, largest) if largest else (1,)


def _max_batch(manifest: Manifest, tensors: Sequence[OnnxTensor]) -> int:
    if manifest.max_batch is not None:
        return manifest.max_batch
    if manifest.limits.buckets:
        return manifest.limits.buckets[-1]
    return DEFAULT_MAX_BATCH if batch_symbol(tensors) is not None else 0


def _tensors(
    side: Literal["input", "output"],
    entries: Iterable[TensorEntry],
    found: Sequence[OnnxTensor],
    buckets: tuple[int, ...],
) -> tuple[TensorInfo, ...]:
    said: dict[str, TensorEntry] = {}
    for entry in entries:
        if entry.name in said:
            raise ModelError(
                f"the manifest names the {side} {entry.name!r} twice; say all of it in one table",
                param=side,
            )
        said[entry.name] = entry
    names = [tensor.name for tensor in found]
    for name in said:
        if name not in names:
            raise ModelError(
                f"the manifest names the {side} {name!r}, but the file has {', '.join(names) or 'none'}; "
                "use the file's names",
                param=side,
            )
    return tuple(_tensor(side, said.get(tensor.name), tensor, buckets) for tensor in found)


def _tensor(
    side: str, entry: TensorEntry | None, found: OnnxTensor, buckets: tuple[int, ...]
) -> TensorInfo:
    entry = entry or TensorEntry(name=found.name)
    what = f"{side} {found.name!r}"
    shape = entry.shape
    # ONNX Runtime shows an output of unknown shape as one without axes: then the manifest is believed.
    if shape is None or found.shape or side == "input":
        rows = _without_batch(what, found, entry.axis, buckets) if buckets else found.lengths
        shape = _agreed_shape(what, shape, rows, found)
    return TensorInfo(
        name=found.name,
        datatype=_agreed_datatype(what, entry.datatype, found),
        shape=shape,
        labels=entry.labels,
        optional=entry.optional,
    )


def _state(entry: StateEntry, description: OnnxDescription, buckets: tuple[int, ...]) -> StateInfo:
    inputs = {tensor.name: tensor for tensor in description.inputs}
    outputs = {tensor.name: tensor for tensor in description.outputs}
    for name, side, tensors in ((entry.input, "input", inputs), (entry.output, "output", outputs)):
        if name not in tensors:
            raise ModelError(
                f"the manifest names {name!r} as a state's {side}, but the file has "
                f"{', '.join(tensors) or 'none'}; use the file's names",
                param=f"state.{side}",
            )
    found = inputs[entry.input]
    what = f"state {entry.input!r}"
    rows = _without_batch(what, found, entry.axis, buckets) if buckets else found.lengths
    shape = _agreed_shape(what, entry.shape, rows, found)
    if DYNAMIC in shape:
        raise ModelError(
            f"the {what} has the shape {_shown(found)} in the file, with lengths that are not fixed; "
            "say its shape in the manifest",
            param="state.shape",
        )
    datatype = _agreed_datatype(what, entry.datatype, found)
    if outputs[entry.output].datatype != datatype:
        raise ModelError(
            f"the {what} is {datatype}, but {entry.output!r}, which is to follow it, is "
            f"{outputs[entry.output].datatype}; export the model with one type for both",
            param="state.output",
        )
    return StateInfo(entry.input, entry.output, datatype, shape, entry.axis, entry.initial)


def _without_batch(
    what: str, found: OnnxTensor, axis: int, buckets: tuple[int, ...]
) -> tuple[int, ...]:
    """The lengths of one row: the file's without the batch axis, which must be open or as long as the only bucket."""
    lengths = found.lengths
    if axis >= len(lengths):
        raise ModelError(
            f"the {what} has the shape {_shown(found)} in the file: no batch axis at {axis}; set max_batch to 0, or "
            "export the model with one",
            param="max_batch",
        )
    if lengths[axis] != DYNAMIC and buckets != (lengths[axis],):
        raise ModelError(
            f"the {what} has the shape {_shown(found)} in the file, whose batch axis is always {lengths[axis]}; "
            f"set limits.buckets to [{lengths[axis]}], set max_batch to 0, or export the model with an open batch axis",
            param="max_batch",
        )
    return lengths[:axis] + lengths[axis + 1 :]


def _agreed_shape(
    what: str, said: tuple[int, ...] | None, rows: tuple[int, ...], found: OnnxTensor
) -> tuple[int, ...]:
    if said is None:
        return rows
    if len(said) != len(rows) or any(
        theirs not in {DYNAMIC, ours} for ours, theirs in zip(said, rows, strict=True)
    ):
        raise ModelError(
            f"the {what} has the shape {list(said)} for one row in the manifest, but {list(rows)} in the file "
            f"(whole: {_shown(found)}); correct the manifest, or leave the shape out",
            param="shape",
        )
    return said


def _agreed_datatype(what: str, said: str | None, found: OnnxTensor) -> str:
    if said not in {None, found.datatype}:
        known = (
            ""
            if said in DATATYPES
            else f" (which is no type; those known are {', '.join(DATATYPES)})"
        )
        raise ModelError(
            f"the {what} is {said} in the manifest{known}, but {found.datatype} in the file; "
            "correct the manifest, or leave the datatype out",
            param="datatype",
        )
    return found.datatype


def _shown(found: OnnxTensor) -> str:
    return f"[{', '.join(str(length) or '?' for length in found.shape)}]"
