"""Tiny models in the exact shape of NeMo's exports: names, types, axes, states and metadata; offline and cache-aware.

In: a folder. Out: the files of an export in it; see ``profile_models``. Needs the package onnx. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.testing.graph import Graph
from gapless.testing.profile_models import (
    F32,
    I32,
    I64,
    LAYERS,
    PIECES,
    WIDTH,
    token_scores,
    write_vocabulary,
)

MELS: Final = 16
HIDDEN: Final = 10

CHUNK: Final = 16
PRE_ENCODE: Final = 9
DROPPED: Final = 2
CHANNEL_CACHE: Final = 5
TIME_CACHE: Final = 3

FASTCONFORMER_METADATA: Final = {
    "vocab_size": str(len(PIECES)),
    "window_size": str(PRE_ENCODE + CHUNK),
    "chunk_shift": str(CHUNK),
    "normalize_type": "NA",
    "cache_last_channel_dim1": str(LAYERS),
    "cache_last_channel_dim2": str(CHANNEL_CACHE),
    "cache_last_channel_dim3": str(WIDTH),
    "cache_last_time_dim1": str(LAYERS),
    "cache_last_time_dim2": str(WIDTH),
    "cache_last_time_dim3": str(TIME_CACHE),
    "subsampling_factor": "8",
    "model_type": "EncDecHybridRNNTCTCBPEModel",
    "comment": "a tiny model with random weights",
}


def write_nemo(
    folder: Path, *, durations: int = 0, reach: int = 4, normalise: str | None = "", seed: int = 11
) -> Path:
    """An offline transducer: ``encoder-model.onnx``, ``decoder_joint-model.onnx``, ``vocab.txt``.

    Args:
        folder: to write to.
        durations: of TDT; 0 for RNN-T.
        reach: how many of its own frames to each side the encoder hears, besides 7 feature frames.
        normalise: the metadata ``normalize_type``; None: without metadata, as NeMo itself exports.
        seed: of the weights.
    """
    graph = Graph(seed)
    frames, lengths = _subsampled(graph, "audio_signal", "length")
    heard = _reaching(graph, frames, lengths, reach)
    graph.give(heard, "outputs")
    graph.give(lengths, "encoded_lengths")
    graph.save(
        folder / "encoder-model.onnx",
        _signal(),
        {
            "outputs": (F32, ("outputs_dynamic_axes_1", WIDTH, "outputs_dynamic_axes_2")),
            "encoded_lengths": (I64, ("encoded_lengths_dynamic_axes_1",)),
        },
        None if normalise is None else {"normalize_type": normalise},
    )
    write_decoder_joint(folder / "decoder_joint-model.onnx", durations=durations, seed=seed + 1)
    write_vocabulary(folder / "vocab.txt")
    return folder


def write_nemo_ctc(
    folder: Path, *, reach: int = 4, normalise: str | None = "", seed: int = 3
) -> Path:
    """An offline CTC model: ``model.onnx``, ``vocab.txt`` without the blank."""
    graph = Graph(seed)
    frames, lengths = _subsampled(graph, "audio_signal", "length")
    heard = graph.op("Transpose", _reaching(graph, frames, lengths, reach), perm=[0, 2, 1])
    scores = token_scores(graph, heard, WIDTH, blank="last")
    graph.give(graph.op("LogSoftmax", scores, axis=-1), "logprobs")
    graph.save(
        folder / "model.onnx",
        _signal(),
        {
            "logprobs": (
                F32,
                ("logprobs_dynamic_axes_1", "logprobs_dynamic_axes_2", len(PIECES) + 1),
            )
        },
        None if normalise is None else {"normalize_type": normalise},
    )
    write_vocabulary(folder / "vocab.txt", blank=None)
    return folder


def write_tone_ctc(folder: Path, *, loud: float = -2.0) -> Path:
    """An offline CTC model that knows what it hears: ``▁band3`` is said while the mel 3 is louder than all noise.

    Args:
        folder: to write to: ``model.onnx`` and ``vocab.txt``.
        loud: logarithm of the energy above which a band counts.
    """
    graph = Graph(0)
    pooled = graph.op("AveragePool", "audio_signal", kernel_shape=[8], strides=[8], ceil_mode=1)
    heard = graph.op("Transpose", pooled, perm=[0, 2, 1])
    above = graph.op("Sub", heard, graph.const(loud))
    scores = graph.op("Pad", above, graph.const([0, 0, 0, 0, 0, 1]))
    graph.give(graph.op("LogSoftmax", scores, axis=-1), "logprobs")
    signal = _signal()["audio_signal"]
    graph.save(
        folder / "model.onnx",
        {"audio_signal": signal},
        {"logprobs": (F32, ("b", "t", MELS + 1))},
        {"normalize_type": "NA"},
    )
    lines = [f"▁band{mel} {mel}\n" for mel in range(MELS)]
    (folder / "vocab.txt").write_text("".join(lines), "utf-8")
    return folder


def write_decoder_joint(path: Path, *, durations: int = 0, seed: int = 2) -> Path:
    """NeMo's prediction and joint networks in one file."""
    graph = Graph(seed)
    predicted, states = _prediction(graph, "input_states_1", "input_states_2")
    frames = graph.op("Transpose", "encoder_outputs", perm=[0, 2, 1])
    graph.give(_joint(graph, frames, predicted, durations), "outputs")
    graph.give("target_length", "prednet_lengths")
    graph.give(states[0], "output_states_1")
    graph.give(states[1], "output_states_2")
    return graph.save(
        path,
        {
            "encoder_outputs": (F32, ("encoder_outputs_dynamic_axes_1", WIDTH, "time")),
            **_targets(),
            "input_states_1": (F32, (LAYERS, "input_states_1_dynamic_axes_1", HIDDEN)),
            "input_states_2": (F32, (LAYERS, "input_states_2_dynamic_axes_1", HIDDEN)),
        },
        {
            "outputs": (F32, ("b", "t", "u", len(PIECES) + 1 + durations)),
            "prednet_lengths": (I32, ("prednet_lengths_dynamic_axes_1",)),
            "output_states_1": (F32, (LAYERS, "output_states_1_dynamic_axes_1", HIDDEN)),
            "output_states_2": (F32, (LAYERS, "output_states_2_dynamic_axes_1", HIDDEN)),
        },
    )


