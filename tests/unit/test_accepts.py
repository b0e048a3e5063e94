"""Text and sound become the tensors that a model takes."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from gapless.errors import (
    AudioTooLongError,
    InvalidAudioError,
    ModelError,
    ProtocolError,
    UnsupportedAudioError,
)
from gapless.infer.accepts import MAX_WINDOWS, audio_steps, text_inputs
from gapless.infer.contract import DYNAMIC, ModelInfo, TensorInfo
from gapless.testing.models import double, mirror, running_sum, upper


def hears(info: ModelInfo, *shape: int, hop: int | None = None, rate_hz: int = 16_000) -> ModelInfo:
    """The same model, as one that takes sound."""
    window = TensorInfo(name="x", datatype="FP32", shape=shape)
    return replace(
        info, inputs=(window,), accepts="audio", audio_rate_hz=rate_hz, audio_hop_samples=hop
    )


def pcm(count: int) -> bytes:
    """Samples that say which they are: the first is 1."""
    return np.arange(1, count + 1, dtype="<i2").tobytes()


def positions(row: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
    return [round(sample * 2**15) for sample in row.ravel().tolist()]


def test_a_text_is_one_row() -> None:
    assert text_inputs(upper().info, "hé")["text"].tolist() == [["hé".encode()]]


def test_windows_of_a_model_without_state_come_in_batches() -> None:
    steps = audio_steps(hears(double().info, 4), pcm(42), 16_000)

    assert [step["x"].shape for step in steps] == [(8, 4), (2, 4)]
    assert positions(np.concatenate([step["x"] for step in steps])) == list(range(1, 41))


def test_windows_of_a_model_with_state_come_one_by_one() -> None:
    steps = audio_steps(hears(running_sum().info, 3), pcm(7), 16_000)

    assert [positions(step["x"]) for step in steps] == [[1, 2, 3], [4, 5, 6]]
    assert all(step["x"].shape == (1, 3) for step in steps)


def test_windows_with_a_hop_see_the_past_again_and_silence_before_the_first_sample() -> None:
    steps = audio_steps(hears(running_sum().info, 5, hop=3), pcm(9), 16_000)

    assert [positions(step["x"]) for step in steps] == [
        [0, 0, 1, 2, 3],
        [2, 3, 4, 5, 6],
        [5, 6, 7, 8, 9],
    ]


def test_a_window_of_any_length_is_the_whole_recording() -> None:
    (step,) = audio_steps(hears(mirror().info, 1, DYNAMIC), pcm(5), 16_000)

    assert step["x"].shape == (1, 5)
    assert positions(step["x"]) == [1, 2, 3, 4, 5]


def test_sound_of_another_rate_is_brought_to_the_models() -> None:
    steps = audio_steps(hears(double().info, 160), bytes(2 * 4800), 48_000)

    assert sum(len(step["x"]) for step in steps) == 10


@pytest.mark.parametrize(
    ("data", "rate_hz", "kind"),
    [
        (b"", 16_000, InvalidAudioError),
        (pcm(3), 16_000, InvalidAudioError),
        (pcm(8) + b"x", 16_000, InvalidAudioError),
        (pcm(8), 0, UnsupportedAudioError),
        (pcm(8), 10**9, UnsupportedAudioError),
        (bytes(8 * MAX_WINDOWS + 8), 16_000, AudioTooLongError),
    ],
)
def test_sound_that_cannot_be_used_is_refused(
    data: bytes, rate_hz: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        audio_steps(hears(double().info, 4), data, rate_hz)


def test_no_sound_at_all_is_refused_where_any_length_fits() -> None:
    with pytest.raises(InvalidAudioError):
        audio_steps(hears(mirror().info, DYNAMIC), b"", 16_000)


def test_a_model_that_does_not_accept_it_says_so() -> None:
    with pytest.raises(ProtocolError, match="does not accept text"):
        text_inputs(double().info, "a")
    with pytest.raises(ProtocolError, match="does not accept audio"):
        audio_steps(upper().info, pcm(4), 16_000)


@pytest.mark.parametrize(
    "info",
    [
        hears(double().info),
        hears(double().info, 2, 4),
        hears(double().info, 4, hop=5),
        replace(hears(double().info, 4), inputs=upper().info.inputs),
        replace(hears(double().info, 4), inputs=()),
    ],
)
def test_a_manifest_that_promises_too_much_is_blamed(info: ModelInfo) -> None:
    with pytest.raises(ModelError, match="take accepts out"):
        audio_steps(info, pcm(8), 16_000)


def test_a_manifest_that_promises_a_text_for_several_is_blamed() -> None:
    texts = (TensorInfo(name="text", datatype="BYTES", shape=(2,)),)

    with pytest.raises(ModelError, match="take accepts out"):
        text_inputs(replace(upper().info, inputs=texts), "a")
