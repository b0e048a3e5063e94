"""``gapless render FILE.ph OUT.wav``: a program of the play language as a recording.

In: a program, as a file, on standard input or as text. Out: a stereo recording, and how loud it is. Invariants: a
recording is written whole or not at all. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
import numpy as np

from gapless.cli.first_time import compiling
from gapless.cli.options import examples
from gapless.cli.play_options import (
    FILE_RATE_HZ,
    code_option,
    length_options,
    rate_option,
    samples_option,
)
from gapless.cli.play_source import cycles_of, program_of, say

if TYPE_CHECKING:
    from gapless.audio.types import Samples
    from gapless.play.levels import Levels
    from gapless.play.offline import OfflinePlayer
    from gapless.play.program import Program
    from gapless.play.remarks import Remarks

DEFAULT_CYCLES: Final = Fraction(8)
NORMAL_PEAK: Final = 10 ** (-1 / 20)
"""True peak of a normalised recording: -1 dB, so that lossy codecs have room."""
LEAST_PEAK: Final = 1e-6
MOST_GAIN: Final = 1000.0
"""Silence is not made loud."""


@click.command(
    epilog=examples(
        "gapless render beat.ph beat.wav",
        "gapless render beat.ph beat.flac --cycles 16 --normalize",
        "gapless render beat.ph beat.wav --duration 30 --stems",
        "gapless render beat.ph beat.wav --cycles 4 --tail 3      with the last echoes",
        """gapless render --code 'o1: s "bd(3,8)"' beat.wav""",
        "cat beat.ph | gapless render - beat.wav --json",
    )
)
@click.argument("source", metavar="[FILE.ph|-]", required=False)
@click.argument("target", metavar="OUT", required=False, type=click.Path(path_type=Path))
@code_option
@length_options(86_400, str(DEFAULT_CYCLES))
@rate_option(FILE_RATE_HZ)
@click.option(
    "--tail",
    type=click.FloatRange(0, 600),
    default=0.0,
    metavar="S",
    help="Seconds that follow, in which voices and echoes ring out.  [default: 0]",
)
@samples_option
@click.option("--stems", is_flag=True, help="Also write each output by itself: OUT-o1.wav ...")
@click.option("--normalize", is_flag=True, help="Bring the true peak to -1 dB.")
@click.option("--json", "as_json", is_flag=True, help="Print the levels as JSON.")
def render(
    source: str | None,
    target: Path | None,
    *,
    code: str | None,
    cycles: str | None,
    duration: float | None,
    rate: int,
    tail: float,
    samples: tuple[Path, ...],
    stems: bool,
    normalize: bool,
    as_json: bool,
) -> None:
    """Turn a program of the play language into a recording.

    OUT ends in .wav, .flac, .ogg, .opus, .mp3, .m4a or .webm; it is stereo. The language is described in
    docs/reference/play-language.md.
    """
    from gapless.audio.files import write_audio

    file, out = _targets(source, target, code)
    program, name = program_of(file, code)
    job = _Job(
        program,
        name,
        rate,
        folders=samples,
        cycles=cycles_of(cycles),
        duration_s=duration,
        tail_s=tail,
    )
    gain = 1.0
    if normalize:
        for _ in job.blocks("measuring"):
            pass
        gain = min(NORMAL_PEAK / max(job.true_peak(), LEAST_PEAK), MOST_GAIN)
    write_audio(out, job.blocks("rendering", gain=gain), rate, stereo=True)
    _show(job.levels(), out, as_json=as_json)
    if stems:
        for number, output in enumerate(program.outputs, start=1):
            stem = out.with_name(f"{out.stem}-{output}{out.suffix}")
            write_audio(stem, job.blocks(output, number, gain=gain), rate, stereo=True)
            if not as_json:
                click.echo(f"{stem}")


class _Job:
    """Rendering one program, once or several times: each time the same."""

    def __init__(
        self,
        program: Program,
        name: str,
        rate_hz: int,
        *,
        folders: tuple[Path, ...],
        cycles: Fraction | None,
        duration_s: float | None,
        tail_s: float,
    ) -> None:
        from gapless.play.offline import samples_of, tail_of

        if cycles is None and duration_s is None:
            cycles = DEFAULT_CYCLES
        self._program = program
        self._name = name
        self._said = False
        self._rate_hz = rate_hz
        self._folders = folders
        self._n_samples = samples_of(program, rate_hz, cycles=cycles, seconds=duration_s)
        self._tail_samples = tail_of(tail_s, rate_hz)
        self._levels: Levels | None = None

    def levels(self) -> Levels:
        """Of the last time."""
        if self._levels is None:
            raise RuntimeError("nothing was rendered yet")
        return self._levels

    def true_peak(self) -> float:
        """Of the last time, linear."""
        return float(10 ** (self.levels().true_peak_db / 20))

    def blocks(self, what: str, output: int = 0, *, gain: float = 1.0) -> Iterator[Samples]:
        """All of it, with a progress bar: float32 [n, 2].

        Args:
            what: for the bar.
            output: 0: the mix; n: output number n alone.
            gain: that all is multiplied with.
        """
        from gapless.cli.progress import WorkBar
        from gapless.play.instruments import LOOK_CYCLES
        from gapless.play.levels import Meter
        from gapless.play.program import Remark
        from gapless.play.remarks import Remarks

        meter, remarks = Meter(self._rate_hz, 2), Remarks()
        with (
            self._open(stems=output > 0, remarks=remarks) as player,
            WorkBar(what, self._n_samples + self._tail_samples) as bar,
        ):
            for block in player.blocks(self._n_samples, tail_samples=self._tail_samples):
                heard = np.ascontiguousarray(block[2 * output : 2 * output + 2].T) * np.float32(
                    gain
                )
                meter.take(heard)
                bar.advance(len(heard))
                yield heard
            unheard, failed = player.scheduler.unheard, player.scheduler.failed
        if not self._said:
            for remark in remarks.take():
                say(self._name, remark)
            for reason in failed:
                say(self._name, Remark(f"{reason}; it is silent for that time"))
            for name, count in unheard.items():
                say(
                    self._name,
                    Remark(
                        f"{count} voices of {name!r} are silent: it first comes after {LOOK_CYCLES} cycles"
                    ),
                )
            self._said = True
        self._levels = meter.levels()

    @contextmanager
    def _open(self, *, stems: bool, remarks: Remarks) -> Iterator[OfflinePlayer]:
        from gapless.play.render import open_player

        with ExitStack() as opened:
            with compiling():
                player = opened.enter_context(
                    open_player(
                        self._program,
                        rate_hz=self._rate_hz,
                        folders=self._folders,
                        stems=stems,
                        remarks=remarks,
                    )
                )
            yield player


def _targets(source: str | None, target: Path | None, code: str | None) -> tuple[str | None, Path]:
    """The program's file, if it is one, and where to write."""
    if code is None:
        if source is None or target is None:
            raise click.UsageError(
                "give a program and a file to write; gapless render --help has examples"
            )
        return source, target
    if source is None or target is not None:
        raise click.UsageError("with --code give one file to write, and no program")
    return None, Path(source)


def _show(levels: Levels, out: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode({"file": str(out), **msgspec.structs.asdict(levels)}))
        return
    click.echo(
        f"{out}: {levels.seconds:.2f} s, RMS {levels.rms_db:.1f} dB, peak {levels.peak_db:.1f} dB, "
        f"true peak {levels.true_peak_db:.1f} dB, DC {levels.dc:+.5f}, "
        f"{levels.clipped_samples} clipped samples"
    )
