"""The JSON of ``/v1/infer`` and ``/v1/flux``.

In: requests' bodies. Out: frozen structs that are the JSON on the wire, and the schemas of the API document.
Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gapless.serve.kserve.messages import MAX_TENSORS, CallParameters, TensorName

INFER_PATHS: Final = ("/v1/infer", "/api/infer")
"""Two addresses of the same: our own, and the name that some know it by."""


class InferQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to a model: one of ``inputs``, ``text`` and ``audio``."""

    model: TensorName | None = None
    """None: the model that ``GET`` describes."""
    version: str | None = None
    """None: the newest that answers."""
    inputs: Annotated[dict[str, msgspec.Raw], Meta(max_length=MAX_TENSORS)] | None = None
    """Lists of numbers or texts by the input's name: one row, or a list of rows."""
    text: str | None = None
    """For models that accept text."""
    audio: bytes | None = None
    """For models that accept audio: signed 16-bit little-endian samples of one channel, in base64."""
    sample_rate: int | None = None
    """Of ``audio``, in Hz; None: as the model takes it."""
    parameters: CallParameters = CallParameters()
    """How it is run."""


class TimingMs(Struct, frozen=True):
    """Where the time went, in milliseconds, of all steps together."""

    queue: float
    compute: float


class InferAnswer(Struct, frozen=True, kw_only=True):
    """A model's answer."""

    model: str
    version: str
    outputs: dict[str, Any]
    """Lists of numbers or texts by the output's name, with rows in front if rows went in."""
    cached: bool
    """Whether it was remembered from an equal question; the model did not run then."""
    timing_ms: TimingMs
    flux_position: Any | UnsetType = UNSET
    """0 to 9, for models whose manifest says ``flux``: one number, or one for each label."""


class TensorDescription(Struct, frozen=True):
    """One input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """Of one row; -1: any length."""
    labels: tuple[str, ...] = ()
    """What the entries of the last axis stand for."""
    optional: bool = False


class ModelDescription(Struct, frozen=True, kw_only=True):
    """What a model takes and gives."""

    model: str
    version: str
    kind: str
    description: str
    licence: str
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    batched: bool
    """Whether several rows may come at once."""
    sequences: bool
    """Whether it remembers, from step to step of a ``sequence_id``."""
    accepts: Literal["text", "audio"] | None
    """What may be sent instead of inputs."""
    audio_rate_hz: int | None
    flux: bool


class FluxAnswer(Struct, frozen=True):
    """Where a seed stands, and where doubling leads."""

    seed: str
    position: int
    sequence: tuple[int, ...]
    """Nine steps, each the digital root of twice the last."""
