"""An engine of a microphone that makes no sound: remembers what it was told, and says what a test wants it to say.

In: switches. Out: a status. Invariants: as ``clean.mic.status.Engine``. Thread: one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gapless.clean.mic.status import MicOptions, MicStatus
from gapless.errors import ModelError
from gapless.realtime.native import NativeBlock


class FakeMicEngine:
    """Says what it was told.

    Args:
        options: mode, amount and gate to begin with; the model "broken" cannot start.
        block: what a real sound server may call; None: there is none.
    """

    def __init__(self, options: MicOptions, block: NativeBlock | None = None) -> None:
        self.options: Final = options
        self.block: Final = block or NativeBlock(0, 0, self)
        self.started = self.closed = False
        self.looks = 0
        self._status = MicStatus(
            mode=options.mode,
            amount=options.amount,
            bypass=False,
            gate=options.gate,
            muted=False,
            latency_ms=4.0 if options.mode == "low-delay" else 20.0,
            input_peak=0.5,
            input_rms_db=-20.0,
            output_peak=0.25,
            output_rms_db=-32.0,
            path="full",
            opened=0,
            late_blocks=0,
            worker=options.model,
            worker_load=0.05,
            worker_late_ms=0.0,
            blocks=0,
            reduction_db=12.0,
            invalid_samples=0,
        )

    def say(self, **changes: Any) -> None:
        """Let ``status`` say something else from now on."""
        self._status = msgspec.structs.replace(self._status, **changes)

    def start(self) -> None:
        """Started; a ModelError if its model is "broken"."""
        if self.options.model == "broken":
            raise ModelError("the model cannot run; choose another one with --model")
        self.started = True

    def set_amount(self, amount: float) -> None:
        """Kept."""
        self.say(amount=amount)

    def set_bypass(self, *, on: bool) -> None:
        """Kept."""
        self.say(bypass=on)

    def set_gate(self, *, on: bool) -> None:
        """Kept."""
        self.say(gate=on)

    def set_muted(self, *, on: bool) -> None:
        """Kept."""
        self.say(muted=on)

    def status(self) -> MicStatus:
        """What it was told; the look is counted."""
        self.looks += 1
        return self._status

    def close(self) -> None:
        """Kept in mind."""
        self.closed = True