def write_fastconformer(
    folder: Path, *, ctc: bool = False, metadata: bool = True, seed: int = 11
) -> Path:
    """A cache-aware streaming model as sherpa-onnx exports it.

    ``encoder.onnx``, ``decoder.onnx`` (whose second state takes one row at a time) and ``joiner.onnx``, or
    ``model.onnx`` for CTC; ``tokens.txt``. Without metadata: as NeMo itself exports, with ``decoder_joint.onnx``.
    """
    graph = Graph(seed)
    frames, lengths = _subsampled(graph, "audio_signal", "length")
    lengths = graph.op("Sub", lengths, graph.const(DROPPED))
    x = graph.slice(graph.op("Transpose", frames, perm=[0, 2, 1]), DROPPED, 2**31, 1)
    channels, times = [], []
    for layer in range(LAYERS):
        x, channel, time = _cached_layer(graph, x, layer)
        channels.append(graph.unsqueeze(channel, 1))
        times.append(graph.unsqueeze(time, 1))
    if ctc:
        scores = graph.op("LogSoftmax", token_scores(graph, x, WIDTH, blank="last"), axis=-1)
        graph.give(scores, "logprobs")
    else:
        graph.give(graph.op("Transpose", x, perm=[0, 2, 1]), "outputs")
    graph.give(lengths, "encoded_lengths")
    graph.give(graph.op("Concat", *channels, axis=1), "cache_last_channel_next")
    graph.give(graph.op("Concat", *times, axis=1), "cache_last_time_next")
    heard = graph.op("Add", "cache_last_channel_len", graph.length(x, 1))
    graph.give(graph.op("Min", heard, graph.const([CHANNEL_CACHE])), "cache_last_channel_next_len")
    graph.save(
        folder / ("model.onnx" if ctc else "encoder.onnx"),
        {
            **_signal(),
            "cache_last_channel": (F32, ("cache_last_channel_dynamic_axes_1", LAYERS, "c", WIDTH)),
            "cache_last_time": (F32, ("cache_last_time_dynamic_axes_1", LAYERS, WIDTH, "k")),
            "cache_last_channel_len": (I64, ("cache_last_channel_len_dynamic_axes_1",)),
        },
        {
            **(
                {"logprobs": (F32, ("b", "t", len(PIECES) + 1))}
                if ctc
                else {"outputs": (F32, ("b", WIDTH, "t"))}
            ),
            "encoded_lengths": (I64, ("b",)),
            "cache_last_channel_next": (F32, ("b", LAYERS, "c2", WIDTH)),
            "cache_last_time_next": (F32, ("b", LAYERS, WIDTH, "k2")),
            "cache_last_channel_next_len": (I64, ("b",)),
        },
        FASTCONFORMER_METADATA if metadata else None,
    )
    write_vocabulary(folder / "tokens.txt")
    if ctc:
        return folder
    if metadata:
        write_nemo_decoder(folder / "decoder.onnx", seed=seed + 1)
        write_nemo_joiner(folder / "joiner.onnx", seed=seed + 2)
    else:
        write_decoder_joint(folder / "decoder_joint.onnx", seed=seed + 1)
    return folder


