"""Messages on their way out, each when its sample is heard.

In: events as the scheduler tells them, and how the time goes. Out: messages on a port. Invariants: whoever tells an
event never waits for the port; what is late is sent at once and counted; nothing is left sounding: when the program is
hushed, when there is a panic, and at the end all notes are ended. Thread: starts its own.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, final

from gapless.play.live.wall_clock import WallClock
from gapless.play.midi.from_event import Note, said_by
from gapless.play.midi.message import STOP
from gapless.play.midi.outbox import Due, Outbox
from gapless.play.midi.pulses import Now, Pulses
from gapless.play.program import Program
from gapless.play.remarks import Remarks
from gapless.play.schedule import Heard

LOOK_S: Final = 0.005
"""Between two looks at the program and the time."""
LEAST_S: Final = 0.0001
LATE_NS: Final = 3_000_000
"""What is sent later than this is late."""


class Port(Protocol):
    """Where messages go."""

    def send(self, message: bytes) -> None:
        """Send one now; does not raise."""
        ...


class MidiSent(NamedTuple):
    """What became of messages."""

    sent: int
    late: int
    """Of those, the ones that were sent after their time."""
    refused: int
    """For which there was no room."""


@final
class Sender:
    """Sends to one port; close it.

    Args:
        port: an open one.
        times: of samples.
        rate_hz: of those.
        latency_ms: from when a sample is computed to when its message is sent.
        program: tells what plays.
        remarks: take what the author should know.
        pulses: of a clock, and what tells how the time goes; None: no clock is sent.
    """

    def __init__(
        self,
        port: Port,
        times: WallClock,
        rate_hz: int,
        latency_ms: float,
        *,
        program: Callable[[], Program],
        remarks: Remarks,
        pulses: tuple[Pulses, Callable[[], Now]] | None = None,
    ) -> None:
        self._port = port
        self._times = times
        self._rate_hz = rate_hz
        self._latency_ns = round(latency_ms * 1e6)
        self._program = program
        self._playing = program()
        self._remarks = remarks
        self._pulses = pulses
        self._outbox = Outbox()
        self._ends: list[bytes] = []
        """To be sent at once."""
        self._changed = threading.Condition()
        self._closing = False
        self._sent = self._late = 0
        self._thread = threading.Thread(target=self._run, name="gapless-midi-out", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def listen(self, heard: Heard) -> None:
        """What a scheduler is to tell its events."""
        if "midichan" not in heard.event.value:
            return
        with self._changed:
            # What was said by the program before ends before the first of the new one is taken.
            self._look()
            for one in said_by(heard, self._rate_hz, self._remarks):
                if isinstance(one, Note):
                    self._outbox.note(one)
                else:
                    self._outbox.put(one.at, one.message)
            self._changed.notify()

    def counts(self) -> MidiSent:
        """So far."""
        return MidiSent(self._sent, self._late, self._outbox.refused)

    def close(self) -> None:
        """End all notes and the thread. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        atexit.unregister(self.close)

    def _look(self) -> None:
        """Whether what plays is another program, and something is over with it."""
        program = self._program()
        if program is self._playing:
            return
        self._playing = program
        panic = any(order.what == "panic" for order in program.transport)
        over = panic or not program.outputs
        self._ends += self._outbox.silence(lambda output: over or output in program.hushed)

    def _run(self) -> None:
        while True:
            # Not while anybody could be kept waiting: this may wait for the player.
            pulses = self._due_pulses()
            with self._changed:
                self._look()
                for pulse in pulses:
                    self._outbox.put(pulse.at, pulse.message)
                ends, self._ends = self._ends, []
                if self._closing:
                    break
                now_ns = time.monotonic_ns()
                due = self._outbox.take(self._times.sample_at(now_ns - self._latency_ns))
            self._send(ends, due, now_ns)
            with self._changed:
                if not self._closing and not self._ends:
                    self._changed.wait(self._pause_s())
        ends += self._outbox.silence(lambda _: True)
        if self._pulses is not None and self._pulses[0].runs:
            ends.append(bytes((STOP,)))
        self._send(ends, [], 0)

    def _due_pulses(self) -> list[Due]:
        if self._pulses is None:
            return []
        pulses, now = self._pulses
        return list(pulses.look(now()))

    def _send(self, ends: list[bytes], due: list[Due], now_ns: int) -> None:
        for message in ends:
            self._port.send(message)
        for at, message in due:
            self._port.send(message)
            self._late += now_ns - self._times.time_ns_of(at) - self._latency_ns > LATE_NS
        self._sent += len(ends) + len(due)

    def _pause_s(self) -> float:
        at = self._outbox.next()
        if at is None:
            return LOOK_S
        due_ns = self._times.time_ns_of(at) + self._latency_ns - time.monotonic_ns()
        return min(max(due_ns / 1e9, LEAST_S), LOOK_S)
