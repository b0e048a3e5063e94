"""Make the sets and write them: a test that is always the same, validation, and as much training as is wanted.

    python -m low_delay.generate FOLDER --recordings RECORDINGS

In: seeds. Out: ``test``, ``validation-1`` and ``train-1``, ``train-2`` ... in a folder. Invariants: one process per
set, so that each is the same however many are made, and in any order. Thread: one process per folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from . import mixing, sets
from .shaping import RATE_HZ

PER_SET: Final = 225
"""Half an hour."""


def main() -> None:
    """Run as ``python -m low_delay.generate FOLDER``."""
    parser = argparse.ArgumentParser(description="Make the sets for the low-delay denoiser.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recordings", type=Path, help="the folder that low_delay.fetch filled")
    parser.add_argument("--hours", type=float, default=2.0, help="of training")
    parser.add_argument("--only", help="make this set, here: test, validation-1, train-3 ...")
    arguments = parser.parse_args()
    if arguments.only:
        _make(arguments.folder, arguments.only, arguments.recordings)
        return
    training = [f"train-{seed}" for seed in range(1, round(arguments.hours * 2) + 1)]
    for name in ("test", "validation-1", *training):
        again = [sys.executable, "-m", "low_delay.generate", *sys.argv[1:], "--only", name]
        subprocess.run(again, check=True)  # noqa: S603 - this program again


def _make(folder: Path, name: str, recordings: Path | None) -> None:
    began = time.monotonic()
    if name == "test":
        mixes = sets.held_out_mixes(recordings)
    else:
        split, _, seed = name.partition("-")
        count = PER_SET if split == "train" else 60
        mixes = mixing.pairs(
            int(seed), count, "train" if split == "train" else "validation", recordings
        )
    described = sets.write(folder, name, mixes)
    hours = sum(it.samples for it in described) / RATE_HZ / 3600
    people = sum(it.kind == "person" for it in described)
    took = time.monotonic() - began
    print(f"{name}: {len(described)} mixes, {people} with people, {hours:.2f} h, {took:.0f} s")


if __name__ == "__main__":
    main()
