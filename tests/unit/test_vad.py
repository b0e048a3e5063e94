from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import ModelError
from gapless.infer.carried import find_carried
from gapless.infer.onnx import open_model
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.listen.vad import CONTEXT_SAMPLES, Vad, VadModel


@pytest.fixture(scope="module")
def model() -> VadModel:
    return VadModel()


def probabilities(model: VadModel, samples: Samples) -> npt.NDArray[np.float32]:
    vad = Vad(model)
    return np.concatenate((vad.process(samples), vad.flush()))


def test_speech_is_told_from_the_pauses_between_utterances(
    model: VadModel, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")
    heard = probabilities(model, speech)
    padded = np.pad(speech, (0, len(heard) * WINDOW_SAMPLES - len(speech)))
    loud = np.max(np.abs(padded.reshape(len(heard), -1)), axis=1) > 0.02
    # Within 200 ms of the edge of a sound the network may look either way.
    sounds_near = np.convolve(loud, np.ones(13), "same")
    assert np.mean(heard[sounds_near == 13] > 0.5) > 0.95
    assert np.max(heard[sounds_near == 0]) < 0.5
    assert np.sum(sounds_near == 13) > 50
    assert np.sum(sounds_near == 0) > 50


@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
@pytest.mark.parametrize("level", [0.003, 0.03, 0.3])
def test_steady_noise_is_not_speech(
    model: VadModel, make_noise: Callable[[str, int, int], Samples], kind: str, level: float
) -> None:
    noise = make_noise(kind, 3 * LISTEN_RATE_HZ, LISTEN_RATE_HZ) * np.float32(level)
    assert np.max(probabilities(model, noise)) < 0.5


def test_silence_and_music_are_not_speech(
    model: VadModel, load_speech: Callable[[str], Samples]
) -> None:
    assert np.max(probabilities(model, np.zeros(3 * LISTEN_RATE_HZ, np.float32))) < 0.1
    assert np.max(probabilities(model, load_speech("tones.flac"))) < 0.5


def test_each_window_is_judged_with_the_end_of_the_one_before(
    model: VadModel, load_speech: Callable[[str], Samples]
) -> None:
    """The oracle gives the network all windows in one call, each behind the last 64 samples of the one before."""
    speech = load_speech("utterances.flac")[: 100 * WINDOW_SAMPLES]
    padded = np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), speech))
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + WINDOW_SAMPLES)
    rows = windows[::WINDOW_SAMPLES].copy()
    blind = rows.copy()
    blind[:, :CONTEXT_SAMPLES] = 0
    heard = probabilities(model, speech)
    assert np.allclose(heard, judge_at_once(rows), atol=1e-4)
    assert np.max(np.abs(heard - judge_at_once(blind))) > 0.05, "the context matters"


def judge_at_once(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    network = open_model(
        find_carried("faster_whisper", "assets/silero_vad_v6.onnx", install="faster-whisper")
    )
    blank = np.zeros((1, 1, 128), np.float32)
    return network.run(("speech_probs",), {"input": rows, "h": blank, "c": blank})[0]


def test_a_last_partial_window_is_judged_with_silence_behind_it(
    model: VadModel, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")[: 20 * WINDOW_SAMPLES + 300]
    padded = np.pad(speech, (0, WINDOW_SAMPLES - 300))
    assert np.array_equal(probabilities(model, speech), probabilities(model, padded))


def test_streams_that_share_a_model_do_not_hear_each_other(
    model: VadModel, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")[: 2 * LISTEN_RATE_HZ]
    one, other = Vad(model), Vad(model)
    heard = []
    for start in range(0, len(speech), 700):
        heard.append(one.process(speech[start : start + 700]))
        other.process(speech[::-1][start : start + 700])
    heard.append(one.flush())
    assert np.array_equal(np.concatenate(heard), probabilities(model, speech))


def test_a_damaged_file_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "vad.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="cannot be loaded"):
        VadModel(path)
