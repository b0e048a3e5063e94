"""Turn pairs of clean and noisy sound into what the network learns from, and write it to a folder.

    python -m low_delay.prepare FOLDER --split train --seed 1 --count 700

In: ``mixing.pairs``. Out: a file for each seed. Invariants: the same seed gives the same file; each noisy recording
is used twice, with gains that are late in two ways. Thread: one process per seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gapless.clean.low_delay.bands import HOP_SAMPLES
from gapless.clean.low_delay.offline import speculative_gains

from .features import FloatArray, Heard, draw_lateness, hear
from .mixing import pairs

WAYS = 2
"""Of being late, for each recording; RNNoise is what takes the time."""


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500, help="recordings")
    parser.add_argument("--recordings", type=Path, help="the folder that low_delay.fetch filled")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    parts: list[list[FloatArray]] = []
    for mix in pairs(arguments.seed, arguments.count, arguments.split, arguments.recordings):
        gains, vad = speculative_gains(mix.noisy)
        for _ in range(WAYS):
            heard = hear(mix.clean, mix.noisy, gains, vad, draw_lateness(len(gains), rng))
            parts.append(_small(heard))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    names = ("features", "magnitudes", "ratios", "aligned")
    for name, arrays in zip(names, zip(*parts, strict=True), strict=True):
        path = arguments.folder / f"{arguments.split}-{arguments.seed}-{name}.npy"
        np.save(path, np.concatenate(arrays))
    hours = sum(len(part[0]) for part in parts) * HOP_SAMPLES / 48_000 / 3600
    print(f"{arguments.split} {arguments.seed}: {hours:.2f} hours")


def _small(heard: Heard) -> list[FloatArray]:
    """Halves of the bits; magnitudes relative to those of the clean sound where it is active."""
    clean = ((heard.ratios * heard.magnitudes) ** 2).sum(axis=1)
    active = clean > 1e-3 * clean.max()
    level = np.sqrt(clean[active].mean()) + 1e-6
    magnitudes = np.minimum(heard.magnitudes / level, 1e3)
    arrays = (heard.features, magnitudes, heard.ratios, heard.aligned)
    return [array.astype(np.float16) for array in arrays]


if __name__ == "__main__":
    main()
