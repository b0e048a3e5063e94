"""Tiny Zipformers in the exact shape of icefall's exports: names, types, axes, states and metadata.

In: a folder. Out: the files of an export in it; see ``profile_models``. Needs the package onnx. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from gapless.testing.graph import Graph
from gapless.testing.profile_models import (
    F32,
    I64,
    LAYERS,
    PIECES,
    WIDTH,
    token_scores,
    write_vocabulary,
)

WINDOW: Final = 45
CHUNK: Final = 32

KEY, ATTENTION, VALUE, LEFT, PAD = 6, 9, 5, 4, 3
EMBED: Final = (8, 3, 19)


def write_zipformer(
    folder: Path, *, ctc: bool = False, metadata: bool = True, seed: int = 9
) -> Path:
    """A streaming Zipformer2 as icefall exports it.

    ``encoder-epoch-99-avg-1.onnx``, ``decoder...``, ``joiner...``, or ``ctc-epoch-20-avg-1.onnx``; ``tokens.txt``.
    """
    graph = Graph(seed)
    scaled = graph.op("Mul", "x", graph.const(0.1))
    bands = graph.op("Transpose", scaled, perm=[0, 2, 1])
    # 45 frames to 8: what the convolutions of the real one hear, in one.
    x = graph.op("Conv", bands, graph.kernel(WIDTH, 80, 17), strides=[4])
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    states = _states()
    x = graph.op("Add", x, _embedded(graph, scaled))
    for layer in range(LAYERS):
        x = _layer(graph, x, layer)
    if ctc:
        scores = graph.op("LogSoftmax", token_scores(graph, x, WIDTH, blank="first"), axis=-1)
        graph.give(scores, "log_probs")
    else:
        graph.give(x, "encoder_out")
    name = "log_probs" if ctc else "encoder_out"
    graph.save(
        folder / ("ctc-epoch-20-avg-1.onnx" if ctc else "encoder-epoch-99-avg-1.onnx"),
        {"x": (F32, ("N", WINDOW, 80)), **states},
        {
            name: (F32, ("N", CHUNK // 4, len(PIECES) + 1 if ctc else WIDTH)),
            **{f"new_{state}": tensor for state, tensor in states.items()},
        },
        {
            "model_type": "zipformer2",
            "T": str(WINDOW),
            "decode_chunk_len": str(CHUNK),
        }
        if metadata
        else None,
    )
    write_vocabulary(folder / "tokens.txt", blank="first")
    if not ctc:
        _write_stateless(folder, metadata=metadata, seed=seed + 1)
    return folder


def write_offline_zipformer_ctc(folder: Path, *, seed: int = 13) -> Path:
    """An offline CTC model as icefall exports it: ``model.onnx``, ``tokens.txt``."""
    graph = Graph(seed)
    bands = graph.op("Transpose", graph.op("Mul", "x", graph.const(0.1)), perm=[0, 2, 1])
    x = graph.op("Conv", bands, graph.kernel(WIDTH, 80, 7), strides=[2])
    x = graph.op("Tanh", graph.op("Conv", x, graph.kernel(WIDTH, WIDTH, 3), strides=[2]))
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    graph.give(
        graph.op("LogSoftmax", token_scores(graph, x, WIDTH, blank="first"), axis=-1), "log_probs"
    )
    less = graph.op("Sub", "x_lens", graph.const(7))
    graph.give(graph.op("Div", less, graph.const(4)), "log_probs_len")
    graph.save(
        folder / "model.onnx",
        {"x": (F32, ("N", "T", 80)), "x_lens": (I64, ("N",))},
        {"log_probs": (F32, ("N", "T2", len(PIECES) + 1)), "log_probs_len": (I64, ("N",))},
        {"model_type": "zipformer2_ctc"},
    )
    write_vocabulary(folder / "tokens.txt", blank="first")
    return folder


def _states() -> dict[str, tuple[type, tuple[int | str, ...]]]:
    states: dict[str, tuple[type, tuple[int | str, ...]]] = {}
    for layer in range(LAYERS):
        states |= {
            f"cached_key_{layer}": (F32, (LEFT, "N", KEY)),
            f"cached_nonlin_attn_{layer}": (F32, (1, "N", LEFT, ATTENTION)),
            f"cached_val1_{layer}": (F32, (LEFT, "N", VALUE)),
            f"cached_val2_{layer}": (F32, (LEFT, "N", VALUE)),
            f"cached_conv1_{layer}": (F32, ("N", WIDTH, PAD)),
            f"cached_conv2_{layer}": (F32, ("N", WIDTH, PAD)),
        }
    return states | {"embed_states": (F32, ("N", *EMBED)), "processed_lens": (I64, ("N",))}


def _embedded(graph: Graph, scaled: str) -> str:
    """What ``embed_states`` and ``processed_lens`` add, [N, 1, WIDTH]; names what follows both."""
    channels, rows, bands = EMBED
    flat = graph.op("Reshape", "embed_states", graph.const([0, channels * rows * bands]))
    past = graph.op("MatMul", flat, graph.weight(channels * rows * bands, WIDTH, gain=2.0))
    heard = graph.op("Cast", "processed_lens", to=1)
    grown = graph.op("Sin", graph.unsqueeze(heard, 1))
    count = graph.op("MatMul", grown, graph.weight(1, WIDTH))
    last = graph.slice(graph.slice(scaled, CHUNK - rows, CHUNK, 1), 0, bands, 2)
    gains = graph.const(np.linspace(-1.0, 1.0, channels)[:, None, None])
    graph.give(graph.op("Mul", graph.unsqueeze(last, 1), gains), "new_embed_states")
    passed = graph.op("Add", "processed_lens", graph.const(CHUNK // 2))
    graph.give(passed, "new_processed_lens")
    return graph.unsqueeze(graph.op("Add", past, count), 1)


def _layer(graph: Graph, x: str, layer: int) -> str:
    """A layer that hears each of its six states in another way: x [N, n, WIDTH]."""
    by_time = graph.op("Transpose", x, perm=[1, 0, 2])
    added = []
    for name, width in (("cached_key", KEY), ("cached_val1", VALUE), ("cached_val2", VALUE)):
        state = f"{name}_{layer}"
        now = graph.op("MatMul", by_time, graph.weight(WIDTH, width))
        graph.give(graph.last(graph.op("Concat", state, now, axis=0), LEFT, 0), f"new_{state}")
        ages = graph.const(np.arange(1.0, LEFT + 1)[:, None, None])
        summed = graph.op("ReduceSum", graph.op("Mul", state, ages), graph.const([0]), keepdims=0)
        added.append(graph.op("MatMul", summed, graph.weight(width, WIDTH, gain=0.3)))
    state = f"cached_nonlin_attn_{layer}"
    now = graph.unsqueeze(graph.op("MatMul", x, graph.weight(WIDTH, ATTENTION)), 0)
    graph.give(graph.last(graph.op("Concat", state, now, axis=2), LEFT, 2), f"new_{state}")
    ages = graph.const(np.arange(1.0, LEFT + 1)[:, None])
    summed = graph.op("ReduceSum", graph.op("Mul", state, ages), graph.const([0, 2]), keepdims=0)
    added.append(graph.op("MatMul", summed, graph.weight(ATTENTION, WIDTH, gain=0.3)))
    total = added[0]
    for more in added[1:]:
        total = graph.op("Add", total, more)
    y = graph.op("Tanh", graph.op("Add", x, graph.unsqueeze(total, 1)))
    for number in (1, 2):
        state = f"cached_conv{number}_{layer}"
        both = graph.op("Concat", state, graph.op("Transpose", y, perm=[0, 2, 1]), axis=2)
        graph.give(graph.last(both, PAD, 2), f"new_{state}")
        kernel = graph.kernel(WIDTH, WIDTH, PAD + 1, 1.5)
        convolved = graph.op("Transpose", graph.op("Conv", both, kernel), perm=[0, 2, 1])
        y = graph.op("Tanh", graph.op("Add", y, convolved))
    return y


def _write_stateless(folder: Path, *, metadata: bool, seed: int) -> None:
    """A prediction network as icefall has it, which knows the last two tokens only, and its joiner."""
    graph = Graph(seed)
    known = graph.op("Cast", graph.op("GreaterOrEqual", "y", graph.const(0)), to=1)
    embedding = graph.weight(len(PIECES) + 1, WIDTH, gain=3.0)
    rows = graph.op("Gather", embedding, graph.op("Max", "y", graph.const(0)))
    embedded = graph.op("Mul", rows, graph.unsqueeze(known, 2))
    flat = graph.op("Reshape", embedded, graph.const([0, 2 * WIDTH]))
    mixed = graph.op("MatMul", flat, graph.weight(2 * WIDTH, WIDTH, gain=1.5))
    graph.give(graph.op("Tanh", mixed), "decoder_out")
    graph.save(
        folder / "decoder-epoch-99-avg-1.onnx",
        {"y": (I64, ("N", 2))},
        {"decoder_out": (F32, ("N", WIDTH))},
        {"context_size": "2", "vocab_size": str(len(PIECES) + 1)} if metadata else None,
    )
    graph = Graph(seed + 1)
    both = graph.op("Tanh", graph.op("Add", "encoder_out", "decoder_out"))
    graph.give(token_scores(graph, both, WIDTH, blank="first"), "logit")
    graph.save(
        folder / "joiner-epoch-99-avg-1.onnx",
        {"encoder_out": (F32, ("N", WIDTH)), "decoder_out": (F32, ("N", WIDTH))},
        {"logit": (F32, ("N", len(PIECES) + 1))},
        {"joiner_dim": str(WIDTH)} if metadata else None,
    )
