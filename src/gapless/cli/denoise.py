"""``gapless denoise IN OUT``: a recording without its noise.

In: a recording of any usual kind. Out: one as long, mono at 48 kHz, of the kind that its name says.
Invariants: bounded memory; OUT is written whole or not at all. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved

if TYPE_CHECKING:
    from gapless.audio.types import Samples
    from gapless.clean.denoise import Denoiser
    from gapless.cli.progress import FileBars


@click.command(
    epilog=examples(
        "gapless denoise street.m4a clean.wav",
        "gapless denoise street.m4a clean.flac --amount 0.8",
        "gapless denoise street.m4a clean.wav --model gtcrn",
    )
)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--amount",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    metavar="NUMBER",
    help="How much of the noise is removed: 0 nothing, 1 all that can be found.",
)
@click.option(
    "--model",
    default="rnnoise",
    show_default=True,
    metavar="NAME",
    help="What removes it: rnnoise, or a folder with a denoiser.toml: its name in the models folder, or its path.",
)
@with_settings("models_dir")
def denoise(resolved: Resolved, source: Path, target: Path, *, amount: float, model: str) -> None:
    """Remove noise from a recording.

    OUT ends in .wav, .flac, .ogg, .opus, .mp3, .m4a or .webm; it is mono at 48 kHz and as long as
    IN. A little noise left in often sounds more natural than none.
    """
    from gapless.audio.files import open_audio, write_audio
    from gapless.audio.types import DENOISE_RATE_HZ
    from gapless.clean.denoise import Denoiser
    from gapless.clean.open import open_denoiser
    from gapless.cli.progress import FileBars

    with (
        open_audio(source) as audio,
        closing(
            open_denoiser(
                model, resolved.settings.models_path, rate_hz=DENOISE_RATE_HZ, allow_paths=True
            )
        ) as opened,
        FileBars(1) as bars,
    ):
        denoiser = Denoiser(amount, opened)
        blocks = audio.blocks(DENOISE_RATE_HZ)
        cleaned = _cleaned(blocks, denoiser, bars, source.name, audio.info.duration_ms)
        write_audio(target, cleaned, DENOISE_RATE_HZ)


def _cleaned(
    blocks: Iterator[Samples],
    denoiser: Denoiser,
    bars: FileBars,
    name: str,
    duration_ms: int | None,
) -> Iterator[Samples]:
    from gapless.audio.types import DENOISE_RATE_HZ, samples_to_ms

    bar = bars.begin(name)
    heard = 0
    for block in blocks:
        heard += len(block)
        yield denoiser.process(block)
        bars.advance(bar, samples_to_ms(heard, DENOISE_RATE_HZ), duration_ms)
    yield denoiser.flush()
    bars.end(bar)
