"""Zipformers of icefall, as sherpa-onnx runs them: streaming with cached states or offline, transducers and CTC.

In: the files of an export. Out: a ``Layout``. Invariants: states are paired by name, and their batch axes are those
that the file names; a trial with two rows holds them to it. Thread: one at a time; loads and runs the networks.

What icefall exports (``egs/librispeech/ASR/zipformer/export-onnx-streaming.py``, ``export-onnx-streaming-ctc.py``,
``export-onnx.py``; read back in sherpa-onnx ``online-zipformer2-transducer-model.cc``):

    encoder    x [N, T, 80], then for each layer i cached_key_i [L, N, K], cached_nonlin_attn_i [1, N, L, A],
               cached_val1_i, cached_val2_i [L, N, V], cached_conv1_i, cached_conv2_i [N, D, P],
               embed_states [N, 128, 3, 19], processed_lens int64 [N]
            -> encoder_out [N, T', J] (CTC: log_probs [N, T', V]), and new_NAME for every state
    decoder    y int64 [N, 2] -> decoder_out [N, J]
    joiner     encoder_out [N, J], decoder_out [N, J] -> logit [N, V]
    offline    x [N, T, 80], x_lens int64 [N] -> encoder_out, encoder_out_lens (CTC: log_probs, log_probs_len)

The encoder sees T frames and moves by ``decode_chunk_len`` (metadata); the 13 frames between (7 for the first
Zipformer) are the look-ahead of its convolutions. Older exports carry no metadata: then T is that of ``x``. The first
Zipformer has other states (cached_len_i, cached_avg_i ...), which are named and paired in the same way.

The blank is token 0. The prediction network knows the last two tokens only; at the start they are -1, whose embedding
is zero as that of padding in training, and blank (sherpa-onnx ``online-transducer-decoder.cc``). icefall searches
with one token per frame at most. Features are Kaldi's filter banks of samples in -1..1, without cutting at the edges.
Behind the end of an utterance 0.3 s of silence are heard (``onnx_pretrained-streaming.py``), for these models answer
late.
"""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np

from gapless.errors import ModelError
from gapless.infer.repository.manifest import Manifest, StateEntry, TensorEntry
from gapless.listen.recogniser.profiles.files import ModelFiles
from gapless.listen.recogniser.profiles.layout import Layout, PartLayout
from gapless.listen.recogniser.profiles.nemo import (
    CHUNK,
    CTC_OUTPUTS,
    FRAME_MS,
    LEFT,
    RIGHT,
    WINDOW,
    subsampling,
)
from gapless.listen.recogniser.profiles.network import Network, Trial, batch_axis
from gapless.listen.recogniser.profiles.parts import encoder_rows, make_part
from gapless.listen.recogniser.profiles.tokens import read_tokens, require_no_durations
from gapless.listen.recogniser.streaming.manifest import (
    CtcSpec,
    EncoderSpec,
    FeatureSpec,
    RecogniserManifest,
    TransducerSpec,
)

NEW: Final = "new_"
"""Begins the name of the output that follows a state."""

LOOK_AHEAD: Final = 13
LOOK_AHEAD_FIRST: Final = 7
"""Frames of a window behind its chunk: of Zipformer2, which has the state ``embed_states``, and of the first one."""

SILENCE: Final = log(float(np.finfo(np.float32).eps))
"""What Kaldi's filter banks make of silence."""

TAIL_FRAMES: Final = 30
OFFLINE_TAIL_FRAMES: Final = 8
"""So that the last frames, which convolutions without padding swallow, are of silence."""
MAX_SYMBOLS: Final = 1


def describe_zipformer(files: ModelFiles, network: Network) -> Layout:
    """Describe a Zipformer.

    Args:
        files: of the model.
        network: its encoder, or the whole of it for CTC.

    Raises:
        ModelError: a file is missing, or is not what icefall exports.
    """
    if network.metadata.get("feature", "") == "whisper":
        raise ModelError(
            f"{network.path.name} wants Whisper's features, which are not here; choose a model with Kaldi's"
        )
    is_ctc = "encoder" not in files.networks
    output = network.first_output(*(CTC_OUTPUTS if is_ctc else ("encoder_out",))).name
    if any(name.startswith(NEW) for name in network.outputs):
        spec, encoder, trial = _streaming(network, output)
    else:
        spec, encoder, trial = _offline(network, output)
    width = trial.rows[output][1]
    transducer, parts = (None, ()) if is_ctc else _heads(files, width)
    n_scores = width if is_ctc else parts[-1][1].rows["logit"][-1]
    tokens = read_tokens(files, n_scores, blank="first")
    require_no_durations(files, tokens)
    return Layout(
        manifest=RecogniserManifest(
            profile="ctc" if is_ctc and spec.length_input else "zipformer",
            description=network.metadata.get("comment", ""),
            token_kind=tokens.kind,
            blank=tokens.blank,
            features=FeatureSpec(preset="kaldi", n_mels=_n_mels(network)),
            encoder=spec,
            transducer=transducer,
            ctc=CtcSpec(output=output) if is_ctc else None,
        ),
        tokens=tokens.tokens,
        parts=(encoder, *(part for part, _ in parts)),
    )


