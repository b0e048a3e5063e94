"""Small streaming recognisers, made on the spot: real networks of the shapes that ship, with weights nobody trained.

In: a folder. Out: a recogniser's folder in it. Invariants: the same numbers on every machine; what such a recogniser
says is gibberish, but it is a function of all that was heard so far, and silence says nothing. Needs the package onnx
(``pip install 'gapless[quantize]'``). Thread: any.

    encoder    features [N, T, 40] -> four frames in one -> LSTM (h, c) -> encoded [N, T / 4, 25]: 24 values, loudness
    predictor  token [N, 1] -> embedding -> LSTM (ph, pc) -> predicted [N, 16]
    joiner     encoded, predicted -> logits [N, 12]: loudness speaks for tokens, against the blank
    ctc        encoded -> log_probs [N, T, 12]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.infer.contract import Array
from gapless.testing.onnx_models import write_graph

DIGITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
TOKENS: Final = ("<blk>", *DIGITS, "<unk>")

SYLLABLE_SAMPLES: Final = 1600

MELS: Final = 40
HIDDEN: Final = 24
WIDTH: Final = HIDDEN + 1
PREDICTED: Final = 16

_RECOGNISER: Final = """\
profile = "gapless"
languages = ["en"]
licence = "MIT"
description = "Says gibberish; for tests."
token_kind = "words"
blank = 0

[encoder]
input = "features"
output = "encoded"
chunk_frames = 4
subsampling = 4
frame_ms = 40.0
pad = -1.95
"""

_TRANSDUCER: Final = """
[transducer]
max_symbols = 3
states = [["ph", "ph_next"], ["pc", "pc_next"]]
"""

_CTC: Final = """
[ctc]
part = "ctc"
"""

_ENCODER: Final = """\
max_batch = 64

[[input]]
name = "features"
shape = [4, 40]

[[state]]
input = "h"
output = "h_next"
axis = 1

[[state]]
input = "c"
output = "c_next"
axis = 1

[limits]
max_sequences = 1024
max_waiting_rows = {waiting}
"""

_PREDICTOR: Final = """\
max_batch = 64

[[input]]
name = "ph"
axis = 1

[[input]]
name = "pc"
axis = 1

[[output]]
name = "ph_next"
axis = 1

