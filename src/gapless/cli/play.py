"""``gapless play FILE.ph``: a program, once, on the sound device.

In: a program, as a file, on standard input or as text. Out: sound; mistakes and remarks on standard error, and on a
terminal a line that says how it goes. Invariants: nothing begins after the end that was asked for, and what began rings
out; Ctrl-C fades out and ends with 0. Thread: main.
"""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import click

from gapless.cli.first_time import compiling
from gapless.cli.live_outside import Outside, OutsideOptions, with_outside
from gapless.cli.options import examples
from gapless.cli.play_options import (
    SoundOptions,
    code_option,
    length_options,
    lines_option,
    with_sound,
)
from gapless.cli.play_shows import Says, check_alive, until_told
from gapless.cli.play_source import cycles_of, text_of
from gapless.cli.play_status import StatusLine, status_text

if TYPE_CHECKING:
    from gapless.play.live.level import Level
    from gapless.play.live.stage import Stage
    from gapless.play.program import Program

LOOK_S: Final = 0.01
"""Between two looks at the clock."""
REPORT_S: Final = 1.0
STATUS_S: Final = 0.1
MOST_RING_S: Final = 12.0
"""That the last sounds may ring on: as long as a player runs what is gone."""
QUIET: Final = 1e-4
"""-80 dB: nobody hears that it goes on."""
QUIET_S: Final = 1.0
"""For which it has to be quiet: an echo may come again."""


@click.command(
    epilog=examples(
        "gapless play beat.ph",
        "gapless play beat.ph --cycles 16",
        """gapless play --code 'o1: s "bd(3,8)"' --duration 10""",
        "cat beat.ph | gapless play - --output headphones",
    )
)
@click.argument("source", metavar="[FILE.ph|-]", required=False)
@code_option
@length_options(86_400, "until Ctrl-C")
@lines_option
@with_sound
@with_outside
def play(
    outside: OutsideOptions,
    sound: SoundOptions,
    source: str | None,
    *,
    code: str | None,
    cycles: str | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Play a program.

    It plays until Ctrl-C, which fades it out, or for so many cycles or seconds; then the last sounds ring out. To
    change a program while it plays, use gapless live or gapless repl.
    """
    text, name = text_of(source, code)
    line = StatusLine(shown=not as_json)
    says = Says(name, as_json=as_json, line=line)
    program = _understood(text, says)
    last = _end(program, cycles_of(cycles), duration, sound.rate)
    with (
        until_told() as end,
        line,
        sound.open_stage("Gapless play") as stage,
        outside.open(stage, sound.rate, sound.block) as connected,
    ):
        with compiling():
            stage.performance.set(text, name)
        if last is not None:
            _limit(stage, program, last)
        if as_json or line.shown:
            says.event("plays", f"{name} on {stage.output}; Ctrl-C to end")
        _Watch(stage, says, line, end, connected).until_over(last)


def _understood(text: str, says: Says) -> Program:
    """The program, before any device is opened for it; the process ends with 1 if there are mistakes in it."""
    from gapless.play.errors import PlayError
    from gapless.play.language.load import compile_program
    from gapless.play.sound.catalogue import UNITS

    try:
        program = compile_program(text, says.name, UNITS)
    except PlayError as error:
        says.mistake(error.shown(text, says.name))
        raise SystemExit(1) from error
    for remark in program.remarks:
        says.remark(remark)
    return program


def _end(
    program: Program, cycles: Fraction | None, duration_s: float | None, rate_hz: int
) -> Fraction | None:
    """The cycle in which it is over; None: it goes on."""
    from gapless.play.live.limit import first_cycle
    from gapless.play.offline import samples_of

    if cycles is None and duration_s is None:
        return None
    n_samples = samples_of(program, rate_hz, cycles=cycles, seconds=duration_s)
    length = n_samples * program.cps / rate_hz if cycles is None else cycles
    return first_cycle(program) + length


def _limit(stage: Stage, program: Program, last: Fraction) -> None:
    from gapless.play.live.limit import limited

    stage.performance.player.set(limited(program, last))


class _Watch:
    """Looks at what plays until it is over."""

    def __init__(
        self,
        stage: Stage,
        says: Says,
        line: StatusLine,
        end: threading.Event,
        connected: Outside,
    ) -> None:
        from gapless.play.live.level import Level

        self._stage = stage
        self._says = says
        self._end = end
        self._connected = connected
        self._level: Level = Level(stage.performance.player.block)
        self._line = line
        self._peak = 0.0
        self._status_s = self._report_s = time.monotonic()

    def until_over(self, last: Fraction | None) -> None:
        """Until the process is told to end; or until a cycle, and then until it is quiet."""
        player = self._stage.performance.player
        while last is None or player.cycle < last:
            if self._is_told():
                return
        self._stage.performance.hush()
        now_s = time.monotonic()
        most_s, quiet_s = now_s + MOST_RING_S, now_s + QUIET_S
        while now_s < min(most_s, quiet_s) and not self._is_told():
            now_s = time.monotonic()
            if self._level.peak() > QUIET:
                quiet_s = now_s + QUIET_S

    def _is_told(self) -> bool:
        """Whether it is to end, a moment later; says meanwhile how it goes."""
        if self._end.wait(LOOK_S):
            return True
        stage, now_s = self._stage, time.monotonic()
        check_alive(stage, self._says)
        for remark in self._connected.remarks():
            self._says.remark(remark)
        self._peak = max(self._peak, self._level.peak())
        if now_s >= self._report_s + REPORT_S:
            self._report_s += REPORT_S
            self._says.figures(stage)
        if now_s >= self._status_s + STATUS_S:
            self._status_s = now_s
            performance = stage.performance
            self._line.show(
                status_text(
                    performance.player.cycle,
                    performance.scheduler.cps,
                    self._peak,
                    stage.counts().xruns,
                )
            )
            self._peak = 0.0
        return False
