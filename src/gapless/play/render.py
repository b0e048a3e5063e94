"""A program to sound in memory or block by block: what ``gapless render`` and the Python face use.

In: a program. Out: stereo float32. Invariants: rendering again gives the same samples. Thread: the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from gapless.audio.types import Samples
from gapless.play.language.load import load
from gapless.play.offline import OfflinePlayer, samples_of, tail_of
from gapless.play.overload import no_room
from gapless.play.program import Program
from gapless.play.remarks import Remarks
from gapless.play.samples.library import SampleLibrary
from gapless.play.voices import triggers_of

RATE_HZ: Final = 44_100


@contextmanager
def open_player(
    program: Program,
    *,
    rate_hz: int = RATE_HZ,
    folders: Sequence[Path] = (),
    stems: bool = False,
    remarks: Remarks | None = None,
) -> Iterator[OfflinePlayer]:
    """What renders a program from its beginning.

    Args:
        program: from ``load``.
        rate_hz: of the samples.
        folders: of sounds, looked through in this order; behind them comes the kit that is built in.
        stems: give each output by itself, too.
        remarks: takes what the author should know; None: nobody asks.
    """
    with closing(SampleLibrary(folders, rate_hz, remarks=remarks)) as sounds:
        make_trigger = partial(triggers_of, sounds=sounds, wait=True)
        player = OfflinePlayer(program, rate_hz, make_trigger, stems=stems)
        yield player
        if remarks is not None and player.scheduler.refused:
            remarks.say("no room", no_room(player.scheduler.refused).text)


def render(
    source: str | Path | Program,
    *,
    cycles: Fraction | float | None = None,
    seconds: float | None = None,
    tail_s: float = 0.0,
    rate_hz: int = RATE_HZ,
    folders: Sequence[Path] = (),
) -> Samples:
    """Render a program.

    Args:
        source: a program, its text, or the path of a file.
        cycles: how long; either this or ``seconds``.
        seconds: how long.
        tail_s: that follow it, in which voices and effects ring out; sounds without voices are faded.
        rate_hz: of the samples.
        folders: of sounds.

    Returns:
        float32 [n, 2]: left and right.

    Raises:
        PlayError: a mistake in the program.
        ConfigError: no length, or two, or one that is too long.
    """
    program = source if isinstance(source, Program) else load(source)
    exact = None if cycles is None else Fraction(cycles)
    n_samples = samples_of(program, rate_hz, cycles=exact, seconds=seconds)
    with open_player(program, rate_hz=rate_hz, folders=folders) as player:
        whole = player.blocks(n_samples, tail_samples=tail_of(tail_s, rate_hz))
        return np.ascontiguousarray(np.concatenate(list(whole), axis=1).T)