def write_nemo_decoder(path: Path, *, seed: int = 6) -> Path:
    """NeMo's prediction network in a file of its own."""
    graph = Graph(seed)
    predicted, states = _prediction(graph, "states.1", "onnx::LSTM_3")
    graph.give(graph.op("Transpose", predicted, perm=[0, 2, 1]), "outputs")
    graph.give("target_length", "prednet_lengths")
    graph.give(states[0], "states")
    graph.give(states[1], "74")
    return graph.save(
        path,
        {
            **_targets(),
            "states.1": (F32, (LAYERS, "states.1_dim_1", HIDDEN)),
            "onnx::LSTM_3": (F32, (LAYERS, 1, HIDDEN)),
        },
        {
            "outputs": (F32, ("outputs_dynamic_axes_1", HIDDEN, "outputs_dynamic_axes_2")),
            "prednet_lengths": (I32, ("prednet_lengths_dynamic_axes_1",)),
            "states": (F32, (LAYERS, "states_dynamic_axes_1", HIDDEN)),
            "74": (F32, (LAYERS, "LSTM74_dim_1", HIDDEN)),
        },
    )


def write_nemo_joiner(path: Path, *, durations: int = 0, seed: int = 7) -> Path:
    """NeMo's joint network in a file of its own."""
    graph = Graph(seed)
    frames = graph.op("Transpose", "encoder_outputs", perm=[0, 2, 1])
    predicted = graph.op("Transpose", "decoder_outputs", perm=[0, 2, 1])
    graph.give(_joint(graph, frames, predicted, durations), "outputs")
    return graph.save(
        path,
        {
            "encoder_outputs": (F32, ("encoder_outputs_dynamic_axes_1", WIDTH, "t")),
            "decoder_outputs": (F32, ("decoder_outputs_dynamic_axes_1", HIDDEN, "u")),
        },
        {"outputs": (F32, ("b", "t", "u", len(PIECES) + 1 + durations))},
    )


