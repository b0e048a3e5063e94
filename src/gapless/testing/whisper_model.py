"""A tiny Whisper model that says one sentence, in CTranslate2 format.

In: a folder and a sentence. Out: the files of a model that faster-whisper and CTranslate2 load and run
as any other. The encoder is random; in the decoder every token leads to the next one of the sentence,
so the text is known although the real search, tokenizer, alignment and language detection produce it.
Invariants: the vocabulary is laid out as in OpenAI's multilingual models, without words not said.
Thread: any; takes a fraction of a second.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WIDTH: Final = 32
LAYERS: Final = 2
MELS: Final = 80
ENCODER_FRAMES: Final = 1500
LONGEST_TEXT: Final = 448
TIMESTAMPS: Final = 1501
SPACE: Final = "\u0120"
"""How byte-level tokenizers write a space."""

SHARPNESS: Final = 4.0
"""Gain of the last normalisation: how sure the model is of its sentence."""


def build_whisper_model(folder: Path, text: str = "we hear nothing but this") -> Path:
    """Write a model into a new folder.

    Args:
        folder: is made; must not exist.
        text: different words, 24 at most, that the model says whatever it hears.

    Returns:
        The folder.
    """
    from ctranslate2.specs.whisper_spec import WhisperSpec

    vocabulary = _vocabulary(text.split())
    spec = WhisperSpec(LAYERS, 1, LAYERS, 1)
    _fill(spec, np.random.default_rng(7))
    decoder = spec.decoder
    decoder.embeddings.weight, decoder.projection.weight = _chain(vocabulary, text.split())
    decoder.layer_norm.gamma = np.full(WIDTH, SHARPNESS, np.float32)
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [vocabulary.index(f"<|{language}|>") for language in _languages()]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [(layer, 0) for layer in range(LAYERS)]
    spec.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    _save_tokenizer(vocabulary, folder / "tokenizer.json")
    return folder


def _languages() -> tuple[str, ...]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return tuple(_LANGUAGE_CODES)


def _vocabulary(words: list[str]) -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    # By the empty token CTranslate2 knows a multilingual model.
    text = [*sorted(ByteLevel.alphabet()), *(f"{SPACE}{word}" for word in words), ""]
    special = ["endoftext", "startoftranscript", *_languages(), "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special += [f"{number * 0.02:.2f}" for number in range(TIMESTAMPS)]
    return text + [f"<|{name}|>" for name in special]


def _chain(
    vocabulary: list[str], words: list[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Embeddings and projection of a decoder in which each token of the sentence calls the next."""
    said = ["<|0.00|>", *(f"{SPACE}{word}" for word in words), "<|1.00|>", "<|endoftext|>"]
    steps = [("<|startoftranscript|>", "<|en|>"), ("<|translate|>", "<|0.00|>")]
    steps += [("<|transcribe|>", "<|0.00|>"), *pairwise(said)]
    steps += [("<|notimestamps|>", said[1])]
    number = {token: index for index, token in enumerate(vocabulary)}
    embeddings = np.zeros((len(vocabulary), WIDTH), np.float32)
    projection = np.zeros((len(vocabulary), WIDTH), np.float32)
    for dimension, (token, following) in enumerate(steps):
        embeddings[number[token], dimension] = 1.0
        projection[number[following], dimension] = 1.0
    return embeddings, projection


def _fill(spec: Any, rng: np.random.Generator) -> None:
    """Give every weight of the specification its shape."""

    def faint(*shape: int) -> npt.NDArray[np.float32]:
        return rng.normal(0.0, 1e-4, shape).astype(np.float32)

    def linear(layer: Any, outputs: int, inputs: int) -> None:
        layer.weight, layer.bias = faint(outputs, inputs), faint(outputs)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, WIDTH, WIDTH)
        linear(layer.linear_1, WIDTH, WIDTH)

    def attention(layer: Any, *widths: int) -> None:
        norm(layer.layer_norm)
        for projection, outputs in zip(layer.linear, widths, strict=True):
            linear(projection, outputs, WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    for convolution, inputs in ((encoder.conv1, MELS), (encoder.conv2, WIDTH)):
        convolution.weight, convolution.bias = faint(WIDTH, inputs, 3), faint(WIDTH)
    encoder.position_encodings.encodings = faint(ENCODER_FRAMES, WIDTH)
    norm(encoder.layer_norm)
    for layer in encoder.layer:
        attention(layer.self_attention, 3 * WIDTH, WIDTH)
        feed_forward(layer.ffn)
    decoder.position_encodings.encodings = faint(LONGEST_TEXT, WIDTH)
    norm(decoder.layer_norm)
    for layer in decoder.layer:
        attention(layer.self_attention, 3 * WIDTH, WIDTH)
        attention(layer.attention, WIDTH, 2 * WIDTH, WIDTH)
        # Words get their times from where the decoder looks: let it look somewhere.
        queries, keys_and_values, _ = layer.attention.linear
        queries.weight = rng.normal(0.0, 1.0, queries.weight.shape).astype(np.float32)
        keys_and_values.weight[:WIDTH] = rng.normal(0.0, 1.0, (WIDTH, WIDTH))
        feed_forward(layer.ffn)


def _save_tokenizer(vocabulary: list[str], path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    first_special = vocabulary.index("<|endoftext|>")
    numbers = {token: number for number, token in enumerate(vocabulary[:first_special])}
    tokenizer = Tokenizer(BPE(vocab=numbers, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True) for token in vocabulary[first_special:]]
    )
    tokenizer.save(str(path))
