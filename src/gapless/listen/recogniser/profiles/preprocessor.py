"""A model's own preprocessor network beside our kernels: where they agree, ours compute.

In: ``nemo128.onnx`` or the like (onnx-asr puts it beside NeMo's models: waveforms [B, N], waveforms_lens int64 [B] ->
features [B, mels, T], features_lens). Out: which features the recogniser takes. Invariants: agreement is measured on
noise, never read off a name. Thread: one at a time; loads and runs the network.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.errors import ModelError
from gapless.infer.repository.manifest import Manifest, TensorEntry
from gapless.listen.features import LogMel, feature_options
from gapless.listen.recogniser.decode.contract import Frames
from gapless.listen.recogniser.profiles.files import ModelFiles
from gapless.listen.recogniser.profiles.layout import PartLayout
from gapless.listen.recogniser.profiles.network import Network, relative_rms
from gapless.listen.recogniser.profiles.parts import make_part
from gapless.listen.recogniser.streaming.manifest import FeatureSpec
from gapless.listen.recogniser.streaming.preprocessed import normalise_window

AGREEMENT: Final = 0.01
"""Largest difference (RMS) between our features and the network's, relative to the size of the network's."""

SECONDS: Final = 2
NORMALISATIONS: Final[tuple[Literal["per_window", "none"], ...]] = ("per_window", "none")


def choose_features(
    files: ModelFiles, features: FeatureSpec, window_frames: int
) -> tuple[FeatureSpec, tuple[PartLayout, ...]]:
    """Our own features, unless the model has a preprocessor that computes others: then that one, as a part.

    Args:
        files: of the model.
        features: what the model is thought to take.
        window_frames: how long its windows are.

    Raises:
        ModelError: the preprocessor cannot be run.
    """
    path = files.networks.get("preprocessor")
    if path is None:
        return features, ()
    network = Network(path)
    if len(network.inputs) != 2:
        raise ModelError(
            f"{path.name} takes {', '.join(network.inputs)}; a preprocessor takes waveforms and their lengths: take "
            "the file away if it is none"
        )
    waveforms, lengths = network.inputs
    samples = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * LISTEN_RATE_HZ)
    heard = samples.astype(np.float32)
    given = network.run({waveforms: heard[None], lengths: np.array([len(heard)])})
    theirs: Frames = given[0].T
    for kind in NORMALISATIONS:
        chosen = msgspec.structs.replace(features, normalise=kind)
        ours = _own(chosen, heard)
        if relative_rms(ours, theirs[: len(ours)]) <= AGREEMENT:
            return chosen, ()
    n_samples = window_frames * feature_options(features.preset).hop_samples
    part, _ = make_part(
        "preprocessor",
        network,
        Manifest(inputs=(TensorEntry(name=waveforms, shape=(n_samples,)),)),
        {lengths: n_samples},
        most_rows=1,
    )
    return msgspec.structs.replace(features, part=part.name, normalise="none"), (part,)


def _own(features: FeatureSpec, samples: Frames) -> Frames:
    stage = LogMel(feature_options(features.preset, n_mels=features.n_mels))
    frames = np.concatenate((stage.process(samples), stage.flush()))
    return normalise_window(frames, len(frames)) if features.normalise == "per_window" else frames
