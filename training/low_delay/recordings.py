"""Recordings of people that public packages carry: who speaks, in which split, and their samples.

In: ``lists/recordings.json``, and the folder that ``fetch`` filled. Out: speakers, and pieces of what they say.
Invariants: a speaker is in one split; in training is only what asks for no more than that its author is named.
Thread: any.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LIST: Final = Path(__file__).parent / "lists" / "recordings.json"


class Package(msgspec.Struct, frozen=True):
    """What is downloaded; only the file with this SHA-256 is used."""

    name: str
    version: str
    kind: str
    """``python-wheel``, ``python-source`` or ``debian``."""
    sha256: str
    licence: str
    credit: str


class Speaker(msgspec.Struct, frozen=True):
    """One person (``endgame`` has two), and which files of a package are theirs."""

    split: str
    package: str
    name: str
    members: str
    """A pattern for paths in the package."""
    edge_hz: float
    """Above this frequency the recordings have nothing."""


class Listed(msgspec.Struct, frozen=True):
    """The whole list."""

    packages: list[Package]
    speakers: list[Speaker]


class Recorded(msgspec.Struct, frozen=True):
    """A speaker whose files are here: utterance ``i`` is ``samples[offsets[i] : offsets[i + 1]]``."""

    speaker: Speaker
    samples: npt.NDArray[np.int16]
    """At 48 kHz."""
    offsets: npt.NDArray[np.int64]

    def utterance(self, index: int) -> FloatArray:
        """Float32 in -1..1 at 48 kHz."""
        piece = self.samples[self.offsets[index] : self.offsets[index + 1]]
        return piece.astype(np.float32) / np.float32(32768)


def listed() -> Listed:
    """The list as it is kept."""
    return msgspec.json.decode(LIST.read_bytes(), type=Listed)


@functools.cache
def recorded(split: str, folder: Path) -> list[Recorded]:
    """The speakers of a split, in the order of the list.

    Raises:
        FileNotFoundError: one of them is not in the folder.
    """
    found = []
    for speaker in listed().speakers:
        if speaker.split != split:
            continue
        path = folder / f"{speaker.name}.npz"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; run `python -m low_delay.fetch {folder}`")
        with np.load(path) as stored:
            found.append(Recorded(speaker, stored["samples"], stored["offsets"]))
    return found
