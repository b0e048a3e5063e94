"""Text and sound as tensors, for models whose manifest says that they accept them.

In: a text, or a recording. Out: the tensors of one step, or of several that are run one after the other.
Invariants: every window is whole; before the first sample there is silence. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from gapless.audio.codec import open_decoder
from gapless.audio.format import AudioFormat
from gapless.audio.resample import Resampler
from gapless.audio.types import Samples
from gapless.errors import AudioTooLongError, InvalidAudioError, ModelError, ProtocolError
from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo

MAX_WINDOWS: Final = 10_000
"""Windows of one recording: of 32 ms, more than five minutes."""


def text_inputs(info: ModelInfo, text: str) -> dict[str, Array]:
    """A text as the only row of a step.

    Raises:
        ProtocolError: the model does not accept text.
        ModelError: what it takes is no single text, whatever its manifest says.
    """
    tensor = _only_input(info, "text", "BYTES")
    if any(length not in (1, DYNAMIC) for length in tensor.shape):
        raise _wrong_manifest(info, "text")
    array = np.empty((1,) * (info.batched + len(tensor.shape)), np.object_)
    array[...] = text.encode()
    return {tensor.name: array}


def audio_steps(info: ModelInfo, pcm: bytes, rate_hz: int) -> list[dict[str, Array]]:
    """A recording, in windows as long as the last dimension of the model's input.

    A model with state takes them one by one, one without in batches. What is left behind the last whole window is not
    used.

    Args:
        info: what the model takes.
        pcm: signed 16-bit little-endian samples of one channel.
        rate_hz: their rate.

    Raises:
        ProtocolError: the model does not accept audio.
        ModelError: what it takes is no window of samples, whatever its manifest says.
        AudioError: half a sample, an unusable rate, or less sound than one window.
        AudioTooLongError: more than ``MAX_WINDOWS``.
    """
    tensor = _only_input(info, "audio", "FP32")
    if not tensor.shape or any(length != 1 for length in tensor.shape[:-1]):
        raise _wrong_manifest(info, "audio")
    length = tensor.shape[-1]
    hop = info.audio_hop_samples or length
    if length != DYNAMIC and hop > length:
        raise _wrong_manifest(info, "audio")
    samples = _samples(pcm, rate_hz, info.audio_rate_hz or rate_hz)
    if length == DYNAMIC:
        length = hop = max(len(samples), 1)
    windows = _windows(samples, length, hop)
    rows = windows.reshape(len(windows), *tensor.shape[:-1], length)
    if not info.batched:
        return [{tensor.name: row} for row in rows]
    size = 1 if info.sequences != "none" else info.limits.buckets[-1]
    return [{tensor.name: rows[at : at + size]} for at in range(0, len(rows), size)]


def _samples(pcm: bytes, rate_hz: int, wanted_hz: int) -> Samples:
    decoder = open_decoder(AudioFormat(encoding="pcm_s16le", rate_hz=rate_hz))
    resampler = Resampler(rate_hz, wanted_hz)
    samples = resampler.process(decoder.process(pcm))
    decoder.flush()
    return np.concatenate((samples, resampler.flush()))


def _windows(samples: Samples, length: int, hop: int) -> Samples:
    """Overlapping windows, float32 [windows, length], each with ``hop`` new samples at its end."""
    count = len(samples) // hop
    if count == 0:
        raise InvalidAudioError(
            f"{len(samples)} samples are less than the {hop} new ones of a window; send more",
            param="audio",
        )
    if count > MAX_WINDOWS:
        raise AudioTooLongError(
            f"the recording has {count} windows, and one request may have {MAX_WINDOWS}; send it "
            "in parts",
            param="audio",
        )
    heard = np.concatenate((np.zeros(length - hop, np.float32), samples))
    return np.lib.stride_tricks.sliding_window_view(heard, length)[::hop]


def _only_input(info: ModelInfo, kind: Literal["text", "audio"], datatype: str) -> TensorInfo:
    if info.accepts != kind:
        raise ProtocolError(
            f"{info.name} does not accept {kind}; send inputs, or say accepts = {kind!r} in its manifest",
            param=kind,
        )
    needed = [tensor for tensor in info.inputs if not tensor.optional]
    if len(needed) != 1 or needed[0].datatype != datatype:
        raise _wrong_manifest(info, kind)
    return needed[0]


def _wrong_manifest(info: ModelInfo, kind: Literal["text", "audio"]) -> ModelError:
    wanted = {"text": "one text", "audio": "windows of FP32 samples"}[kind]
    return ModelError(
        f"{info.name} says that it accepts {kind}, but does not take {wanted} and nothing else; take accepts out of "
        "its manifest"
    )