[[output]]
name = "pc_next"
axis = 1
"""

_BREAKING_POINT: Final[dict[str, Array]] = {
    "breaking_point": np.array([2.8], np.float32),
    "nothing": np.array([0.0], np.float32),
}
"""The square root of what is left up to it, times nothing, is nothing, or above it no number."""

_PLAIN: Final = "max_batch = 64\n"


def write_recogniser(
    folder: Path,
    *,
    ctc: bool = False,
    seed: int = 8,
    more: str = "",
    waiting: int = 4096,
    fragile: Literal["encoder", "joiner"] | None = None,
) -> Path:
    """A recogniser of the shapes of ``commands-en``; returns its folder.

    Args:
        folder: to make; its name is the recogniser's.
        ctc: decode the CTC head instead of the transducer.
        seed: of the weights.
        more: further lines of ``recogniser.toml``, such as a table ``[decode]``.
        waiting: rows that may wait for the encoder.
        fragile: which part answers with what is no number to sound as loud as ``make_blast``.
    """
    rng = np.random.default_rng(seed)
    _write_encoder(folder, rng, waiting, fragile=fragile == "encoder")
    _write_predictor(folder, rng)
    _write_joiner(folder, rng, fragile=fragile == "joiner")
    _write_ctc(folder, rng)
    lines = (f"{token} {number}" for number, token in enumerate(TOKENS))
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n", "utf-8")
    head = _CTC if ctc else _TRANSDUCER
    (folder / "recogniser.toml").write_text(_RECOGNISER + head + more, "utf-8")
    return folder


def make_babble(seed: int, n_samples: int) -> Samples:
    """Sound that such a recogniser answers with words: syllables at 16 kHz, each of its own pitch and loudness."""
    rng = np.random.default_rng(seed)
    n_syllables = n_samples // SYLLABLE_SAMPLES + 1
    levels = np.repeat(10.0 ** rng.uniform(-2.5, -0.5, n_syllables), SYLLABLE_SAMPLES)[:n_samples]
    pitches_hz = np.repeat(rng.uniform(200.0, 4000.0, n_syllables), SYLLABLE_SAMPLES)[:n_samples]
    phase = 2 * np.pi * np.cumsum(pitches_hz) / LISTEN_RATE_HZ
    return (levels * np.sin(phase) + 0.001 * rng.standard_normal(n_samples)).astype(np.float32)


def make_blast(n_samples: int) -> Samples:
    """Noise as loud as can be."""
    return np.sign(np.random.default_rng(1).standard_normal(n_samples)).astype(np.float32)


def _write_encoder(folder: Path, rng: np.random.Generator, waiting: int, *, fragile: bool) -> None:
    from onnx import helper

    weights = {
        **_lstm("", rng, 4 * MELS, HIDDEN),
        **_BREAKING_POINT,
        "stacked": np.array([0, -1, 4 * MELS]),
        "direction": np.array([1]),
    }
    nodes = [
        helper.make_node("Reshape", ["features", "stacked"], ["x"]),
        helper.make_node("Transpose", ["x"], ["x_by_time"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM",
            ["x_by_time", "w", "r", "", "", "h", "c"],
            ["ys", "h_next", "c_next"],
            hidden_size=HIDDEN,
        ),
        helper.make_node("Squeeze", ["ys", "direction"], ["y_by_time"]),
        helper.make_node("Transpose", ["y_by_time"], ["y"], perm=[1, 0, 2]),
        helper.make_node("ReduceMean", ["x"], ["loudness"], axes=[2], keepdims=1),
        helper.make_node("Concat", ["y", "loudness"], ["sound"], axis=2),
        *_breakable("sound", "encoded", fragile=fragile),
    ]
    state = (np.float32, (1, "N", HIDDEN))
    write_graph(
        _part(folder, "encoder", _ENCODER.format(waiting=waiting)),
        nodes,
        {"features": (np.float32, ("N", "T", MELS)), "h": state, "c": state},
        {"encoded": (np.float32, ("N", "S", WIDTH)), "h_next": state, "c_next": state},
        weights,
    )


def _write_predictor(folder: Path, rng: np.random.Generator) -> None:
    from onnx import helper

    table = rng.standard_normal((len(TOKENS), PREDICTED)).astype(np.float32)
    weights = {
        "table": table,
        **_lstm("", rng, PREDICTED, PREDICTED),
        "both": np.array([0, 1]),
    }
    nodes = [
        helper.make_node("Gather", ["table", "token"], ["embedded"]),
        helper.make_node("Transpose", ["embedded"], ["by_time"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM",
            ["by_time", "w", "r", "", "", "ph", "pc"],
            ["ys", "ph_next", "pc_next"],
            hidden_size=PREDICTED,
        ),
        helper.make_node("Squeeze", ["ys", "both"], ["predicted"]),
    ]
    state = (np.float32, (1, "N", PREDICTED))
    write_graph(
        _part(folder, "predictor", _PREDICTOR),
        nodes,
        {"token": (np.int64, ("N", 1)), "ph": state, "pc": state},
        {"predicted": (np.float32, ("N", PREDICTED)), "ph_next": state, "pc_next": state},
        weights,
    )


def _write_joiner(folder: Path, rng: np.random.Generator, *, fragile: bool) -> None:
    from onnx import helper

    from_encoded, bias = _speak_when_loud(rng, 5.0)
    from_predicted = 2 * rng.standard_normal((PREDICTED, len(TOKENS)))
    nodes = [
        *_breakable("encoded", "sound", fragile=fragile),
        helper.make_node("Gemm", ["sound", "from_encoded", "bias"], ["heard"]),
        helper.make_node("MatMul", ["predicted", "from_predicted"], ["said"]),
        helper.make_node("Add", ["heard", "said"], ["logits"]),
    ]
    write_graph(
        _part(folder, "joiner", _PLAIN),
        nodes,
        {
            "encoded": (np.float32, ("N", WIDTH)),
            "predicted": (np.float32, ("N", PREDICTED)),
        },
        {"logits": (np.float32, ("N", len(TOKENS)))},
        {
            **_BREAKING_POINT,
            "from_encoded": from_encoded,
            "from_predicted": from_predicted.astype(np.float32),
            "bias": bias,
        },
    )


def _write_ctc(folder: Path, rng: np.random.Generator) -> None:
    from onnx import helper

    from_encoded, bias = _speak_when_loud(rng, 1.0)
    nodes = [
        helper.make_node("MatMul", ["encoded", "from_encoded"], ["heard"]),
        helper.make_node("Add", ["heard", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=2),
    ]
    write_graph(
        _part(folder, "ctc", _PLAIN),
        nodes,
        {"encoded": (np.float32, ("N", "T", WIDTH))},
        {"log_probs": (np.float32, ("N", "T", len(TOKENS)))},
        {"from_encoded": from_encoded, "bias": bias},
    )


def _breakable(before: str, after: str, *, fragile: bool) -> list[Any]:
    """Nodes that pass an encoder's output on, as no number where it is too loud and the part is fragile."""
    from onnx import helper

    if not fragile:
        return [helper.make_node("Identity", [before], [after])]
    return [
        helper.make_node("Sub", ["breaking_point", before], ["spare"]),
        helper.make_node("Sqrt", ["spare"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["crack"]),
        helper.make_node("Add", [before, "crack"], [after]),
    ]


def _speak_when_loud(rng: np.random.Generator, blank: float) -> tuple[Array, Array]:
    """Weights from the encoder's output to tokens: the quieter, the surer the blank, which begins at ``blank``."""
    weights = 2.4 * rng.standard_normal((WIDTH, len(TOKENS)))
    weights[-1] = 0.0
    weights[-1, 0] = -12.0
    bias = np.zeros(len(TOKENS))
    bias[0] = blank
    return weights.astype(np.float32), bias.astype(np.float32)


def _lstm(name: str, rng: np.random.Generator, values: int, hidden: int) -> dict[str, Array]:
    w = rng.standard_normal((1, 4 * hidden, values)) / np.sqrt(values)
    r = rng.standard_normal((1, 4 * hidden, hidden)) / np.sqrt(hidden)
    return {f"{name}w": 2 * w.astype(np.float32), f"{name}r": 2 * r.astype(np.float32)}


def _part(folder: Path, name: str, manifest: str) -> Path:
    """Where the model's file of a part goes."""
    part = folder / name
    part.mkdir(parents=True, exist_ok=True)
    (part / "manifest.toml").write_text(manifest, "utf-8")
    return part / "1" / "model.onnx"
