"""The face of the engine that cleans a microphone: what it can be told, and what it says of itself.

In: amounts and switches. Out: a native block for a sound server, and a ``MicStatus`` whenever one looks. Invariants:
nothing here is called from an audio callback; every figure in a status was counted or measured by the engine. Thread:
one at a time for the setters and ``status``; the block runs on the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    # The control commands read a status, and must not wait for Numba.
    from gapless.realtime.native import NativeBlock

Mode = Literal["low-delay", "quality"]
"""low-delay: 4 ms; quality: the model as it is, with its own delay."""

SoundPath = Literal["full", "cheaper", "dry", "half-open"]
"""What is heard: the model, a cheaper one, or the signal as it came; half-open: dry while the model is tried again."""


class MicOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is made with; the settings of the group ``mic`` say more of each."""

    mode: Mode = "low-delay"
    model: str = "rnnoise"
    amount: float = 1.0
    """0: nothing is removed, 1: all that can be found."""
    gate: bool = False
    gate_hang_over_ms: int = 300
    cap_samples: int = 24_000
    crossfade_samples: int = 240
    breaker_late_blocks: int = 5
    breaker_pause_ms: int = 25
    model_timeout_ms: int = 50
    min_fill_ms: float = 3.0
    max_fill_ms: float = 40.0
    models_dir: str = ""
    """The folder of the models that were added or pulled."""


class MicStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says of itself. Counts are since its start."""

    mode: Mode
    amount: float
    bypass: bool
    gate: bool
    muted: bool
    latency_ms: float
    """How much later the sound comes out of the engine than it went in; the devices' own latency is not in it."""
    input_peak: float
    """Largest absolute sample since the last look; 1 is full scale."""
    input_rms_db: float
    """Since the last look, in decibels below full scale."""
    output_peak: float
    output_rms_db: float
    path: SoundPath
    opened: int
    """How often the dry signal had to be taken."""
    late_blocks: int
    worker: str
    """Name of the model that runs beside the callback."""
    worker_load: float
    """Share of real time that the model takes: at 1 it can just keep up."""
    worker_late_ms: float
    """How late the newest result of the model was."""
    blocks: int
    reduction_db: float
    """How much quieter what comes out is than what went in, since the last look."""
    invalid_samples: int
    """Samples that were no numbers, infinite or far too loud, and were repaired."""
    model_error: str = ""
    """Why the model does not run; empty: it does."""


class Engine(Protocol):
    """What cleans the sound: ``gapless.clean.mic.engine.MicEngine``; ``gapless.testing`` has one that makes none."""

    @property
    def block(self) -> NativeBlock:
        """What a sound server calls for every block; the same for the engine's whole life."""
        ...

    def start(self) -> None:
        """Begin to work: load and warm up the model, start its thread.

        Raises:
            ModelError: there is no such model, or it cannot run.
        """
        ...

    def set_amount(self, amount: float) -> None:
        """How much noise is removed, 0..1; takes effect within a crossfade."""
        ...

    def set_bypass(self, *, on: bool) -> None:
        """On: what comes in goes out as it is, as late as the cleaned sound would be."""
        ...

    def set_gate(self, *, on: bool) -> None:
        """On: what is no voice is faded out."""
        ...

    def set_muted(self, *, on: bool) -> None:
        """On: silence goes out."""
        ...

    def status(self) -> MicStatus:
        """What it says of itself now; the levels begin anew with each look."""
        ...

    def close(self) -> None:
        """End its thread. No stream may call the block any more. Idempotent."""
        ...
