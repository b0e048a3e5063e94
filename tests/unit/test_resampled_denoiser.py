from __future__ import annotations

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.resampled import Resampled
from gapless.errors import ModelError


class Echo:
    """A denoiser that changes nothing; it is late by so many samples."""

    name = "echo"
    _inside: Samples

    def __init__(self, rate_hz: int, frame_samples: int, delay_samples: int) -> None:
        self.rate_hz = rate_hz
        self.frame_samples = frame_samples
        self.delay_samples = delay_samples
        self.closed = False
        self.reset()

    def process(self, frame: Samples) -> Samples:
        assert frame.shape == (self.frame_samples,)
        assert frame.flags.c_contiguous
        assert np.isfinite(frame).all()
        self._inside = np.concatenate((self._inside, frame))
        output, self._inside = np.split(self._inside, [self.frame_samples])
        return output.copy()

    def reset(self) -> None:
        self._inside = np.zeros(self.delay_samples, np.float32)

    def close(self) -> None:
        self.closed = True


def tone(hz: float, rate_hz: int, n_samples: int) -> Samples:
    return np.sin(2 * np.pi * hz * np.arange(n_samples) / rate_hz).astype(np.float32)


def clean(denoiser: Resampled, samples: Samples) -> Samples:
    frames = samples.reshape(-1, denoiser.frame_samples)
    return np.concatenate([denoiser.process(frame) for frame in frames])


@pytest.mark.parametrize(
    ("rate_hz", "frame", "delay"),
    # Frames shorter than the filters reach, too.
    [(16_000, 256, 256), (16_000, 160, 0), (16_000, 7, 3), (24_000, 240, 480), (8_000, 128, 1)],
    ids=str,
)
def test_what_is_below_the_lower_rate_comes_out_where_the_declared_delay_says(
    rate_hz: int, frame: int, delay: int
) -> None:
    denoiser = Resampled(Echo(rate_hz, frame, delay), 48_000)
    size = denoiser.frame_samples
    samples = tone(0.21 * rate_hz, 48_000, -(-16_000 // size) * size)
    output = clean(denoiser, samples)

    late = denoiser.delay_samples
    assert len(output) == len(samples)
    settled = slice(500, len(samples) - late)
    assert np.allclose(output[late:][settled], samples[settled], atol=1e-3)


def test_what_is_above_half_the_lower_rate_is_gone() -> None:
    denoiser = Resampled(Echo(16_000, 160, 0), 48_000)
    output = clean(denoiser, tone(9_000, 48_000, 48_000))

    assert np.abs(output[4_800:]).max() < 1e-3


def test_a_sample_that_is_no_sound_stays_where_it_is() -> None:
    """One NaN in a filter would be many; it is repaired before."""
    denoiser = Resampled(Echo(16_000, 160, 0), 48_000)
    samples = np.zeros(48_000, np.float32)
    samples[9_600] = np.nan

    assert not clean(denoiser, samples).any()


def test_it_owns_the_denoiser() -> None:
    inside = Echo(16_000, 160, 0)
    denoiser = Resampled(inside, 48_000)
    assert denoiser.denoiser is inside
    denoiser.close()
    assert inside.closed


def test_a_rate_that_does_not_divide_the_streams_is_refused() -> None:
    with pytest.raises(ModelError, match="44100 Hz, which does not divide 48000 Hz"):
        Resampled(Echo(44_100, 441, 0), 48_000)
    with pytest.raises(ModelError, match="does not divide"):
        Resampled(Echo(48_000, 480, 0), 16_000)
