"""Structs as TOML, and back."""

from __future__ import annotations

import pytest

from gapless.infer.repository.manifest import (
    LimitEntries,
    Manifest,
    StateEntry,
    TensorEntry,
)
from gapless.infer.repository.manifest_file import parse_manifest
from gapless.listen.recogniser.profiles.toml import to_toml
from gapless.listen.recogniser.streaming.manifest import (
    CtcSpec,
    EncoderSpec,
    FeatureSpec,
    RecogniserManifest,
    TransducerSpec,
    read_manifest,
)

ENCODER = EncoderSpec(
    input="x", output="y", chunk_frames=32, subsampling=4, frame_ms=40.0, pad=-15.942385152878742
)


@pytest.mark.parametrize(
    "manifest",
    [
        RecogniserManifest(profile="ctc", blank=0, encoder=ENCODER, ctc=CtcSpec()),
        RecogniserManifest(
            profile="nemo",
            languages=("en", "de"),
            description='says "so" and \\ ü\n',
            blank=1024,
            features=FeatureSpec(preset="nemo", n_mels=128, normalise="per_window"),
            encoder=ENCODER,
            transducer=TransducerSpec(
                fused="decoder_joint",
                states=(("a.1", "b"), ("onnx::LSTM_3", "74")),
                first_tokens=(-1, 0),
                durations=(0, 1, 2, 3, 4),
            ),
        ),
    ],
    ids=["little", "much"],
)
def test_a_recogniser_is_read_as_it_was_written(manifest: RecogniserManifest) -> None:
    assert read_manifest(to_toml(manifest)) == manifest


def test_a_part_is_read_as_it_was_written() -> None:
    manifest = Manifest(
        max_batch=16,
        inputs=(TensorEntry(name="x", shape=(45, 80)), TensorEntry(name="h", axis=1)),
        states=(StateEntry(input="n", output="new_n", shape=(), axis=0),),
        limits=LimitEntries(max_sequences=8),
        flux=True,
    )
    assert parse_manifest(to_toml(manifest)) == manifest


def test_what_has_its_default_is_not_said() -> None:
    assert to_toml(Manifest(max_batch=2)) == "max_batch = 2\n"