def _streaming(network: Network, output: str) -> tuple[EncoderSpec, PartLayout, Trial]:
    frames = network.input("x")
    window = int(network.metadata.get("T", frames.lengths[1]))
    look_ahead = LOOK_AHEAD if "embed_states" in network.inputs else LOOK_AHEAD_FIRST
    chunk = int(network.metadata.get("decode_chunk_len", window - look_ahead))
    if not 0 < chunk <= window:
        raise ModelError(
            f"{network.path.name} does not say how long its chunks are; export it with the metadata T and "
            "decode_chunk_len"
        )
    symbol = str(frames.shape[0])
    names = [name for name in network.inputs if name != frames.name]
    part, trial = make_part(
        "encoder",
        network,
        Manifest(
            inputs=(TensorEntry(name=frames.name, shape=(window, _n_mels(network))),),
            states=tuple(
                StateEntry(
                    input=name,
                    output=network.first_output(NEW + name).name,
                    axis=batch_axis(network.inputs[name], symbol),
                )
                for name in names
            ),
        ),
        most_rows=encoder_rows(window),
    )
    factor = subsampling(network, chunk, trial.rows[output][0])
    spec = EncoderSpec(
        input=frames.name,
        output=output,
        chunk_frames=chunk,
        right_frames=window - chunk,
        tail_frames=TAIL_FRAMES,
        pad=SILENCE,
        subsampling=factor,
        frame_ms=FRAME_MS * factor,
    )
    return spec, part, trial


def _offline(network: Network, output: str) -> tuple[EncoderSpec, PartLayout, Trial]:
    frames, length = network.input("x"), network.input("x_lens")
    part, trial = make_part(
        "encoder",
        network,
        Manifest(inputs=(TensorEntry(name=frames.name, shape=(WINDOW, _n_mels(network))),)),
        {length.name: WINDOW},
        most_rows=encoder_rows(WINDOW),
        any_length=True,
    )
    factor = subsampling(network, WINDOW, trial.rows[output][0])
    spec = EncoderSpec(
        input=frames.name,
        length_input=length.name,
        output=output,
        left_frames=LEFT,
        chunk_frames=CHUNK,
        right_frames=RIGHT,
        fill_front=False,
        tail_frames=OFFLINE_TAIL_FRAMES,
        pad=SILENCE,
        subsampling=factor,
        drop_frames=LEFT // factor,
        frame_ms=FRAME_MS * factor,
    )
    return spec, part, trial


def _heads(
    files: ModelFiles, width: int
) -> tuple[TransducerSpec, tuple[tuple[PartLayout, Trial], ...]]:
    """The prediction network, which knows the last tokens only, and the joiner."""
    network, joint = Network(files.network("predictor")), Network(files.network("joiner"))
    token, predicted = network.input("y"), network.first_output("decoder_out")
    context = int(network.metadata.get("context_size", token.lengths[1]))
    if context < 1:
        raise ModelError(
            f"{network.path.name} does not say how many tokens it takes; export it with the metadata context_size"
        )
    predictor = make_part(
        "predictor", network, Manifest(inputs=(TensorEntry(name=token.name, shape=(context,)),))
    )
    joiner = make_part(
        "joiner",
        joint,
        Manifest(
            inputs=(
                TensorEntry(name=joint.input("encoder_out").name, shape=(width,)),
                TensorEntry(
                    name=joint.input("decoder_out").name, shape=predictor[1].rows[predicted.name]
                ),
            )
        ),
    )
    spec = TransducerSpec(
        frame_input="encoder_out",
        predicted_input="decoder_out",
        token_input=token.name,
        token_context=context,
        first_tokens=(*(-1,) * (context - 1), 0),
        predicted_output=predicted.name,
        logits_output=joint.first_output("logit").name,
        max_symbols=MAX_SYMBOLS,
    )
    return spec, (predictor, joiner)


def _n_mels(network: Network) -> int:
    mels = network.input("x").lengths[-1]
    return mels if mels > 0 else 80
