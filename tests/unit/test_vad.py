from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.infer.carried import find_carried
from gapless.infer.inference import Inference
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.listen.vad import CONTEXT_SAMPLES, VAD_MODEL, Vad


def probabilities(inference: Inference, samples: Samples) -> npt.NDArray[np.float32]:
    with closing(Vad(inference)) as vad:
        return np.concatenate((vad.process(samples), vad.flush()))


def test_speech_is_told_from_the_pauses_between_utterances(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")
    heard = probabilities(inference, speech)
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
    inference: Inference, make_noise: Callable[[str, int, int], Samples], kind: str, level: float
) -> None:
    noise = make_noise(kind, 3 * LISTEN_RATE_HZ, LISTEN_RATE_HZ) * np.float32(level)
    assert np.max(probabilities(inference, noise)) < 0.5


def test_silence_and_music_are_not_speech(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    assert np.max(probabilities(inference, np.zeros(3 * LISTEN_RATE_HZ, np.float32))) < 0.1
    assert np.max(probabilities(inference, load_speech("tones.flac"))) < 0.5


def test_each_window_is_judged_with_the_end_of_the_one_before(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    """The oracle gives the network all windows in one call, each behind the last 64 samples of the one before."""
    speech = load_speech("utterances.flac")[: 100 * WINDOW_SAMPLES]
    padded = np.concatenate((np.zeros(CONTEXT_SAMPLES, np.float32), speech))
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + WINDOW_SAMPLES)
    rows = windows[::WINDOW_SAMPLES].copy()
    blind = rows.copy()
    blind[:, :CONTEXT_SAMPLES] = 0
    heard = probabilities(inference, speech)
    assert np.allclose(heard, judge_at_once(rows), atol=1e-4)
    assert np.max(np.abs(heard - judge_at_once(blind))) > 0.05, "the context matters"


def judge_at_once(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """By the network as its makers published it, which takes the windows of one stream in time."""
    network = onnxruntime.InferenceSession(
        find_carried("faster_whisper", "assets/silero_vad_v6.onnx", install="faster-whisper")
    )
    blank = np.zeros((1, 1, 128), np.float32)
    heard: npt.NDArray[np.float32]
    (heard,) = network.run(("speech_probs",), {"input": rows, "h": blank, "c": blank})
    return heard


def test_a_last_partial_window_is_judged_with_silence_behind_it(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")[: 20 * WINDOW_SAMPLES + 300]
    padded = np.pad(speech, (0, WINDOW_SAMPLES - 300))
    assert np.array_equal(probabilities(inference, speech), probabilities(inference, padded))


def test_streams_that_share_a_model_do_not_hear_each_other(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")[: 2 * LISTEN_RATE_HZ]
    heard = []
    with closing(Vad(inference)) as one, closing(Vad(inference)) as other:
        for start in range(0, len(speech), 700):
            heard.append(one.process(speech[start : start + 700]))
            other.process(speech[::-1][start : start + 700])
        heard.append(one.flush())
    assert np.array_equal(np.concatenate(heard), probabilities(inference, speech))


@pytest.mark.long
def test_streams_judged_together_are_judged_as_each_alone(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    """Eight streams in eight threads share calls of the network; each hears itself and nobody else."""
    speech = load_speech("utterances.flac")
    parts = [speech[n * 5000 : n * 5000 + LISTEN_RATE_HZ] for n in range(8)]
    with ThreadPoolExecutor(len(parts)) as threads:
        together = list(threads.map(partial(probabilities, inference), parts))
    for part, heard in zip(parts, together, strict=True):
        assert np.allclose(heard, probabilities(inference, part), atol=1e-5)


def test_a_closed_stream_gives_its_place_back(inference: Inference) -> None:
    def places() -> int:
        return sum(model.sequences for model in inference.statistics() if model.name == VAD_MODEL)

    before = places()
    with closing(Vad(inference)) as vad:
        vad.process(np.zeros(WINDOW_SAMPLES, np.float32))
        assert places() == before + 1
    assert places() == before
