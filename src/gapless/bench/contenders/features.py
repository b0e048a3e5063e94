"""What recognisers see of sound: all at once, or as it comes in.

In: how it comes. Out: work; an operation is a call, a unit a second of sound. Thread: main, alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from gapless.bench.drive import Samples, Work, alone
from gapless.bench.small_model import SEED

if TYPE_CHECKING:
    from gapless.audio.types import Samples as Sound

SECONDS: Final = 10
CHUNK_MS: Final = 40


@contextmanager
def numpy_batch() -> Iterator[Work]:
    """Log-mel of a whole recording, in NumPy as it is usually written."""
    # Read when NumPy is loaded: one core for all contenders.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np

    from gapless.dsp.fft import n_bins
    from gapless.listen.features import FeatureOptions, filters_of, window_of

    options = FeatureOptions()
    sound, window = _sound(SECONDS), window_of(options)
    bank = filters_of(options).dense(n_bins(options.n_fft)).T

    def compute() -> None:
        frames = np.lib.stride_tricks.sliding_window_view(sound, options.window_samples)
        spectra = np.fft.rfft(frames[:: options.hop_samples] * window, options.n_fft)
        power = (spectra.real**2 + spectra.imag**2).astype(np.float32)
        np.log(power @ bank + options.added_energy) * options.gain + options.offset

    yield _per_second(alone(compute), SECONDS)


@contextmanager
def log_mel_whole() -> Iterator[Work]:
    """Our own kernels, a whole recording at a time."""
    from gapless.listen.features import LogMel

    stage, sound = LogMel(), _sound(SECONDS)

    def compute() -> None:
        stage.process(sound)
        stage.reset()

    yield _per_second(alone(compute), SECONDS)


@contextmanager
def log_mel_stream() -> Iterator[Work]:
    """Our own kernels, a chunk at a time, as a live stream comes in."""
    from gapless.listen.features import LogMel

    stage, sound = LogMel(), _sound(CHUNK_MS / 1000)
    yield _per_second(alone(lambda: stage.process(sound)), CHUNK_MS / 1000)


@contextmanager
def voice() -> Iterator[Work]:
    """Pitch, loudness and colour of a voice, 100 ms at a time."""
    from gapless.listen.voice import VoiceFeatures

    features, sound = VoiceFeatures(), _sound(0.1)
    yield _per_second(alone(lambda: features.process(sound)), 0.1)


def _sound(seconds: float) -> Sound:
    """Noise as loud as speech: no sound is faster or slower than another."""
    import numpy as np

    from gapless.audio.types import LISTEN_RATE_HZ

    noise = np.random.default_rng(SEED).standard_normal(round(seconds * LISTEN_RATE_HZ), np.float32)
    return noise * np.float32(0.1)


def _per_second(work: Work, sound_s: float) -> Work:
    """The same work, counted in seconds of sound."""

    def counted(seconds: float) -> Samples:
        samples = work(seconds)
        done_s = samples.units * sound_s
        return msgspec.structs.replace(
            samples,
            units=max(round(done_s), 1),
            figures={"realtime_share": samples.elapsed_ns / 1e9 / done_s},
        )

    return counted
