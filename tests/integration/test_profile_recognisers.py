"""Models as people have them, described and run by the streaming recogniser: they say what their files say.

The reference (``gapless.testing.profile_reference``) runs the same files with ONNX Runtime alone, one stream, one frame
and one call at a time. The weights are random, so that any mistake in states, windows or search gives another text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import Samples
from gapless.infer.inference import Inference
from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.repository.library import Library
from gapless.listen.recogniser.profiles.detect import describe
from gapless.listen.recogniser.streaming.preprocessed import normalise_window
from gapless.listen.recogniser.streaming.recogniser import StreamingRecogniser
from gapless.testing import nemo_models, profile_models, zipformer_models
from gapless.testing import profile_reference as reference
from gapless.testing.mel_filters import slaney_filters
from gapless.testing.recogniser_contract import Utterance, recognise

pytestmark = pytest.mark.long

pytest.importorskip("onnx", reason="the models are made with the package onnx")

BLANK: Final = len(profile_models.PIECES)
LSTM: Final = (profile_models.LAYERS, nemo_models.HIDDEN)
CACHES: Final = {
    "cache_last_channel": (profile_models.LAYERS, nemo_models.CHANNEL_CACHE, profile_models.WIDTH),
    "cache_last_time": (profile_models.LAYERS, profile_models.WIDTH, nemo_models.TIME_CACHE),
}


def nemo_mels(samples: Samples) -> npt.NDArray[Any]:
    return reference.log_mel(samples, "nemo", nemo_models.MELS)


def kaldi_mels(samples: Samples) -> npt.NDArray[Any]:
    return reference.log_mel(samples, "kaldi", 80)


def nemo_text(folder: Path, features: npt.NDArray[Any], durations: int = 0) -> str:
    frames = reference.nemo_frames(folder / "encoder-model.onnx", features)
    tokens = reference.nemo_tokens(folder, frames, BLANK, durations, LSTM)
    return reference.spell(folder / "vocab.txt", tokens)


def nemo_ctc_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.nemo_frames(folder / "model.onnx", features)
    profile_models.write_vocabulary(folder / "spelling.txt")
    return reference.spell(folder / "spelling.txt", reference.ctc_tokens(frames, BLANK))


def fastconformer_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.fastconformer_frames(folder / "encoder.onnx", features, CACHES)
    tokens = reference.nemo_tokens(folder, frames, BLANK, 0, LSTM)
    return reference.spell(folder / "tokens.txt", tokens)


def fastconformer_ctc_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.fastconformer_frames(folder / "model.onnx", features, CACHES)
    return reference.spell(folder / "tokens.txt", reference.ctc_tokens(frames, BLANK))


def zipformer_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.zipformer_frames(folder / "encoder-epoch-99-avg-1.onnx", features)
    return reference.spell(folder / "tokens.txt", reference.zipformer_tokens(folder, frames))


def zipformer_ctc_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.zipformer_frames(folder / "ctc-epoch-20-avg-1.onnx", features)
    return reference.spell(folder / "tokens.txt", reference.ctc_tokens(frames, 0))


def offline_zipformer_ctc_text(folder: Path, features: npt.NDArray[Any]) -> str:
    frames = reference.offline_zipformer_frames(folder / "model.onnx", features)
    return reference.spell(folder / "tokens.txt", reference.ctc_tokens(frames, 0))


class Export(NamedTuple):
    """A kind of model: how its files are written, what it hears, and what it says, slowly."""

    write: Callable[[Path], object]
    hear: Callable[[Samples], npt.NDArray[Any]]
    say: Callable[[Path, npt.NDArray[Any]], str]


EXPORTS: Final = {
    "nemo-rnnt": Export(nemo_models.write_nemo, nemo_mels, nemo_text),
    "nemo-tdt": Export(
        lambda folder: nemo_models.write_nemo(folder, durations=5),
        nemo_mels,
        lambda folder, features: nemo_text(folder, features, durations=5),
    ),
    "nemo-ctc": Export(nemo_models.write_nemo_ctc, nemo_mels, nemo_ctc_text),
    "fastconformer": Export(nemo_models.write_fastconformer, nemo_mels, fastconformer_text),
    "fastconformer-ctc": Export(
        lambda folder: nemo_models.write_fastconformer(folder, ctc=True),
        nemo_mels,
        fastconformer_ctc_text,
    ),
    "zipformer": Export(zipformer_models.write_zipformer, kaldi_mels, zipformer_text),
    "zipformer-ctc": Export(
        lambda folder: zipformer_models.write_zipformer(folder, ctc=True),
        kaldi_mels,
        zipformer_ctc_text,
    ),
    "zipformer-offline-ctc": Export(
        zipformer_models.write_offline_zipformer_ctc, kaldi_mels, offline_zipformer_ctc_text
    ),
}

each_export = pytest.mark.parametrize("name", EXPORTS)


class House:
    """A library of described models, and the files as they were before."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._recognisers: list[StreamingRecogniser] = []
        self._inference: Inference | None = None

    def export(self, name: str) -> Path:
        return self._root / "exports" / name

    def describe(self, name: str, write: Callable[[Path], object] | None = None) -> Path:
        """Write a model's files and make a recogniser of a copy; before the first recogniser is opened."""
        (write or EXPORTS[name].write)(self.export(name))
        folder = self._root / "models" / name
        shutil.copytree(self.export(name), folder)
        describe(folder)
        return folder

    def recogniser(self, name: str) -> StreamingRecogniser:
        if self._inference is None:
            loaders = {"onnxruntime_onnx": OnnxLoader()}
            library = Library([self._root / "models"], loaders, budget_bytes=1 << 30)
            self._inference = Inference(library)
        recogniser = StreamingRecogniser(self._root / "models" / name, self._inference, places=16)
        self._recognisers.append(recogniser)
        return recogniser

    def text(self, name: str, samples: Samples) -> str:
        """What the files say."""
        export = EXPORTS[name]
        return export.say(self.export(name), export.hear(samples))

    def close(self) -> None:
        for recogniser in self._recognisers:
            recogniser.close()
        if self._inference is not None:
            self._inference.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@each_export
