"""What the tiny models of all profiles have in common: their sizes, what they can say, and sounds for them to hear.

In: a seed, or a graph under construction. Out: sounds, vocabularies, scores. Invariants: weights are random and the
same on every machine, so that the text is nonsense, and changes with any state that is swapped, lost or cut along the
wrong axis. The models are in ``nemo_models`` and ``zipformer_models``; where their shapes come from stands in
``gapless.listen.recogniser.profiles``. Needs the package onnx. Thread: any.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.testing.graph import Graph

F32: Final = np.float32
I32: Final = np.int32
I64: Final = np.int64

PIECES: Final = ("<unk>", "▁a", "▁be", "c", "d", "▁e", "fi", "g", "▁hi", "j", "▁ka")
"""What the models can say; the blank comes before or behind."""

WIDTH: Final = 12
LAYERS: Final = 2

SHARPNESS: Final = 6.0
"""Gain of the scores: what is said is told apart well, so that rounding never decides."""

BLANK_BIAS: Final = {"first": 3.0, "last": 7.0}
"""Added to the blank's score, by where it is: many frames say nothing, where one token may be said or where ten may."""


def tones(seed: int, seconds: float = 3.0) -> npt.NDArray[np.float32]:
    """A sound with something new several times a second: tones of random pitch and loudness over faint noise."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * LISTEN_RATE_HZ)
    times = np.arange(n_samples) / LISTEN_RATE_HZ
    sound = 0.002 * rng.standard_normal(n_samples)
    edges = np.sort(rng.integers(0, n_samples, round(5 * seconds)))
    for begin, end in pairwise(edges):
        tone = np.sin(2 * np.pi * rng.uniform(100, 6000) * times[begin:end])
        sound[begin:end] += rng.uniform(0.05, 0.5) * tone
    return sound.astype(np.float32)


def write_vocabulary(path: Path, *, blank: str | None = "last") -> None:
    """Tokens as NeMo (``last``, or None: left out) and icefall (``first``) number them."""
    tokens = {"first": ("<blk>", *PIECES), "last": (*PIECES, "<blk>"), None: PIECES}[blank]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)), "utf-8")


def token_scores(
    graph: Graph, x: str, width: int, *, blank: Literal["first", "last"], more: int = 0
) -> str:
    """Scores of all tokens, and of durations behind them."""
    bias = np.zeros(len(PIECES) + 1 + more, np.float32)
    bias[0 if blank == "first" else len(PIECES)] = BLANK_BIAS[blank]
    weights = graph.weight(width, len(bias), gain=SHARPNESS)
    return graph.op("Add", graph.op("MatMul", x, weights), graph.const(bias))
