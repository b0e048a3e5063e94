"""Other machines around a performance: options for MIDI and OSC, and what they open.

In: options of a command. Out: click options, each defined once; connections that are open for as long as a stage is.
Invariants: nothing is loaded or opened that was not asked for. Thread: main; each connection has its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, Final, Literal, ParamSpec

import click
import msgspec

if TYPE_CHECKING:
    from gapless.play.live.stage import Stage
    from gapless.play.program import Remark

P = ParamSpec("P")

HEARD_AFTER_BLOCKS: Final = 2
"""What sound devices usually hold back; what is more is for the latency options."""


class OutsideOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which machines, and what for."""

    midi_out: str | None
    midi_in: str | None
    keys: str | None
    midi_clock: Literal["send", "follow"] | None
    midi_latency: float
    midi_beats: int
    osc_out: str | None
    osc_in: int | None
    osc_latency: float
    osc_address: str

    @contextmanager
    def open(self, stage: Stage, rate_hz: int, block_frames: int) -> Iterator[Outside]:
        """Connect what was asked for, and disconnect it before the stage ends.

        Args:
            stage: what plays.
            rate_hz: of it.
            block_frames: of its device.

        Raises:
            ConfigError: options that say nothing together, or are out of bounds.
            DeviceError: there is no such port.
            MissingDependencyError: the package for MIDI is not installed.
        """
        outside = Outside()
        if not self._any():
            yield outside
            return
        from gapless.play.live.wall_clock import WallClockThread

        performance = stage.performance
        heard_after_ns = round(HEARD_AFTER_BLOCKS * block_frames * 1e9 / rate_hz)
        with ExitStack() as opened:
            times = opened.enter_context(
                WallClockThread(rate_hz, lambda: performance.player.position, heard_after_ns)
            ).clock
            if self._midi():
                from gapless.play.midi.connect import MidiConnection, MidiOptions

                midi = MidiOptions(
                    out=self.midi_out,
                    input=self.midi_in,
                    keys=self.keys,
                    clock=self.midi_clock,
                    latency_ms=self.midi_latency,
                    beats_per_cycle=self.midi_beats,
                )
                opened.enter_context(MidiConnection(performance, times, midi))
            if self.osc_out is not None or self.osc_in is not None:
                from gapless.play.osc.connect import OscConnection, OscOptions

                osc = OscOptions(
                    out=self.osc_out,
                    input=self.osc_in,
                    input_address=self.osc_address,
                    latency_ms=self.osc_latency,
                )
                osc_connection = opened.enter_context(OscConnection(performance, times, osc))
                outside.says.append(osc_connection.remarks)
            yield outside

    def _midi(self) -> bool:
        said = (self.midi_out, self.midi_in, self.keys, self.midi_clock)
        return any(one is not None for one in said)

    def _any(self) -> bool:
        return self._midi() or self.osc_out is not None or self.osc_in is not None


class Outside:
    """What is connected."""

    def __init__(self) -> None:
        self.says: list[Callable[[], tuple[Remark, ...]]] = []

    def remarks(self) -> tuple[Remark, ...]:
        """What the author should know, since the last time."""
        return tuple(remark for says in self.says for remark in says())


def with_outside(
    command: Callable[Concatenate[OutsideOptions, P], None],
) -> Callable[..., None]:
    """Give a command that plays on a device these options; it gets ``OutsideOptions`` as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **values: P.kwargs) -> None:
        taken: dict[str, Any] = {
            name: values.pop(name) for name in OutsideOptions.__struct_fields__
        }
        command(OutsideOptions(**taken), *args, **values)

    decorated: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS: Final = (
    click.option(
        "--midi-out",
        metavar="PORT",
        help="Send events with midichan there: a MIDI port's name, or a part of it; virtual: a new port.",
    ),
    click.option(
        "--midi-in",
        metavar="PORT",
        help="Listen to keys or a clock there: a MIDI port's name, or a part of it; virtual: a new port.",
    ),
    click.option(
        "--keys",
        metavar="NAME",
        help="Instrument that the keys of --midi-in play, such as supersaw.",
    ),
    click.option(
        "--midi-clock",
        type=click.Choice(["send", "follow"]),
        help="Send a clock to --midi-out, or go by that of --midi-in.",
    ),
    click.option(
        "--midi-latency",
        type=click.FloatRange(-1000, 10_000),
        default=0.0,
        show_default=True,
        metavar="MS",
        help="By which MIDI is later than the sound; less than 0: sooner.",
    ),
    click.option(
        "--midi-beats",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        metavar="N",
        help="Beats a cycle of the MIDI clock.",
    ),
    click.option(
        "--osc-out",
        metavar="HOST:PORT",
        help="Send events there over OSC, as SuperDirt takes them.",
    ),
    click.option(
        "--osc-in",
        type=click.IntRange(0, 65_535),
        metavar="PORT",
        help="Take orders over OSC at this UDP port of this machine; 0: any that is free.",
    ),
    click.option(
        "--osc-latency",
        type=click.FloatRange(-1000, 10_000),
        default=0.0,
        show_default=True,
        metavar="MS",
        help="By which OSC is later than the sound; less than 0: sooner.",
    ),
    click.option(
        "--osc-address",
        default="127.0.0.1",
        show_default=True,
        metavar="HOST",
        help="Address of this machine at which --osc-in listens: whoever reaches it may play.",
    ),
)