def write_preprocessor(path: Path, filters: npt.NDArray[np.float32], *, gain: float = 1.0) -> Path:
    """NeMo's features as a network, as onnx-asr puts it beside its models: waveforms and lengths to features.

    Args:
        path: to write to.
        filters: float32 [257, n_mels], the mel filters.
        gain: of the features, which is 1 in NeMo's.
    """
    graph = Graph(0)
    first = graph.slice("waveforms", 0, 1, 1)
    before, behind = graph.slice("waveforms", 0, -1, 1), graph.slice("waveforms", 1, 2**31, 1)
    rest = graph.op("Sub", behind, graph.op("Mul", before, graph.const(0.97)))
    samples = _masked_rows(graph, graph.op("Concat", first, rest, axis=1), "waveforms_lens")
    padded = graph.op("Pad", samples, graph.const([0, 256, 0, 256]))
    window = np.pad(np.hanning(400), 56)
    spectrum = graph.op("STFT", padded, graph.const(160), graph.const(window))
    power = graph.op("ReduceSumSquare", spectrum, axes=[-1], keepdims=0)
    energy = graph.op("MatMul", power, graph.const(filters))
    logs = graph.op("Log", graph.op("Add", energy, graph.const(2.0**-24)))
    features = graph.op("Transpose", logs, perm=[0, 2, 1])
    lengths = graph.op("Div", "waveforms_lens", graph.const(160))
    graph.give(_normalised(graph, features, lengths, gain), "features")
    graph.give(lengths, "features_lens")
    return graph.save(
        path,
        {"waveforms": (F32, ("batch_size", "N")), "waveforms_lens": (I64, ("batch_size",))},
        {
            "features": (F32, ("batch_size", filters.shape[1], "T")),
            "features_lens": (I64, ("batch_size",)),
        },
    )


def _signal() -> dict[str, tuple[type, tuple[int | str, ...]]]:
    return {
        "audio_signal": (F32, ("audio_signal_dynamic_axes_1", MELS, "audio_signal_dynamic_axes_2")),
        "length": (I64, ("length_dynamic_axes_1",)),
    }


def _targets() -> dict[str, tuple[type, tuple[int | str, ...]]]:
    return {
        "targets": (I32, ("targets_dynamic_axes_1", "targets_dynamic_axes_2")),
        "target_length": (I32, ("target_length_dynamic_axes_1",)),
    }


def _subsampled(graph: Graph, signal: str, length: str) -> tuple[str, str]:
    """Eight frames to one, as NeMo's ``dw_striding``: [B, mels, T] and lengths to [B, WIDTH, ceil(T / 8)]."""
    x, lengths = graph.op("Mul", signal, graph.const(0.1)), length
    for bands in (MELS, WIDTH, WIDTH):
        x = _masked(graph, x, lengths)
        x = graph.op("Conv", x, graph.kernel(WIDTH, bands, 3, 1.5), strides=[2], pads=[1, 1])
        x = graph.op("Tanh", x)
        less = graph.op("Sub", lengths, graph.const(1))
        lengths = graph.op("Add", graph.op("Div", less, graph.const(2)), graph.const(1))
    return x, lengths


def _masked(graph: Graph, x: str, lengths: str) -> str:
    """Zeros behind each row's length: [B, C, T]."""
    return graph.op("Mul", x, graph.unsqueeze(_inside(graph, x, lengths, 2), 1))


def _masked_rows(graph: Graph, x: str, lengths: str) -> str:
    """Zeros behind each row's length: [B, T]."""
    return graph.op("Mul", x, _inside(graph, x, lengths, 1))


def _inside(graph: Graph, x: str, lengths: str, axis: int) -> str:
    """1 up to each row's length along an axis of x, then 0: [B, T]."""
    times = graph.op("Range", graph.const(0), graph.length(x, axis), graph.const(1))
    return graph.op("Cast", graph.op("Less", times, graph.unsqueeze(lengths, 1)), to=1)


def _normalised(graph: Graph, x: str, lengths: str, gain: float) -> str:
    """Each mel with mean 0 and deviation 1 over its row's length: [B, mels, T]."""
    count = graph.op("Cast", graph.op("Unsqueeze", lengths, graph.const([1, 2])), to=1)
    total = graph.op("ReduceSum", _masked(graph, x, lengths), graph.const([2]), keepdims=1)
    centred = _masked(graph, graph.op("Sub", x, graph.op("Div", total, count)), lengths)
    squares = graph.op("ReduceSumSquare", centred, axes=[2], keepdims=1)
    variance = graph.op("Div", squares, graph.op("Sub", count, graph.const(1.0)))
    deviation = graph.op("Add", graph.op("Sqrt", variance), graph.const(1e-5))
    return graph.op("Mul", graph.op("Div", centred, deviation), graph.const(gain))


