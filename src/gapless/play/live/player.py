"""A program that sounds, and that may be changed at any moment.

In: programs. Out: a native block function for a device. Invariants: a thread asks the patterns ``lead_ms`` ahead, so
the callback never waits for Python; a new program takes over where the triggers of the old one end, which is within the
lead; cycles go on without a jump. Whatever the callback may still touch is kept until it has given it back. Thread:
starts its own; the methods may be called from any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, TypeVar, final

import numpy as np

from gapless.errors import ConfigError
from gapless.play.builder import Builder
from gapless.play.graph import Graph
from gapless.play.live.overload import Overload
from gapless.play.program import Program, Remark, Signal, Transport
from gapless.play.schedule import Scheduler
from gapless.play.sound.callback import (
    AT,
    CALLS,
    CHANGE_WORDS,
    N_CALLS,
    N_PATCHES,
    PATCHES,
    STATE,
    SWAP,
    WAITING,
    block,
)
from gapless.play.sound.unit import QUANTUM
from gapless.realtime.mailbox import post, take
from gapless.realtime.native import NativeBlock

T = TypeVar("T")

LEAST_LEAD_MS: Final = 5.0
MOST_LEAD_MS: Final = 1000.0
SWEEP_EACH_S: Final = 1.0
RING_OUT_S: Final = 12.0
"""For which old voices and their effects are run after the output that they belong to is gone."""


@final
class Player:
    """Plays one program after another.

    Args:
        builder: makes their graphs; nobody else may use it.
        scheduler: asks their patterns; the same.
        lead_ms: how far ahead.

    Raises:
        ConfigError: the lead is out of bounds.
    """

    def __init__(self, builder: Builder, scheduler: Scheduler, lead_ms: float = 40.0) -> None:
        if not LEAST_LEAD_MS <= lead_ms <= MOST_LEAD_MS:
            raise ConfigError(
                f"lead_ms = {lead_ms:g} must be from {LEAST_LEAD_MS:g} to {MOST_LEAD_MS:g}",
                param="lead_ms",
            )
        self._builder = builder
        self._scheduler = scheduler
        self._lead_samples = round(lead_ms * builder.rate_hz / 1000)
        self._pause_s = lead_ms / 4000
        self._state = np.zeros(1, STATE)
        self._graph = builder.build(Program(outputs={}))
        self._changes: dict[int, tuple[Any, ...]] = {}
        """By address: what the callback works with, or will."""
        self._building = threading.Lock()
        """Guards the builder; taken before the other."""
        self._lock = threading.Lock()
        """Guards the scheduler, the graph and the changes."""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sweep_at = 0
        state = self._state[0]
        state["clock"] = builder.clock.ctypes.data
        left, right = self._graph.mixer.channels
        state["left"], state["right"] = left.ctypes.data, right.ctypes.data
        state["used"] = QUANTUM
        self._overload = Overload(self._state, scheduler)
        self.block: Final = NativeBlock(
            int(block.address or 0),
            self._state.ctypes.data,
            (self._state, builder.clock, self._changes),
        )
        self.program = Program(outputs={})
        """The one that was set last."""
        self.since = 0
        """The sample from which on it is heard."""
        self._beside: dict[str, Signal] = {}
        """Outputs that every program has besides its own."""
        self._put_in(self._graph, 0)

    def start(self) -> None:
        """Begin to ask the patterns."""
        # To sweep is to build, which takes longer than the lead.
        self._threads = [
            threading.Thread(target=self._run, args=(what, each_s), name=name, daemon=True)
            for what, each_s, name in (
                (self._ask, self._pause_s, "gapless-play"),
                (self._sweep, SWEEP_EACH_S, "gapless-play-sweep"),
            )
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads. The block must not be called any more. Idempotent."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def set(self, program: Program) -> int:
        """Play another program; the sample from which on it is heard.

        Raises:
            ConfigError: it has more than there is room for; the old one goes on.
        """
        return self.change(lambda _: program)

    def change(self, change: Callable[[Program], Program]) -> int:
        """Play what is made of the program that was set last; as ``set``."""
        with self._building:
            program = change(self.program)
            # Units may have to be compiled for it: the old one is served meanwhile.
            panic = any(order.what == "panic" for order in program.transport)
            with self._lock:
                self._make_room()
            graph = self._builder.build(self._with_others(program), self._graph, panic=panic)
            with self._lock:
                self._advance()
                self._scheduler.set_cps(program.cps)
                if not self.program.outputs:
                    # Out of silence one begins at the beginning.
                    self._scheduler.set_cycle(Fraction(0))
                self._travel(program.transport)
                at = self._scheduler.posted
                self._put_in(graph, at)
                self.program, self.since = program, at
                self._sweep_at = at + round(RING_OUT_S * self._builder.rate_hz)
                self._scheduler.begin(graph)
                self._overload.begin()
            return at

    def beside(self, outputs: Mapping[str, Signal]) -> None:
        """Have other outputs besides those of the programs; the patterns of the ones before are over.

        Raises:
            ConfigError: more than there is room for; all goes on as it was.
        """
        with self._building:
            with self._lock:
                self._make_room()
            before, self._beside = self._beside, dict(outputs)
            try:
                graph = self._builder.build(self._with_others(self.program), self._graph)
            except BaseException:
                self._beside = before
                raise
            with self._lock:
                self._advance()
                self._sweep_at = self._scheduler.posted + round(RING_OUT_S * self._builder.rate_hz)
                self._put_in(graph, self._scheduler.posted)

    def in_step(self, do: Callable[[Scheduler, Graph], T]) -> T:
        """Do something, quickly, while nobody else uses the scheduler and the graph that is fed."""
        with self._lock:
            return do(self._scheduler, self._graph)

    def _with_others(self, program: Program) -> Program:
        if not self._beside:
            return program
        # Nobody knows which words the others have.
        return replace(program, outputs={**program.outputs, **self._beside}, words=None)

    def _travel(self, orders: Sequence[Transport]) -> None:
        scheduler = self._scheduler
        for order in orders:
            match order.what:
                case "resetCycles":
                    scheduler.set_cycle(Fraction(0))
                case "setCycle":
                    scheduler.set_cycle(order.cycles)
                case "nudge":
                    scheduler.set_cycle(scheduler.cycle_at(scheduler.posted) + order.cycles)
                case "panic":
                    pass  # The graph has seen to it.

    @property
    def position(self) -> int:
        """Samples so far."""
        return int(self._builder.clock[0])

    @property
    def cycle(self) -> Fraction:
        """Where in the cycles that is."""
        return self._scheduler.cycle_at(self.position)

    @property
    def clipped(self) -> int:
        """Samples beyond full scale so far, which were cut off."""
        return self._overload.clipped

    def remarks(self) -> tuple[Remark, ...]:
        """What is too much for the device or the engine: each once for each program."""
        return self._overload.remarks()

    def advance(self) -> None:
        """What the threads do again and again: ask the patterns up to the lead, and let go of what has rung out."""
        self._ask()
        self._sweep()

    def _ask(self) -> None:
        with self._lock:
            self._collect()
            self._advance()

    def _sweep(self) -> None:
        """Let go of what has rung out."""
        gone = self._graph.leaving or self._graph.ringing or self._graph.retired
        if not gone or self.position <= self._sweep_at:
            return
        # Whoever builds now keeps what rings, and the patterns may not wait for it.
        if not self._building.acquire(blocking=False):
            return
        try:
            # An edit may just have come in between: then there is something that rings anew.
            if self.position <= self._sweep_at or len(self._changes) >= WAITING:
                return
            graph = self._builder.build(self._with_others(self.program), self._graph, let_go=True)
            with self._lock:
                # What had to be faded is let go by the next one.
                self._sweep_at = self.position + round(SWEEP_EACH_S * self._builder.rate_hz)
                self._put_in(graph, self._scheduler.posted)
        finally:
            self._building.release()

    def _run(self, what: Callable[[], None], each_s: float) -> None:
        while not self._stop.wait(each_s):
            what()

    def _advance(self) -> None:
        until = self.position + self._lead_samples
        self._scheduler.advance(self._graph, until // QUANTUM * QUANTUM)

    def _make_room(self) -> None:
        """For a change; nobody else makes one meanwhile. Before its graph is built, which changes nodes."""
        self._collect()
        if len(self._changes) >= WAITING:
            raise ConfigError("too many changes at a time; the sound device does not call")

    def _put_in(self, graph: Graph, at: int) -> None:
        change = np.zeros(CHANGE_WORDS, np.int64)
        change[AT] = at
        change[CALLS], change[N_CALLS] = graph.image.ctypes.data, len(graph.image) // 2
        change[PATCHES], change[N_PATCHES] = graph.patches.ctypes.data, len(graph.patches)
        address = change.ctypes.data
        self._changes[address] = (change, graph)
        self._graph = graph
        post(self._state[0]["orders"], SWAP, address)

    def _collect(self) -> None:
        """Let go of what the callback has given back."""
        message = np.zeros(2, np.int64)
        while take(self._state[0]["garbage"], message):
            del self._changes[int(message[1])]
