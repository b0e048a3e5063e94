"""Cache-aware streaming FastConformers of NeMo, as transducers and as CTC.

In: the files of an export. Out: a ``Layout`` that streams chunk by chunk, with the caches as states. Invariants:
every frame is computed once. Thread: one at a time; loads and runs the networks.

What NeMo exports with ``set_export_config({"cache_support": True})`` (names and shapes as in sherpa-onnx
``scripts/nemo/fast-conformer-hybrid-transducer-ctc/show-onnx-transudcer.py``):

    audio_signal [B, mels, T], length int64 [B],
    cache_last_channel [B, layers, C, D], cache_last_time [B, layers, D, K], cache_last_channel_len int64 [B]
 -> outputs [B, D, T'] (CTC: logprobs [B, T', V + 1]), encoded_lengths, cache_last_channel_next, cache_last_time_next,
    cache_last_channel_next_len

How long a window is, how far it moves, and C and K stand in the metadata that sherpa-onnx's exports carry
(``window_size``, ``chunk_shift``, ``cache_last_channel_dim2``, ``cache_last_time_dim3`` ...;
``export-onnx-transducer.py`` beside the above); exports made with NeMo alone carry none, and need them in
``config.json``.

``window_size - chunk_shift`` frames in front (``pre_encode_cache_size``: 9) are there for the convolutions that
subsample; what they give (``drop_extra_pre_encoded``: 2 frames) is dropped inside of the exported network. Before the
first chunk they are zeros: NeMo's ``pad_and_drop_preencoded``, its way for exported models
(``CacheAwareStreamingAudioBuffer``). Features are NeMo's log-mel, not normalised (``normalize: NA``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gapless.errors import ModelError
from gapless.infer.repository.manifest import Manifest, StateEntry, TensorEntry
from gapless.listen.recogniser.profiles.files import ModelFiles
from gapless.listen.recogniser.profiles.layout import Layout
from gapless.listen.recogniser.profiles.nemo import CTC_OUTPUTS, FRAME_MS, n_mels, subsampling
from gapless.listen.recogniser.profiles.nemo_decoder import describe_decoder
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.profiles.parts import encoder_rows, make_part
from gapless.listen.recogniser.profiles.tokens import read_tokens, require_no_durations
from gapless.listen.recogniser.streaming.manifest import (
    CtcSpec,
    EncoderSpec,
    FeatureSpec,
    RecogniserManifest,
)

CACHES: Final = {
    "cache_last_channel": "cache_last_channel_next",
    "cache_last_time": "cache_last_time_next",
    "cache_last_channel_len": "cache_last_channel_next_len",
}
"""Output that follows each cache. The batch axis of all is in front."""


def describe_fastconformer(files: ModelFiles, network: Network) -> Layout:
    """Describe a cache-aware FastConformer.

    Args:
        files: of the model.
        network: its encoder, or the whole of it for CTC.

    Raises:
        ModelError: a file is missing, or is not what NeMo exports; or neither metadata nor config.json say how it
            streams.
    """
    facts = _Facts(files, network)
    window, shift = facts.number("window_size"), facts.number("chunk_shift")
    if facts.text("normalize_type") not in {"", "NA", "None"}:
        raise ModelError(
            f"{network.path.name} wants normalised features, which needs the whole utterance; "
            "export a streaming model that was trained with normalize: NA"
        )
    is_ctc = "encoder" not in files.networks
    output = network.first_output(*(CTC_OUTPUTS if is_ctc else ("outputs",))).name
    mels = n_mels(files, network)
    encoder, trial = make_part(
        "encoder",
        network,
        Manifest(
            inputs=(TensorEntry(name="audio_signal", shape=(mels, window)),),
            states=tuple(
                StateEntry(
                    input=network.input(before).name,
                    output=network.first_output(behind).name,
                    shape=facts.lengths(before),
                )
                for before, behind in CACHES.items()
            ),
        ),
        {"length": window},
        most_rows=encoder_rows(window),
    )
    shape = trial.rows[output]
    width, n_frames = (shape[1], shape[0]) if is_ctc else (shape[0], shape[1])
    factor = subsampling(network, shift, n_frames)
    decoder = None if is_ctc else describe_decoder(files, width)
    if decoder is None:
        tokens = read_tokens(files, width, blank="last")
        require_no_durations(files, tokens)
    else:
        tokens = decoder.tokens
    return Layout(
        manifest=RecogniserManifest(
            profile="fastconformer",
            description=network.metadata.get("comment", ""),
            token_kind=tokens.kind,
            blank=tokens.blank,
            features=FeatureSpec(preset="nemo", n_mels=mels),
            encoder=EncoderSpec(
                input="audio_signal",
                layout="feature_major",
                output_layout="time_major" if is_ctc else "feature_major",
                length_input=network.input("length").name,
                output=output,
                left_frames=window - shift,
                chunk_frames=shift,
                subsampling=factor,
                frame_ms=FRAME_MS * factor,
            ),
            transducer=None if decoder is None else decoder.spec,
            ctc=CtcSpec(output=output) if is_ctc else None,
        ),
        tokens=tokens.tokens,
        parts=(encoder, *(() if decoder is None else decoder.parts)),
    )


class _Facts:
    """What the metadata says or, where there is none, ``config.json``."""

    def __init__(self, files: ModelFiles, network: Network) -> None:
        self._network = network
        self._folder = files.folder
        self._said: Mapping[str, object] = {**files.config, **network.metadata}

    def text(self, key: str) -> str:
        """What is said, or nothing."""
        return str(self._said.get(key, ""))

    def number(self, key: str) -> int:
        """What is said.

        Raises:
            ModelError: it is not, or is no number.
        """
        said = self.text(key)
        if not said.isascii() or not said.isdigit():
            raise ModelError(
                f"{self._network.path.name} has no number {key!r} in its metadata; put it into "
                f"{self._folder / 'config.json'}, as NeMo's encoder.streaming_cfg has it: window_size = chunk_size + "
                "pre_encode_cache_size, chunk_shift = chunk_size, cache_last_channel_dim2, cache_last_time_dim3"
            )
        return int(said)

    def lengths(self, cache: str) -> tuple[int, ...]:
        """The shape of one row of a cache: as the file has it and, where it leaves a length open, as is said."""
        return tuple(
            length if length > 0 else self.number(f"{cache}_dim{axis}")
            for axis, length in enumerate(self._network.input(cache).lengths[1:], start=1)
        )
