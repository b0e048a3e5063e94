"""Offline models of NeMo: encoders that hear all at once, with a transducer behind them or as CTC.

In: the files of an export. Out: a ``Layout`` that streams by windows with context on both sides. Invariants: the work
for a second of sound is constant; text that was given stays. Thread: one at a time; loads and runs the networks.

What NeMo exports (``ASRModel.export``; names and shapes as onnx-asr ``models/nemo.py`` and ``docs/conversion.md`` use
them, and Parakeet's published exports have):

    encoder-model.onnx     audio_signal [B, 128 or 80, T], length int64 [B] -> outputs [B, D, T'], encoded_lengths [B]
    model.onnx (CTC)       audio_signal, length (not in all) -> logprobs [B, T', V + 1]
    vocab.txt, tokens.txt  "token id" a line; the blank is the last, and may be missing
    config.json            features_size, subsampling_factor, max_tokens_per_step (onnx-asr's)

Features are NeMo's log-mel at 10 ms, each mel normalised over what the encoder is given (``normalize: per_feature``,
unless the metadata ``normalize_type``, which sherpa-onnx writes, says otherwise).

How they stream: each window has ``LEFT``, ``CHUNK`` and ``RIGHT`` frames, of whose answer the chunk is kept and
decoded, once; the decoder goes on where it was. A word is heard with all of its context, and nothing is decoded
twice, so there is no seam to mend. 1.6 s of new sound is NeMo's own choice for chunked inference; it has to wait for
1.6 s more. 5.6 s of memory are 70 encoder frames, to which NVIDIA limits its streaming models (``att_context_size:
[70, 13]``). NeMo recommends 10 s for its transducers where processors do not matter: ``left_frames = 1000`` and
``drop_frames = 125`` in ``recogniser.toml`` ask for it.
"""

from __future__ import annotations

from typing import Final

from gapless.errors import ModelError
from gapless.infer.repository.manifest import Manifest, TensorEntry
from gapless.listen.recogniser.profiles.files import ModelFiles
from gapless.listen.recogniser.profiles.layout import Layout
from gapless.listen.recogniser.profiles.nemo_decoder import describe_decoder
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.profiles.parts import encoder_rows, make_part
from gapless.listen.recogniser.profiles.preprocessor import choose_features
from gapless.listen.recogniser.profiles.tokens import read_tokens, require_no_durations
from gapless.listen.recogniser.streaming.manifest import (
    CtcSpec,
    EncoderSpec,
    FeatureSpec,
    RecogniserManifest,
)

LEFT: Final = 560
CHUNK: Final = 160
RIGHT: Final = 160
"""In feature frames of ``FRAME_MS``; multiples of every subsampling that there is (2, 4, 8)."""

WINDOW: Final = LEFT + CHUNK + RIGHT
FRAME_MS: Final = 10

CTC_OUTPUTS: Final = ("logprobs", "log_probs", "logits", "outputs")


def describe_nemo(files: ModelFiles, network: Network) -> Layout:
    """Describe an offline model of NeMo.

    Args:
        files: of the model.
        network: its encoder, or the whole of it for CTC.

    Raises:
        ModelError: a file is missing, or is not what NeMo exports.
    """
    is_ctc = "encoder" not in files.networks
    signal = network.input("audio_signal")
    output = network.first_output(*(CTC_OUTPUTS if is_ctc else ("outputs",))).name
    length = "length" if "length" in network.inputs else None
    mels = n_mels(files, network)
    encoder, trial = make_part(
        "encoder",
        network,
        Manifest(inputs=(TensorEntry(name=signal.name, shape=(mels, WINDOW)),)),
        {} if length is None else {length: WINDOW},
        most_rows=encoder_rows(WINDOW),
        any_length=True,
    )
    n_frames = trial.rows[output][0 if is_ctc else 1]
    factor = subsampling(network, WINDOW, n_frames)
    decoder = None if is_ctc else describe_decoder(files, trial.rows[output][0])
    if decoder is None:
        tokens = read_tokens(files, trial.rows[output][1], blank="last")
        require_no_durations(files, tokens)
    else:
        tokens = decoder.tokens
    features, preprocessor = choose_features(
        files,
        FeatureSpec(
            preset="nemo", n_mels=mels, normalise="per_window" if _normalised(network) else "none"
        ),
        WINDOW,
    )
    return Layout(
        manifest=RecogniserManifest(
            profile="ctc" if is_ctc else "nemo",
            description=network.metadata.get("comment", ""),
            token_kind=tokens.kind,
            blank=tokens.blank,
            features=features,
            encoder=EncoderSpec(
                input=signal.name,
                layout="feature_major",
                output_layout="time_major" if is_ctc else "feature_major",
                length_input=length,
                output=output,
                left_frames=LEFT,
                chunk_frames=CHUNK,
                right_frames=RIGHT,
                fill_front=False,
                subsampling=factor,
                drop_frames=LEFT // factor,
                frame_ms=FRAME_MS * factor,
            ),
            transducer=None if decoder is None else decoder.spec,
            ctc=CtcSpec(output=output) if is_ctc else None,
        ),
        tokens=tokens.tokens,
        parts=(encoder, *(() if decoder is None else decoder.parts), *preprocessor),
    )


def n_mels(files: ModelFiles, network: Network) -> int:
    """How many mels NeMo's encoder takes.

    Raises:
        ModelError: neither the file nor ``config.json`` says.
    """
    found = network.input("audio_signal").lengths[1]
    said = files.config.get("features_size", network.metadata.get("feat_dim", found))
    if found > 0:
        return found
    if int(said) <= 0:
        raise ModelError(
            f'{network.path.name} does not say how many mels it takes; put {{"features_size": 80}} (or 128) '
            f"into {files.folder / 'config.json'}"
        )
    return int(said)


def subsampling(network: Network, n_features: int, n_frames: int) -> int:
    """Feature frames behind one frame of output, from what a window gave; encoders round up, or lose a few at the end.

    Raises:
        ModelError: it is none of those that windows are cut for.
    """
    factor = round(n_features / max(n_frames, 1))
    if factor not in {1, 2, 4, 8}:
        raise ModelError(
            f"{network.path.name} gives {n_frames} frames for {n_features}, which is no subsampling by 1, 2, 4 or 8; "
            "it is an export of a kind that is not known"
        )
    return factor


def _normalised(network: Network) -> bool:
    """Whether each mel is to be normalised; without a word about it NeMo's offline models want it.

    Raises:
        ModelError: they are to be normalised in a way that there is not here.
    """
    kind = network.metadata.get("normalize_type", "per_feature")
    if kind not in {"per_feature", "", "NA", "None"}:
        raise ModelError(
            f"{network.path.name} wants its features normalised by {kind!r}, which is not known here; "
            "only per_feature is"
        )
    return kind == "per_feature"
