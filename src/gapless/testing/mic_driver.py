"""Drives a supervisor of a virtual microphone over a fake sound system, ten times a second of a clock of its own.

In: what a test does to the sound system. Out: what was said and done meanwhile. Invariants: does what the thread of a
``RunningMic`` does, without the thread. Thread: one.
"""

from __future__ import annotations

from typing import Final

from gapless.clean.mic.connection import Connection
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import Kind
from gapless.clean.mic.supervise import Step, Supervisor
from gapless.realtime.native import NativeBlock
from gapless.testing.clock import ManualClock
from gapless.testing.fake_sound_server import FakeSound

BLOCK: Final = NativeBlock(0, 0, None)
TICK_MS: Final = 100
MOST_STEPS: Final = 8


class MicDriver:
    """A supervisor and its connection.

    Args:
        sound: the sound system.
        kind: what other programs see.
        wanted: the device that was asked for.
        last: the device used last.
    """

    def __init__(
        self,
        sound: FakeSound,
        kind: Kind = "microphone",
        *,
        wanted: str | None = None,
        last: str | None = None,
    ) -> None:
        self.sound: Final = sound
        self.clock: Final = ManualClock()
        self.supervisor: Final = Supervisor(kind, wanted, last)
        self.connection: Final = Connection(MicPlan(name="Mic", kind=kind), sound.find)
        self.steps: Final[list[tuple[int, Step]]] = []
        """What was done, and when."""

    def run(self, ms: int) -> list[str]:
        """Let time pass; return what was said."""
        said: list[str] = []
        for _ in range(ms // TICK_MS):
            for _ in range(MOST_STEPS):
                step = self.supervisor.next_step(self.clock(), self.connection.seen())
                if step is None:
                    break
                self._do(step)
            said += [event.text for event in self.supervisor.take_events()]
            self.clock.advance(TICK_MS)
        return said

    def _do(self, step: Step) -> None:
        self.steps.append((self.clock(), step))
        try:
            result = self.connection.do(step, BLOCK, 256)
        except OSError as error:
            self.supervisor.failed(step, self.clock(), str(error))
        else:
            self.supervisor.did(step, self.clock(), result)