def test_a_described_model_says_what_its_files_say(house: House, name: str) -> None:
    house.describe(name)
    recogniser = house.recogniser(name)
    for seed, block in ((1, 1600), (2, 777)):
        # Three windows of the offline models, and two seams.
        sound = profile_models.tones(seed, 3.5 if name.startswith("nemo") else 2.0)
        said = house.text(name, sound)
        assert len(said) > 3
        assert recognise(recogniser, sound, block=block).result.text == said


@pytest.mark.parametrize("name", ["nemo-tdt", "fastconformer", "zipformer"])
def test_utterances_heard_together_say_what_each_says_alone(house: House, name: str) -> None:
    house.describe(name)
    recogniser = house.recogniser(name)
    sounds = [profile_models.tones(seed, 0.4 + 0.3 * seed) for seed in range(4)]
    alone = [recognise(recogniser, sound).result.text for sound in sounds]
    together = [Utterance(recogniser) for _ in sounds]
    left = Utterance(recogniser)
    left.recognition.accept(sounds[-1])
    for begin in range(0, max(map(len, sounds)), 3001):
        for utterance, sound in zip(together, sounds, strict=True):
            utterance.recognition.accept(sound[begin : begin + 3001])
        left.recognition.cancel()
    assert [utterance.finish().text for utterance in together] == alone


