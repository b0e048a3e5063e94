"""A virtual microphone that runs: does what the supervisor decides, and what people ask for.

In: a plan, a sound server, an engine, changes. Out: cleaned sound for other programs, reports, events. Invariants: the
sound server is talked to on one thread only; no ``OSError`` of a device ends it; the engine outlives every stream that
calls it; the virtual device is gone when ``close`` returns. Thread: its own for the sound server; ``report``, ``apply``
and ``stop`` any; the rest one at a time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from gapless.clean.mic.block_choice import BlockChoice
from gapless.clean.mic.connection import Connection, FindServer
from gapless.clean.mic.control import DEFAULT_DEVICE, Block, Change, Switch
from gapless.clean.mic.engine_news import EngineNews
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.remembered import Remembered, recall, remember
from gapless.clean.mic.report import EventKind, Happening, MicReport, StreamReport, finite
from gapless.clean.mic.status import Engine, MicOptions, MicStatus, Mode
from gapless.clean.mic.supervise import Close, Leave, Open, Step, Supervisor, Use
from gapless.errors import DeviceError, GaplessError, StoreError

TICK_S: Final = 0.1
COUNT_EVERY_MS: Final = 500
"""Time between looks at what a stream counts."""
MOST_STEPS: Final = 8
"""Steps of one tick."""
MOST_HAPPENINGS: Final = 20
"""Events in a report."""
MOST_UNSEEN: Final = 256
MOST_WISHES: Final = 32
JOIN_S: Final = 30.0
"""A model that is being loaded cannot be stopped."""

OpenEngine = Callable[[MicOptions], Engine]


class RunningMic:
    """Made to be closed: use ``contextlib.closing``.

    Args:
        plan: what is to run.
        open_engine: makes what cleans.
        find_server: finds a sound server.
        state_file: where the devices are remembered; None: nowhere.
        clock_ms: the time; never goes back.
        wall_s: seconds since 1970.
    """

    def __init__(
        self,
        plan: MicPlan,
        *,
        open_engine: OpenEngine,
        find_server: FindServer,
        state_file: Path | None = None,
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.plan: Final = plan
        self._open_engine = open_engine
        self._state_file = state_file
        self._clock_ms = clock_ms
        self._wall_s = wall_s
        self._begun_ms = clock_ms()

        # The supervising thread's own.
        self._remembered = recall(state_file) if state_file is not None else Remembered()
        asked = self._remembered.wanted if plan.device is None else plan.device
        wanted = None if asked == DEFAULT_DEVICE else asked
        self._supervisor = Supervisor(plan.kind, wanted, self._remembered.last)
        self._connection = Connection(plan, find_server)
        self._next_engine: Engine | None = None
        self._block_choice = BlockChoice(plan.block, plan.engine.mode)
        self._counted_ms = 0

        self._lock = threading.Lock()
        """Guards all below, and all calls of the engine but its block."""
        self._engine = open_engine(plan.engine)
        self._options = plan.engine
        self._block: Block = plan.block
        self._wishes: deque[Change] = deque(maxlen=MOST_WISHES)
        """What only the supervising thread can do."""
        self._happened: deque[Happening] = deque(maxlen=MOST_HAPPENINGS)
        self._unseen: deque[Happening] = deque(maxlen=MOST_UNSEEN)
        self._stream = StreamReport()
        self._news = EngineNews()
        self._report: MicReport | None = None
        self._error: GaplessError | None = None

        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gapless-mic", daemon=True)

    def start(self) -> None:
        """Look after the devices until ``stop``, and load the model; until then the sound passes as it is."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait, but not longer than until it is to end; True: it is."""
        return self._ending.wait(seconds)

    def stop(self) -> None:
        """Ask it to end."""
        self._ending.set()

    def close(self) -> None:
        """End it: the virtual device goes away. Idempotent.

        Raises:
            GaplessError: what ended it, if nobody asked for it: most often a ModelError.
        """
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        if self._thread.is_alive():
            # The engine stays, for the stream that may still call it.
            raise DeviceError(
                f"“{self.plan.name}” does not end, the sound server may hang; restart the server"
            )
        self._connection.leave()
        self._engine.close()
        if self._next_engine is not None:
            self._next_engine.close()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def sample(self) -> MicReport:
        """Look at everything anew; the engine's levels are those since the last time."""
        now_ms = self._clock_ms()
        with self._lock:
            status = finite(self._engine.status())
            for text in self._news.look(status, now_ms):
                self._tell_locked("engine", text)
            self._report = self._make_report(status, now_ms)
            return self._report

    def report(self) -> MicReport:
        """What the last ``sample`` saw."""
        return self._report or self.sample()

    def take_happenings(self) -> list[Happening]:
        """What happened since the last call."""
        with self._lock:
            happened = list(self._unseen)
            self._unseen.clear()
        return happened

    def apply(self, change: Change) -> None:
        """Be different from now on; another mode, block or device within moments."""
        with self._lock:
            before = self._engine.status()
            if change.amount is not None:
                self._engine.set_amount(change.amount)
            if change.bypass is not None:
                self._engine.set_bypass(on=_switched(change.bypass, before=before.bypass))
            if change.gate is not None:
                self._engine.set_gate(on=_switched(change.gate, before=before.gate))
            if change.mute is not None:
                self._engine.set_muted(on=_switched(change.mute, before=before.muted))
            if change.mode or change.block or change.device:
                self._wishes.append(change)
        self.sample()

    def tick(self) -> None:
        """Do what is to be done now. Its own thread calls it; tests do without one."""
        self._grant_wishes()
        for _ in range(MOST_STEPS):
            step = self._supervisor.next_step(self._clock_ms(), self._connection.seen())
            if step is None:
                break
            self._do(step)
        self._count()
        for event in self._supervisor.take_events():
            self._tell(event.kind, event.text)

    def _run(self) -> None:
        try:
            self.tick()
            self._tell("model", f"loading the model {self._options.model}")
            self._engine.start()
            self._tell("model", f"{self._options.model} cleans now")
            while not self._ending.wait(TICK_S):
                self.tick()
        except GaplessError as error:
            self._error = error
        finally:
            self._ending.set()
            self._connection.leave()

    def _do(self, step: Step) -> None:
        try:
            result = self._connection.do(step, self._engine.block, self._block_choice.frames)
        except OSError as error:  # a DeviceError is one
            self._supervisor.failed(step, self._clock_ms(), str(error))
            return
        self._supervisor.did(step, self._clock_ms(), result)
        match step:
            case Open():
                self._block_choice.opened(self._clock_ms())
                self._remember()
            case Use():
                self._remember()
            case Close() | Leave():
                self._take_next_engine()

    def _grant_wishes(self) -> None:
        while True:
            with self._lock:
                if not self._wishes:
                    return
                wish = self._wishes.popleft()
            if wish.device is not None:
                self._supervisor.want(None if wish.device == DEFAULT_DEVICE else wish.device)
                self._remember()
            if wish.block is not None:
                self._block = wish.block
                self._block_choice = BlockChoice(wish.block, self._options.mode)
                self._supervisor.reopen()
            if wish.mode is not None and wish.mode != self._options.mode:
                self._change_mode(wish.mode)

    def _change_mode(self, mode: Mode) -> None:
        """Make another engine while this one goes on, and take it when the stream is closed for a moment."""
        options = msgspec.structs.replace(self._options, mode=mode)
        try:
            engine = self._open_engine(options)
            try:
                engine.start()
            except GaplessError:
                engine.close()
                raise
        except GaplessError as error:
            self._tell("engine", f"the mode stays as it is: {error}")
            return
        self._options = options
        self._next_engine = engine
        self._block_choice = BlockChoice(self._block, mode)
        self._supervisor.reopen()
        if self._connection.seen() is None:
            self._take_next_engine()

    def _take_next_engine(self) -> None:
        """No stream may be open."""
        if self._next_engine is None:
            return
        with self._lock:
            old, self._engine, self._next_engine = self._engine, self._next_engine, None
            before = old.status()
            self._engine.set_amount(before.amount)
            self._engine.set_bypass(on=before.bypass)
            self._engine.set_gate(on=before.gate)
            self._engine.set_muted(on=before.muted)
            self._news = EngineNews()
        old.close()
        self._tell("model", f"mode: {self._options.mode}")

    def _count(self) -> None:
        """Look at what the stream counts, and make blocks longer if too many were late."""
        now_ms = self._clock_ms()
        if now_ms - self._counted_ms < COUNT_EVERY_MS:
            return
        self._counted_ms = now_ms
        self._stream = self._connection.count()
        if self._block_choice.judge(self._stream.xruns, now_ms):
            frames = self._block_choice.frames
            self._tell(
                "engine", f"too many blocks came late: they have {frames} frames from now on"
            )
            self._supervisor.reopen()

    def _remember(self) -> None:
        devices = Remembered(wanted=self._supervisor.wanted, last=self._supervisor.last)
        if self._state_file is None or devices == self._remembered:
            return
        self._remembered = devices
        try:
            remember(self._state_file, devices)
        except StoreError as error:
            self._tell("device", f"the device is not remembered: {error}")

    def _tell(self, kind: EventKind, text: str) -> None:
        with self._lock:
            self._tell_locked(kind, text)

    def _tell_locked(self, kind: EventKind, text: str) -> None:
        happening = Happening(at_s=self._wall_s(), kind=kind, text=text)
        self._happened.append(happening)
        self._unseen.append(happening)

    def _make_report(self, status: MicStatus, now_ms: int) -> MicReport:
        supervisor, device = self._supervisor, self._supervisor.device
        return MicReport(
            name=self.plan.name,
            kind=self.plan.kind,
            pid=os.getpid(),
            uptime_s=round((now_ms - self._begun_ms) / 1000, 1),
            server=supervisor.server,
            virtual=supervisor.virtual,
            label=supervisor.label,
            device=device.name if device else "",
            device_description=device.description if device else "",
            wanted=supervisor.wanted,
            running=supervisor.hearing,
            block=self._block,
            monitor=self.plan.monitor,
            stream=self._stream,
            engine=status,
            events=tuple(self._happened),
        )


def _switched(switch: Switch, *, before: bool) -> bool:
    return not before if switch == "toggle" else switch == "on"
