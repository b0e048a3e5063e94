"""What ``commands-en`` understands behind a cleaned microphone, by what cleans and how much.

    .venv/bin/python tools/score_microphone.py

Word errors over phrases that come with Gapless, in white noise at 48 kHz. Takes some minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import msgspec
import numpy as np
import soxr
from score_speech import word_errors

from gapless import api
from gapless.audio.files import read_audio, write_audio
from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ, Samples
from gapless.bench.speech import SOUNDS, Sound
from gapless.clean.denoise import Denoiser
from gapless.clean.low_delay.offline import suppress

Clean: TypeAlias = Callable[[Samples], Samples]

PHRASES: Final = 32
AMOUNTS: Final = (0.8, 1.0)
SNRS_DB: Final = (60, 25, 15, 5)
PEAK: Final = np.float32(0.5)
SPOKEN: Final = 0.01
"""Samples over it are speech, as far as loudness is concerned."""


def main() -> None:
    """Print the table."""
    catalogue = msgspec.json.decode((SOUNDS / "sounds.json").read_bytes(), type=list[Sound])
    phrases = list(islice((sound for sound in catalogue if sound.text), PHRASES))
    n_words = sum(len(sound.text.split()) for sound in phrases)
    cleaners: dict[str, Clean] = {"low delay": suppress, "RNNoise": native_rnnoise}
    for snr_db in SNRS_DB:
        errors: Counter[str] = Counter()
        for seed, sound in enumerate(phrases):
            noisy = in_white_noise(sound, snr_db, seed)
            heard = {"as it is": noisy}
            for name, clean in cleaners.items():
                wet = clean(noisy)
                heard |= {
                    f"{name} {amount}": noisy + np.float32(amount) * (wet - noisy)
                    for amount in AMOUNTS
                }
            for name, samples in heard.items():
                errors[name] += word_errors(sound.text, understood(samples))
        rates = (f"{name} {count / n_words:.1%}" for name, count in errors.items())
        print(f"{snr_db} dB:", ", ".join(rates), flush=True)


def in_white_noise(sound: Sound, snr_db: float, seed: int) -> Samples:
    """A phrase at 48 kHz with a second of nothing but noise before and after it."""
    pause = np.zeros(LISTEN_RATE_HZ, np.float32)
    said = np.concatenate([pause, *read_audio(SOUNDS / sound.file, LISTEN_RATE_HZ), pause])
    speech: Samples = PEAK * soxr.resample(said, LISTEN_RATE_HZ, DENOISE_RATE_HZ)
    power = float(np.mean(speech[np.abs(speech) > SPOKEN] ** 2)) / 10 ** (snr_db / 10)
    noise = np.random.default_rng(seed).standard_normal(len(speech)) * np.sqrt(power)
    return np.asarray(speech + noise, np.float32)


def native_rnnoise(samples: Samples) -> Samples:
    """RNNoise as it is, its delay taken out."""
    denoiser = Denoiser(1.0)
    return np.concatenate([denoiser.process(samples), denoiser.flush()])


def understood(samples: Samples) -> str:
    """What the recogniser makes of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "heard.wav"
        write_audio(path, [samples], DENOISE_RATE_HZ)
        return api.transcribe(path, model="commands-en").text


if __name__ == "__main__":
    main()