def test_every_word_of_a_long_utterance_is_heard_once_and_in_its_place(house: House) -> None:
    """A model that names tones, 30 of them over eight windows: at a seam none is lost, and none is heard twice."""
    house.describe("tones", nemo_models.write_tone_ctc)
    rng = np.random.default_rng(8)
    loudest_hz = slaney_filters(nemo_models.MELS).argmax(axis=0) * 16_000 / 512
    samples = rng.normal(0, 1e-3, 16_000 * 13).astype(np.float32)
    played: list[tuple[str, int]] = []
    for begin in range(3200, 16_000 * 12, 6400):
        mel = int(rng.integers(2, 14))
        times = np.arange(rng.integers(2400, 4800)) / 16_000
        samples[begin : begin + len(times)] += 0.3 * np.sin(2 * np.pi * loudest_hz[mel] * times)
        played.append((f"band{mel}", begin // 16))
    heard = recognise(house.recogniser("tones"), samples).result
    assert [word.text for word in heard.words] == [word for word, _ in played]
    late = [word.start_ms - begin for word, (_, begin) in zip(heard.words, played, strict=True)]
    assert min(late) >= -80
    assert max(late) <= 80


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cached_val1_0", "cached_val2_0"),
        ("cached_conv1_1", "cached_conv2_1"),
        ("cached_key_0", "cached_key_1"),
    ],
)
def test_two_states_that_are_swapped_show_in_the_text(house: House, one: str, other: str) -> None:
    manifest = house.describe("zipformer") / "encoder" / "manifest.toml"
    said = manifest.read_text("utf-8")
    swapped = said.replace(f"new_{one}", "X").replace(f"new_{other}", f"new_{one}")
    manifest.write_text(swapped.replace('"X"', f'"new_{other}"'), "utf-8")
    sound = profile_models.tones(1, 1.0)
    recogniser = house.recogniser("zipformer")
    assert recognise(recogniser, sound).result.text != house.text("zipformer", sound)


def test_the_states_of_a_prediction_network_that_are_swapped_show_in_the_text(house: House) -> None:
    manifest = house.describe("nemo-rnnt") / "recogniser.toml"
    said = manifest.read_text("utf-8")
    manifest.write_text(
        said.replace("input_states_1", "X")
        .replace("input_states_2", "input_states_1")
        .replace("X", "input_states_2"),
        "utf-8",
    )
    sound = profile_models.tones(1, 1.0)
    recogniser = house.recogniser("nemo-rnnt")
    assert recognise(recogniser, sound).result.text != house.text("nemo-rnnt", sound)


def test_a_cache_aware_export_without_metadata_streams_by_what_config_json_says(
    house: House,
) -> None:
    def write(folder: Path) -> None:
        nemo_models.write_fastconformer(folder, metadata=False)
        (folder / "config.json").write_text(json.dumps(nemo_models.FASTCONFORMER_METADATA))

    house.describe("fastconformer", write)
    sound = profile_models.tones(1, 1.0)
    recogniser = house.recogniser("fastconformer")
    assert recognise(recogniser, sound).result.text == house.text("fastconformer", sound)


def test_features_are_normalised_over_a_window(house: House) -> None:
    """One that holds the whole utterance is what NeMo would normalise."""
    house.describe(
        "nemo-tdt", lambda folder: nemo_models.write_nemo(folder, durations=5, normalise=None)
    )
    recogniser = house.recogniser("nemo-tdt")
    sound = profile_models.tones(3, 1.5)
    mels = nemo_mels(sound)
    said = nemo_text(house.export("nemo-tdt"), normalise_window(mels, len(mels)), durations=5)
    assert said != nemo_text(house.export("nemo-tdt"), mels, durations=5)
    assert recognise(recogniser, sound).result.text == said


def test_a_preprocessor_with_other_features_than_ours_is_run(house: House) -> None:
    def write(folder: Path) -> None:
        nemo_models.write_nemo(folder, durations=5, normalise=None)
        nemo_models.write_preprocessor(
            folder / "nemo16.onnx", slaney_filters(nemo_models.MELS), gain=3.0
        )

    folder = house.describe("nemo-tdt", write)
    assert (folder / "preprocessor" / "1" / "model.onnx").is_file()
    recogniser = house.recogniser("nemo-tdt")
    sound = profile_models.tones(4, 1.5)
    mels = nemo_mels(sound)
    tripled = 3.0 * normalise_window(mels, len(mels))
    assert recognise(recogniser, sound, block=1000).result.text == nemo_text(
        house.export("nemo-tdt"), tripled, durations=5
    )


@pytest.mark.parametrize("name", ["nemo-tdt", "fastconformer-ctc", "zipformer"])
def test_the_shortest_utterances_have_an_end(house: House, name: str) -> None:
    house.describe(name)
    recogniser = house.recogniser(name)
    for n_samples in (0, 1, 159, 160, 400, 1281):
        heard = recognise(recogniser, np.zeros(n_samples, np.float32))
        assert all(0 <= word.start_ms <= word.end_ms for word in heard.result.words)
