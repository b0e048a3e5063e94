"""Speculation: what RNNoise thinks of the newest frame, without its output changing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.low_delay.bands import BANDS
from gapless.clean.low_delay.offline import speculative_gains
from gapless.clean.low_delay.rnnoise_gains import SpeculativeRnnoise, native_frame, speculate
from gapless.clean.rnnoise import FRAME_SAMPLES, Rnnoise

# One process compiles its kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("low-delay")]


@pytest.fixture
def sound(make_noise: Callable[[str, int, int], Samples]) -> Samples:
    """A second of noise, then a second with a voice-like buzz in it."""
    seconds = np.arange(96_000) / 48_000
    pitch = 120 + 10 * np.sin(2 * np.pi * 4 * seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / 48_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25)) * (seconds > 1)
    noise = make_noise("white", 96_000, 48_000) * 0.01
    return np.asarray(
        0.15 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * seconds)) + noise, np.float32
    )


def frames_of(sound: Samples) -> np.ndarray:
    return sound.reshape(-1, FRAME_SAMPLES)


def speculated(stream: SpeculativeRnnoise, sound: Samples) -> tuple[Samples, np.ndarray]:
    cleaned, gains = (
        np.empty_like(frames_of(sound)),
        np.empty((len(sound) // 480, BANDS), np.float32),
    )
    for frame, out, row in zip(frames_of(sound), cleaned, gains, strict=True):
        assert 0 <= speculate(stream.record[0], stream.snapshot, frame, out, row) <= 1
    return cleaned.ravel(), gains


def test_the_output_has_the_same_bits_with_speculation_and_without(sound: Samples) -> None:
    plain, stream, python = SpeculativeRnnoise(), SpeculativeRnnoise(), Rnnoise()
    expected = np.concatenate([python.process(frame) for frame in frames_of(sound)])
    native = np.empty_like(frames_of(sound))
    for frame, out in zip(frames_of(sound), native, strict=True):
        native_frame(plain.record[0], frame, out)

    cleaned, _ = speculated(stream, sound)

    assert native.tobytes() == expected.tobytes()
    assert cleaned.tobytes() == expected.tobytes()


def test_gains_are_low_in_noise_and_high_where_there_is_a_voice(sound: Samples) -> None:
    _, gains = speculated(SpeculativeRnnoise(), sound)
    assert gains.min() >= 0
    assert gains.max() <= 1
    assert gains[60:98].mean() < 0.15
    assert gains[105:130, 1:8].mean() > 0.5


def test_a_voice_is_known_in_the_frame_in_which_it_begins(sound: Samples) -> None:
    _, gains = speculated(SpeculativeRnnoise(), sound)
    begins = 48_000 // FRAME_SAMPLES
    # RNNoise's own output tells of this frame two calls later.
    assert gains[begins + 1, 1:8].mean() > 3 * gains[begins - 1, 1:8].mean() + 0.1


def test_reset_is_as_good_as_new(sound: Samples) -> None:
    stream = SpeculativeRnnoise()
    first, gains = speculated(stream, sound)
    stream.reset()
    again, gains_again = speculated(stream, sound)
    assert np.array_equal(first, again)
    assert np.array_equal(gains, gains_again)


def test_a_whole_recording_is_the_same_as_its_frames(sound: Samples) -> None:
    gains, vad = speculative_gains(sound)
    assert np.array_equal(gains, speculated(SpeculativeRnnoise(), sound)[1])
    assert vad.shape == (len(sound) // FRAME_SAMPLES,)


def test_closing_twice_is_closing() -> None:
    stream = SpeculativeRnnoise()
    stream.close()
    stream.close()
    assert stream.record["state"][0] == 0
