"""Sets of mixes on disk, or made as they are asked for.

In: a folder that ``generate`` wrote, or none. Out: mixes. Invariants: a set that is read is the set that was written,
at 16 bits; the test is designed, so each family of noise meets each signal-to-noise ratio and both kinds of speaker.
Thread: any for reading; that of ``speech`` for making.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from . import mixing
from .mixing import Mix, Recipe
from .splits import Split, families

FULL_SCALE: Final = 32767.0

TEST_SNRS_DB: Final = (0.0, 5.0, 10.0)
TEST_SEED: Final = 5


class Described(msgspec.Struct, frozen=True):
    """A mix without its samples."""

    samples: int
    speaker: str
    kind: str
    family: str
    snr_db: float
    in_room: bool


def pairs(
    split: Split,
    seed: int,
    count: int,
    folder: Path | None = None,
    recordings: Path | None = None,
) -> Iterator[Mix]:
    """Mixes of a split: those of the folder where it has this set, else made now."""
    if folder is not None and (folder / f"{split}-{seed}.json").exists():
        yield from read(folder, f"{split}-{seed}")
        return
    yield from mixing.pairs(seed, count, split, recordings)


def held_out_mixes(recordings: Path | None = None, seed: int = TEST_SEED) -> Iterator[Mix]:
    """The test: every family at every ratio, with a synthetic voice and, if there are recordings, a person's."""
    rng = np.random.default_rng(seed)
    kinds = ("synthetic", "person") if recordings else ("synthetic",)
    for family, snr_db, kind in product(families("test"), TEST_SNRS_DB, kinds):
        recipe = Recipe("test", family, snr_db, kind, seconds=8.0, lead_s=1.0)
        yield mixing.mix(recipe, rng, recordings)


def write(folder: Path, name: str, mixes: Iterator[Mix]) -> list[Described]:
    """Write a set as ``NAME.npy`` (int16 [2, samples]) and ``NAME.json``."""
    described: list[Described] = []
    parts: list[npt.NDArray[np.int16]] = []
    for mix in mixes:
        both = np.stack([mix.clean, mix.noisy])
        parts.append(np.round(np.clip(both, -1, 1) * FULL_SCALE).astype(np.int16))
        described.append(
            Described(mix.clean.size, mix.speaker, mix.kind, mix.family, mix.snr_db, mix.in_room)
        )
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", np.concatenate(parts, axis=1))
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(described))
    return described


def read(folder: Path, name: str) -> Iterator[Mix]:
    """The mixes of a set, one after the other."""
    described = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=list[Described])
    stored: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r")
    start = 0
    for it in described:
        clean, noisy = stored[:, start : start + it.samples].astype(np.float32) / np.float32(
            FULL_SCALE
        )
        start += it.samples
        yield Mix(clean, noisy, it.speaker, it.kind, it.family, it.snr_db, it.in_room)
