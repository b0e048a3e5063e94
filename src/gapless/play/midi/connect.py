"""A performance and the machines around it, over MIDI.

In: a performance, a clock for its samples, names of ports. Out: its notes and its time, sent; keys and the time of
others, taken in. Invariants: neither direction makes the sound wait; when it is closed nothing is left sounding, here
or there. Thread: any; each direction has its own.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from fractions import Fraction
from functools import partial
from typing import Final, Literal, NamedTuple, Self, final

import msgspec

from gapless.errors import ConfigError
from gapless.play.graph import Graph
from gapless.play.live.performance import Performance
from gapless.play.live.wall_clock import WallClock
from gapless.play.midi.follow import Follower
from gapless.play.midi.keys import KeyCounts, Keys
from gapless.play.midi.library import InPort, OutPort
from gapless.play.midi.message import CLOCK
from gapless.play.midi.pulses import Now, Pulses
from gapless.play.midi.sender import MidiSent, Sender
from gapless.play.midi.tempo import ExternalClock
from gapless.play.schedule import Scheduler

MOST_LATENCY_MS: Final = 10_000.0
MOST_BEATS: Final = 64
STEER_S: Final = 0.02
"""Between two looks at a clock that is followed; a start is followed at once."""


class MidiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which ports, and what for."""

    out: str | None = None
    """Port that notes are sent to, or a part of its name; ``virtual``: one of our own."""
    input: str | None = None
    """Port that is listened to; the same."""
    keys: str | None = None
    """Instrument that the keys of the input play, as ``s`` says it."""
    clock: Literal["send", "follow"] | None = None
    """``send``: to the output; ``follow``: that of the input."""
    latency_ms: float = 0.0
    """By which messages are sent later than the sound is heard; negative: sooner."""
    beats_per_cycle: int = 4
    """Quarter notes, for the clock."""


class MidiCounts(NamedTuple):
    """What became of messages."""

    out: MidiSent
    keys: KeyCounts


@final
class MidiConnection:
    """Use it as a context manager, within that of the performance.

    Args:
        performance: whose events are sent, and which plays what is pressed.
        times: when its samples are heard.
        options: see there.

    Raises:
        MissingDependencyError: python-rtmidi is not installed.
        DeviceError: there is no such port.
        ConfigError: options that say nothing together, or are out of bounds.
    """

    def __init__(self, performance: Performance, times: WallClock, options: MidiOptions) -> None:
        _check(options)
        self._performance = performance
        self._times = times
        # What the author should know is told with the rest of the performance's remarks.
        self._remarks: Final = performance.sounds.remarks
        self._sender: Sender | None = None
        self._keys: Keys | None = None
        self._clock = ExternalClock()
        self._clock_lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        with ExitStack() as opened:
            if options.out is not None:
                self._open_output(options, options.out, opened)
            if options.keys is not None:
                self._keys = opened.enter_context(closing(Keys(performance, times, options.keys)))
            if options.clock == "follow":
                self._follow(options, opened)
            if options.input is not None:
                follows = options.clock == "follow"
                heard = partial(self._heard, follows=follows)
                opened.enter_context(closing(InPort(options.input, heard)))
            self._closing = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def counts(self) -> MidiCounts:
        """So far."""
        return MidiCounts(
            MidiSent(0, 0, 0) if self._sender is None else self._sender.counts(),
            KeyCounts(0, 0) if self._keys is None else self._keys.counts(),
        )

    def close(self) -> None:
        """End all notes and give back the ports. Idempotent."""
        self._closing.close()

    def _open_output(self, options: MidiOptions, name: str, opened: ExitStack) -> None:
        player, scheduler = self._performance.player, self._performance.scheduler
        rate_hz = self._performance.sounds.rate_hz
        port = opened.enter_context(closing(OutPort(name)))
        pulses = None
        if options.clock == "send":
            pulses = Pulses(rate_hz, Fraction(options.beats_per_cycle)), self._now
        self._sender = opened.enter_context(
            closing(
                Sender(
                    port,
                    self._times,
                    rate_hz,
                    options.latency_ms,
                    program=lambda: player.program,
                    remarks=self._remarks,
                    pulses=pulses,
                )
            )
        )
        scheduler.listeners.append(self._sender.listen)
        opened.callback(scheduler.listeners.remove, self._sender.listen)

    def _now(self) -> Now:
        player = self._performance.player

        def look(scheduler: Scheduler, _: Graph) -> Now:
            posted = scheduler.posted
            plays = bool(player.program.outputs)
            return Now(posted, scheduler.cycle_at(posted), scheduler.cps, plays)

        return player.in_step(look)

    def _follow(self, options: MidiOptions, opened: ExitStack) -> None:
        follower = Follower(self._clock, Fraction(options.beats_per_cycle))
        thread = threading.Thread(
            target=self._steer,
            args=(follower, round(options.latency_ms * 1e6)),
            name="gapless-midi-clock",
            daemon=True,
        )
        thread.start()

        def end() -> None:
            self._closed = True
            self._wake.set()
            thread.join()

        opened.callback(end)

    def _steer(self, follower: Follower, latency_ns: int) -> None:
        player = self._performance.player

        def steer(scheduler: Scheduler, _: Graph) -> None:
            follower.steer(
                scheduler,
                time.monotonic_ns(),
                lambda sample: self._times.time_ns_of(sample) + latency_ns,
                player.program.cps,
            )

        while not self._closed:
            with self._clock_lock:
                player.in_step(steer)
            self._wake.wait(STEER_S)
            self._wake.clear()

    def _heard(self, message: bytes, now_ns: int, *, follows: bool) -> None:
        """A message came in."""
        if not message:
            return
        if message[0] < CLOCK and self._keys is not None:
            self._keys.take(message, now_ns)
        if follows:
            with self._clock_lock:
                starts, runs = self._clock.starts, self._clock.runs
                self._clock.take(message, now_ns)
                if (starts, runs) != (self._clock.starts, self._clock.runs):
                    self._wake.set()


def _check(options: MidiOptions) -> None:
    if not abs(options.latency_ms) <= MOST_LATENCY_MS:
        raise ConfigError(
            f"latency_ms = {options.latency_ms:g} must be from -{MOST_LATENCY_MS:g} to {MOST_LATENCY_MS:g}",
            param="latency_ms",
        )
    if not 1 <= options.beats_per_cycle <= MOST_BEATS:
        raise ConfigError(
            f"beats_per_cycle = {options.beats_per_cycle} must be from 1 to {MOST_BEATS}",
            param="beats_per_cycle",
        )
    if options.clock == "send" and options.out is None:
        raise ConfigError("a MIDI clock is sent to the output; name one with --midi-out")
    if options.clock == "follow" and options.input is None:
        raise ConfigError("the MIDI clock of an input is followed; name one with --midi-in")
    if options.keys is not None and options.input is None:
        raise ConfigError("keys are those of a MIDI input; name one with --midi-in")
    if options.input is not None and options.keys is None and options.clock != "follow":
        raise ConfigError(
            "a MIDI input is for something; add --keys with the name of an instrument, or --midi-clock follow"
        )
