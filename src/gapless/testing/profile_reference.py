"""What a model's files say to a sound, computed the slow way: one stream, one frame, one call at a time.

In: an export as ``nemo_models`` and ``zipformer_models`` write it, and samples. Out: the text. Invariants: it shares
nothing with the recogniser but the log-mel kernels: windows, states and the search are written out here again, plainly,
with ONNX Runtime called directly, so that a mistake in a profile shows as another text. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.listen.features import LogMel, Preset, feature_options

Array: TypeAlias = npt.NDArray[Any]
Ask: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]

CHUNK, PRE_ENCODE = 16, 9
ZIPFORMER_T, ZIPFORMER_CHUNK, ZIPFORMER_TAIL = 45, 32, 30
OFFLINE_TAIL = 8
SILENCE = np.log(np.finfo(np.float32).eps)
MOST_SYMBOLS = 10


def opened(path: Path) -> Ask:
    """A network as a function of its inputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def ask(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return ask


def log_mel(samples: Samples, preset: Preset, n_mels: int) -> Array:
    """Features of a whole utterance, [n_frames, n_mels]."""
    stage = LogMel(feature_options(preset, n_mels=n_mels))
    return np.concatenate((stage.process(samples), stage.flush()))


def nemo_frames(path: Path, features: Array) -> Array:
    """All of an utterance at once through an offline encoder of NeMo: [n_frames, width], or log-probabilities."""
    given = opened(path)({"audio_signal": features.T[None], "length": np.array([len(features)])})
    frames: Array = given["outputs"][0].T if "outputs" in given else given["logprobs"][0]
    return frames


def offline_zipformer_frames(path: Path, features: Array) -> Array:
    """All of an utterance, and a little silence behind it, at once through icefall's offline CTC."""
    silence = np.full((2 * OFFLINE_TAIL, features.shape[1]), SILENCE, np.float32)
    x = np.concatenate([features, silence])
    frames: Array = opened(path)({"x": x[None], "x_lens": np.array([len(x)])})["log_probs"][0]
    return frames[: -(-(len(features) + OFFLINE_TAIL) // 4)]


def fastconformer_frames(
    path: Path, features: Array, caches: Mapping[str, tuple[int, ...]]
) -> Array:
    """Chunk by chunk through a cache-aware encoder; ``caches`` are the shapes of one row."""
    ask = opened(path)
    states: dict[str, Array] = {
        name: np.zeros((1, *shape), np.float32) for name, shape in caches.items()
    }
    states["cache_last_channel_len"] = np.zeros(1, np.int64)
    n_features = len(features)
    padded = np.concatenate(
        [np.zeros((PRE_ENCODE, features.shape[1])), features, np.zeros((CHUNK, features.shape[1]))]
    ).astype(np.float32)
    frames = []
    for begin in range(0, n_features, CHUNK):
        window = padded[begin : begin + PRE_ENCODE + CHUNK]
        n_new = min(CHUNK, n_features - begin)
        given = ask(
            {"audio_signal": window.T[None], "length": np.array([PRE_ENCODE + n_new]), **states}
        )
        states = {
            "cache_last_channel": given["cache_last_channel_next"],
            "cache_last_time": given["cache_last_time_next"],
            "cache_last_channel_len": given["cache_last_channel_next_len"],
        }
        new = given["outputs"][0].T if "outputs" in given else given["logprobs"][0]
        frames.append(new[: -(-n_new // 8)])
    return np.concatenate(frames)


def zipformer_frames(path: Path, features: Array) -> Array:
    """Chunk by chunk through a streaming Zipformer, whose states it tells itself."""
    import onnxruntime

    inputs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()
    states: dict[str, Array] = {
        tensor.name: np.zeros(
            [1 if length == "N" else length for length in tensor.shape],
            np.int64 if "int64" in tensor.type else np.float32,
        )
        for tensor in inputs
        if tensor.name != "x"
    }
    ask = opened(path)
    n_features = len(features) + ZIPFORMER_TAIL
    filling = np.full((ZIPFORMER_TAIL + ZIPFORMER_T, features.shape[1]), SILENCE)
    padded = np.concatenate([features, filling]).astype(np.float32)
    frames = []
    for begin in range(0, n_features, ZIPFORMER_CHUNK):
        given = ask({"x": padded[None, begin : begin + ZIPFORMER_T], **states})
        states = {name: given[f"new_{name}"] for name in states}
        new = given["encoder_out" if "encoder_out" in given else "log_probs"][0]
        frames.append(new[: -(-min(ZIPFORMER_CHUNK, n_features - begin) // 4)])
    return np.concatenate(frames)


def ctc_tokens(frames: Array, blank: int) -> list[int]:
    """The best token of each frame, repeats and blanks taken out (Graves et al. 2006)."""
    best = frames.argmax(axis=1).tolist()
    return [
        token
        for token, before in zip(best, [blank, *best], strict=False)
        if token not in {blank, before}
    ]


def nemo_tokens(
    folder: Path, frames: Array, blank: int, durations: int, states: tuple[int, int]
) -> list[int]:
    """Greedy search with NeMo's networks, RNN-T or TDT; ``states`` are layers and width of an LSTM's."""
    fused = next(iter(folder.glob("decoder_joint*.onnx")), None)
    score = _fused(fused) if fused else _separate(folder)
    state: Any = tuple(np.zeros((states[0], 1, states[1]), np.float32) for _ in range(2))
    last, time, here = blank, 0, 0
    tokens: list[int] = []
    while time < len(frames):
        scores, after = score(frames[time], last, state)
        token = int(scores[: blank + 1].argmax())
        advance = int(scores[blank + 1 :].argmax()) if durations else int(token == blank)
        if token == blank:
            advance = max(advance, 1)
        else:
            tokens.append(token)
            last, state, here = token, after, here + 1
            if advance == 0 and here == MOST_SYMBOLS:
                advance = 1
        if advance:
            time, here = time + advance, 0
    return tokens


def zipformer_tokens(folder: Path, frames: Array) -> list[int]:
    """Greedy search with icefall's networks: one token per frame at most."""
    predict = opened(next(folder.glob("decoder*.onnx")))
    join = opened(next(folder.glob("joiner*.onnx")))
    tokens = [-1, 0]
    for frame in frames:
        predicted = predict({"y": np.array([tokens[-2:]])})["decoder_out"]
        logit = join({"encoder_out": frame[None], "decoder_out": predicted})["logit"]
        if (token := int(logit.argmax())) != 0:
            tokens.append(token)
    return tokens[2:]


def spell(path: Path, tokens: list[int]) -> str:
    """The text of tokens; tokens in angle brackets say nothing."""
    lines = [line.rsplit(" ", 1) for line in path.read_text("utf-8").splitlines()]
    pieces = {int(number): piece for piece, number in lines}
    said = [pieces[token] for token in tokens if not pieces[token].startswith("<")]
    return " ".join("".join(said).replace("▁", " ").split())


def _fused(path: Path) -> Callable[[Array, int, Any], tuple[Array, Any]]:
    ask = opened(path)

    def score(frame: Array, token: int, state: Any) -> tuple[Array, Any]:
        given = ask(
            {
                "encoder_outputs": frame[None, :, None],
                "targets": np.array([[token]], np.int32),
                "target_length": np.array([1], np.int32),
                "input_states_1": state[0],
                "input_states_2": state[1],
            }
        )
        return given["outputs"].ravel(), (given["output_states_1"], given["output_states_2"])

    return score


def _separate(folder: Path) -> Callable[[Array, int, Any], tuple[Array, Any]]:
    predict, join = opened(folder / "decoder.onnx"), opened(folder / "joiner.onnx")

    def score(frame: Array, token: int, state: Any) -> tuple[Array, Any]:
        given = predict(
            {
                "targets": np.array([[token]], np.int32),
                "target_length": np.array([1], np.int32),
                "states.1": state[0],
                "onnx::LSTM_3": state[1],
            }
        )
        joined = join(
            {"encoder_outputs": frame[None, :, None], "decoder_outputs": given["outputs"]}
        )
        return joined["outputs"].ravel(), (given["states"], given["74"])

    return score
