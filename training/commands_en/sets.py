"""The sets of utterances on disk: training as log mel power, the others as samples.

In: utterances. Out: two files per set, ``NAME.npz`` and ``NAME.json``.
Invariants: a set that is read is the set that was written. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt


class Utterance(msgspec.Struct, frozen=True):
    """What is said in a row of a set."""

    words: list[str]
    spans_ms: list[tuple[int, int]]
    """Start and end of each word."""
    voice: str
    accent: str
    words_per_minute: int
    in_room: bool
    power: float
    """Mean square of the samples."""


class Dataset(NamedTuple):
    """Utterances, and for each a slice of ``rows`` from ``offsets[i]`` to ``offsets[i + 1]``."""

    utterances: list[Utterance]
    rows: npt.NDArray[Any]
    """float16 [frames, 40] (natural log of mel power), or int16 [samples]."""
    offsets: npt.NDArray[np.int64]

    def samples(self, index: int) -> npt.NDArray[np.float32]:
        """The samples of an utterance in [-1, 1], for sets that hold samples."""
        return self.rows[self.offsets[index] : self.offsets[index + 1]].astype(np.float32) / 32768


def write(
    folder: Path, name: str, utterances: list[Utterance], rows: list[npt.NDArray[Any]]
) -> None:
    """Write a set."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    np.savez(folder / f"{name}.npz", rows=np.concatenate(rows), offsets=offsets)
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(utterances))


def read(folder: Path, name: str) -> Dataset:
    """Read a set that ``generate`` wrote."""
    utterances = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=list[Utterance])
    with np.load(folder / f"{name}.npz") as arrays:
        return Dataset(utterances, arrays["rows"], arrays["offsets"])
