"""``gapless live FILE.ph``: a program that sounds while it is written.

In: a file that is saved again and again. Out: sound; mistakes and remarks on standard error. Invariants: a mistake
never stops the sound: the last good program goes on. Ctrl-C fades out and ends with 0. Thread: main.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from gapless.cli.live_outside import OutsideOptions, with_outside
from gapless.cli.options import examples
from gapless.cli.play_options import SoundOptions, lines_option, with_sound
from gapless.cli.play_shows import Says, check_alive, take_up, until_told

LOOK_S: Final = 0.01
"""Between two looks at the file."""
REPORT_S: Final = 1.0


@click.command(
    epilog=examples(
        "gapless live beat.ph",
        "gapless live beat.ph --output headphones --samples ~/Dirt-Samples",
        "gapless live beat.ph --server jack --block 128",
        "gapless live beat.ph --midi-out Digitakt --midi-clock send",
        "gapless live beat.ph --midi-in Keystation --keys supersaw",
    )
)
@click.argument("source", metavar="FILE.ph", type=click.Path(path_type=Path))
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="End by itself after so many seconds.",
)
@lines_option
@with_sound
@with_outside
def live(
    outside: OutsideOptions,
    sound: SoundOptions,
    source: Path,
    *,
    duration: float | None,
    as_json: bool,
) -> None:
    """Play a program while it is written.

    Every change is heard as soon as the file is saved. What sounds rings out, what stays keeps its state, and cycles
    go on without a jump. A mistake is shown where it is and changes nothing.
    """
    from gapless.play.live.watch import Watch

    watch = Watch(source)
    says = Says(str(source), as_json=as_json)
    with (
        until_told() as end,
        sound.open_stage("Gapless live") as stage,
        outside.open(stage, sound.rate, sound.block) as connected,
    ):
        says.event("plays", f"on {stage.output}; save {source} to change it, Ctrl-C to end")
        end_s = None if duration is None else time.monotonic() + duration
        report_s = time.monotonic() + REPORT_S
        while not end.wait(LOOK_S) and (end_s is None or time.monotonic() < end_s):
            text = watch.look()
            if text is not None:
                take_up(stage, text, says)
            check_alive(stage, says)
            for remark in (*watch.remarks(), *connected.remarks()):
                says.remark(remark)
            if time.monotonic() >= report_s:
                report_s += REPORT_S
                says.figures(stage)
