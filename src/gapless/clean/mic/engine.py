"""The engine of one cleaned microphone: the record, the function over it, and the thread beside it.

In: options, then amounts and switches. Out: a native block for a sound server, and a status. Invariants: the block is
the same for the engine's life, and gives sound before ``start`` and after ``close``, too. Thread: as ``status.Engine``
says.
"""

from __future__ import annotations

import math
from typing import Final, final

from gapless.clean.live.callback import block
from gapless.clean.live.hear import (
    DRY_ENERGY,
    INPUT_ENERGY,
    INPUT_PEAK,
    MEASURED,
    OUTPUT_ENERGY,
    OUTPUT_PEAK,
)
from gapless.clean.live.state import (
    AMOUNT,
    BLOCKS,
    BUSY_NS,
    BYPASS,
    FRAMES,
    GATE,
    INVALID,
    LATE,
    LATE_NS,
    LOOKED,
    MUTED,
    PATH,
    RATE_HZ,
    STALL_NS,
    make_state,
)
from gapless.clean.live.worker import Worker
from gapless.clean.mic.status import MicOptions, MicStatus, SoundPath
from gapless.clean.rnnoise import FRAME_SAMPLES
from gapless.errors import ConfigError
from gapless.realtime.breaker import OPENED
from gapless.realtime.native import NativeBlock

PATHS: Final[tuple[SoundPath, ...]] = ("full", "cheaper", "dry", "half-open")
"""In the breaker's order."""
SILENCE_DB: Final = -200.0


@final
class MicEngine:
    """Cleans one microphone, or what one hears."""

    def __init__(self, options: MicOptions) -> None:
        """Make everything that the callback will touch.

        Raises:
            ConfigError: an amount that is no share.
        """
        self._options = options
        self._state = make_state(options)
        self._worker = Worker(self._state, options)
        self.set_amount(options.amount)
        self.block: Final = NativeBlock(
            int(block.address or 0), self._state.ctypes.data, self._state
        )

    def start(self) -> None:
        """Begin to work: load and warm up the model, start its thread.

        Raises:
            ConfigError: the mode does not take the model.
            ModelError: there is no such model, or it cannot run.
            MissingDependencyError: the model needs a package that is not installed.
        """
        self._worker.start()

    def set_amount(self, amount: float) -> None:
        """How much noise is removed, 0..1; takes effect within a crossfade.

        Raises:
            ConfigError: it is not from 0 to 1.
        """
        if not 0 <= amount <= 1:
            raise ConfigError(f"amount = {amount} must be a number from 0 to 1", param="mic_amount")
        self._tell(AMOUNT, round(amount * 1e6))

    def set_bypass(self, *, on: bool) -> None:
        """On: what comes in goes out as it is, as late as the cleaned sound would be."""
        self._tell(BYPASS, int(on))

    def set_gate(self, *, on: bool) -> None:
        """On: what is no voice is faded out."""
        self._tell(GATE, int(on))

    def set_muted(self, *, on: bool) -> None:
        """On: silence goes out."""
        self._tell(MUTED, int(on))

    def stall(self, stall_ms: float) -> None:
        """Let the thread beside the callback stand still for so long, once: to measure what comes of it."""
        self._state[0]["orders"][STALL_NS] = round(stall_ms * 1e6)

    def status(self) -> MicStatus:
        """What it says of itself now; the levels begin anew with each look."""
        state = self._state[0]
        levels, told = state["levels"].copy(), state["told"]
        callback, worker = state["told_by_callback"], state["told_by_worker"]
        self._tell(LOOKED, int(told[LOOKED]) + 1)
        samples = levels[MEASURED] or 1.0
        input_db, output_db, dry_db = (
            _decibels(levels[which] / samples)
            for which in (INPUT_ENERGY, OUTPUT_ENERGY, DRY_ENERGY)
        )
        worked_s = int(worker[FRAMES]) * FRAME_SAMPLES / RATE_HZ
        return MicStatus(
            mode=self._options.mode,
            amount=int(told[AMOUNT]) / 1e6,
            bypass=bool(told[BYPASS]),
            gate=bool(told[GATE]),
            muted=bool(told[MUTED]),
            latency_ms=int(state["latency"]) * 1000 / RATE_HZ,
            input_peak=float(levels[INPUT_PEAK]),
            input_rms_db=input_db,
            output_peak=float(levels[OUTPUT_PEAK]),
            output_rms_db=output_db,
            path=PATHS[int(callback[PATH])],
            opened=int(state["breaker"][OPENED]),
            late_blocks=int(callback[LATE]),
            worker=self._worker.name,
            worker_load=int(worker[BUSY_NS]) / 1e9 / worked_s if worked_s else 0.0,
            worker_late_ms=int(worker[LATE_NS]) / 1e6,
            blocks=int(callback[BLOCKS]),
            reduction_db=max(0.0, dry_db - output_db),
            invalid_samples=int(callback[INVALID]),
            model_error=self._worker.error,
        )

    def close(self) -> None:
        """End its thread. No stream may call the block any more. Idempotent."""
        self._worker.close()

    def _tell(self, cell: int, value: int) -> None:
        # One aligned store of eight bytes: the callback sees the old value or the new one.
        self._state[0]["told"][cell] = value


def _decibels(power: float) -> float:
    return 10 * math.log10(power) if power > 0 else SILENCE_DB