def _reaching(graph: Graph, x: str, lengths: str, reach: int) -> str:
    """A convolution that hears ``reach`` frames to each side."""
    kernel = graph.kernel(WIDTH, WIDTH, 2 * reach + 1, 2.5)
    return graph.op("Tanh", graph.op("Conv", _masked(graph, x, lengths), kernel, pads=[reach] * 2))


def _prediction(graph: Graph, hidden: str, cell: str) -> tuple[str, tuple[str, str]]:
    """Two layers of LSTM over embedded targets: [B, U, HIDDEN], and the states behind it."""
    tokens = graph.op("Cast", "targets", to=7)
    embedded = graph.op("Gather", graph.weight(len(PIECES) + 1, HIDDEN, gain=3.0), tokens)
    x = graph.op("Transpose", embedded, perm=[1, 0, 2])
    hiddens, cells = [], []
    for layer in range(LAYERS):
        y, after, kept = graph.ops(
            "LSTM",
            (
                x,
                graph.const(np.asarray(_gates(layer, HIDDEN))),
                graph.const(np.asarray(_gates(layer + LAYERS, HIDDEN))),
                "",
                "",
                graph.slice(hidden, layer, layer + 1, 0),
                graph.slice(cell, layer, layer + 1, 0),
            ),
            3,
            hidden_size=HIDDEN,
        )
        x = graph.squeeze(y, 1)
        hiddens.append(after)
        cells.append(kept)
    states = graph.op("Concat", *hiddens, axis=0), graph.op("Concat", *cells, axis=0)
    return graph.op("Transpose", x, perm=[1, 0, 2]), states


def _gates(seed: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rng = np.random.default_rng(1000 + seed)
    return rng.standard_normal((1, 4 * HIDDEN, width)).astype(np.float32)


def _joint(graph: Graph, frames: str, predicted: str, durations: int) -> str:
    """Scores [B, T, U, tokens + durations] of frames [B, T, WIDTH] and predictions [B, U, HIDDEN]."""
    heard = graph.unsqueeze(graph.op("MatMul", frames, graph.weight(WIDTH, WIDTH, gain=2.0)), 2)
    said = graph.unsqueeze(graph.op("MatMul", predicted, graph.weight(HIDDEN, WIDTH, gain=2.0)), 1)
    both = graph.op("Tanh", graph.op("Add", heard, said))
    return token_scores(graph, both, WIDTH, blank="last", more=durations)


def _cached_layer(graph: Graph, x: str, layer: int) -> tuple[str, str, str]:
    """A layer of a cache-aware encoder: x [B, n, WIDTH], its part of both caches, and what follows them."""
    past = graph.squeeze(graph.slice("cache_last_channel", layer, layer + 1, 1), 1)
    times = graph.const(np.arange(CHANNEL_CACHE))
    first = graph.op("Sub", graph.const(CHANNEL_CACHE), "cache_last_channel_len")
    valid = graph.op("Cast", graph.op("GreaterOrEqual", times, graph.unsqueeze(first, 1)), to=1)
    known = graph.op("Mul", past, graph.unsqueeze(valid, 2))
    weighted = graph.op("Mul", known, graph.const(np.arange(1.0, CHANNEL_CACHE + 1)[:, None]))
    summed = graph.op("ReduceSum", weighted, graph.const([1]), keepdims=1)
    attended = graph.op("MatMul", summed, graph.weight(WIDTH, WIDTH, gain=0.3))
    time = graph.squeeze(graph.slice("cache_last_time", layer, layer + 1, 1), 1)
    both = graph.op("Concat", time, graph.op("Transpose", x, perm=[0, 2, 1]), axis=2)
    kernel = graph.kernel(WIDTH, WIDTH, TIME_CACHE + 1, 2.0)
    convolved = graph.op("Transpose", graph.op("Conv", both, kernel), perm=[0, 2, 1])
    y = graph.op("Tanh", graph.op("Add", graph.op("Add", x, convolved), attended))
    channel = graph.last(graph.op("Concat", past, x, axis=1), CHANNEL_CACHE, 1)
    return y, channel, graph.last(both, TIME_CACHE, 2)
