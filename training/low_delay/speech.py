"""Speech at 48 kHz: people where there are recordings, and espeak-ng in many voices and languages.

In: a seeded generator. Out: speech without noise and room, and who speaks. Invariants: a speaker is of one split only;
the same calls from the start of a process give the same samples (espeak-ng carries its state from one text to the
next). Thread: one per process; the library is global.

espeak-ng has nothing above 11 kHz and most recordings nothing above 8 or 12 kHz. A network that only met those would
learn that the highest notes are noise, so they are made up (``widened``): noise above the edge that follows the energy
just below it, as the noise of consonants does.
"""

from __future__ import annotations

import functools
import random
import tempfile
import weakref
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import butter, sosfilt

from commands_en import invented
from commands_en.speech import (
    CHARACTERS_UTF8,
    PITCH,
    RANGE,
    RATE,
    SPEEDS,
    WORD_GAP,
    Synthesiser,
    Voice,
    draw_voice,
)

from .recordings import recorded
from .shaping import RATE_HZ, shaped
from .splits import INVENTED_SHARE, LANGUAGES, SPLITS, VOICES, Split
from .texts import text

FloatArray = npt.NDArray[np.float32]


class Spoken(NamedTuple):
    """What is said and by whom."""

    samples: FloatArray
    """Float32 at 48 kHz, peak 0.5."""
    speaker: str
    kind: str
    """``person`` or ``synthetic``."""


class _Voices(invented.InventedVoices):
    """Invented voices that can be asked for by number."""

    def become(self, number: int) -> None:
        """Make the variant the voice of this number."""
        self._rng.seed(number)
        self.renew()


class Reader(Synthesiser):
    """espeak-ng that reads texts of any language. Make one only: use ``reader``."""

    def __init__(self) -> None:
        # espeak-ng reads its data whenever a voice is chosen, so the copy stays until this process ends.
        folder = tempfile.TemporaryDirectory(prefix="voices-")
        self.voices: Final = _Voices(Path(folder.name), seed=0)
        super().__init__(Path(folder.name))
        self._remove = weakref.finalize(self, folder.cleanup)

    @property
    def rate_hz(self) -> int:
        """The sample rate of what ``read`` gives."""
        return int(self._rate)

    def read(self, said: str, voice: Voice) -> FloatArray:
        """Speak a text.

        Returns:
            float32 in -1..1 at ``rate_hz``.

        Raises:
            ValueError: espeak-ng does not have the voice.
        """
        self._blocks.clear()
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ValueError(f"espeak-ng has no voice {voice.name}; use version 1.51")
        for parameter, value in (
            (RATE, voice.words_per_minute),
            (PITCH, voice.pitch),
            (RANGE, voice.pitch_range),
            (WORD_GAP, voice.word_gap_10ms),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        encoded = said.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, CHARACTERS_UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._blocks, dtype=np.float32, casting="unsafe") / np.float32(32768)


@functools.cache
def reader() -> Reader:
    """The process's only one."""
    return Reader()


def synthetic(rng: random.Random, split: Split, length: int) -> Spoken:
    """One voice that reads for ``length`` samples, with pauses of up to 1.5 s between texts."""
    voice = _voice(rng, split)
    rate_hz = reader().rate_hz
    wanted = length * rate_hz // RATE_HZ + 1
    parts: list[FloatArray] = []
    while sum(map(len, parts)) < wanted:
        parts.append(_trimmed(reader().read(text(rng, voice.accent), voice)))
        parts.append(np.zeros(int(rng.uniform(0.1, 1.5) * rate_hz), np.float32))
    samples = soxr.resample(np.concatenate(parts)[:wanted], rate_hz, RATE_HZ)
    noise_rng = np.random.default_rng(rng.getrandbits(64))
    return Spoken(
        _levelled(widened(samples[:length], rate_hz / 2, noise_rng), length),
        voice.name,
        "synthetic",
    )


def _voice(rng: random.Random, split: Split) -> Voice:
    voice = draw_voice(rng, VOICES[split], LANGUAGES[split], SPEEDS)
    if rng.random() >= INVENTED_SHARE[split]:
        return voice
    # Numbers of different splits never meet.
    reader().voices.become(rng.getrandbits(40) * 3 + SPLITS.index(split))
    return voice._replace(variant=invented.NAME)


def person(rng: random.Random, split: Split, length: int, folder: Path) -> Spoken:
    """One recorded speaker: pieces of up to 8 s with pauses, in training at another speed and pitch every time.

    Raises:
        FileNotFoundError: the folder lacks a speaker of the split.
    """
    chosen = rng.choice(recorded(split, folder))
    speed = rng.uniform(0.87, 1.15) if split == "train" else 1.0
    parts: list[FloatArray] = []
    while sum(map(len, parts)) < length * speed:
        sound = chosen.utterance(rng.randrange(len(chosen.offsets) - 1))
        size = min(sound.size, int(rng.uniform(2, 8) * RATE_HZ))
        start = rng.randint(0, sound.size - size)
        # Utterances of one speaker may differ in level by how they were recorded.
        parts.append(_faded(sound[start : start + size]) / max(1e-3, float(np.abs(sound).max())))
        parts.append(np.zeros(int(rng.uniform(0.1, 1.0) * RATE_HZ), np.float32))
    samples = np.concatenate(parts)
    if speed != 1.0:
        samples = soxr.resample(samples, RATE_HZ * speed, RATE_HZ)
    noise_rng = np.random.default_rng(rng.getrandbits(64))
    samples = widened(samples[:length], chosen.speaker.edge_hz * speed, noise_rng)
    return Spoken(_levelled(samples, length), chosen.speaker.name, "person")


def widened(samples: FloatArray, edge_hz: float, rng: np.random.Generator) -> FloatArray:
    """Speech that ends at ``edge_hz``, with noise above the edge that follows the energy of the band below.

    The noise starts 3 to 12 dB below that band and falls by 3 to 12 dB an octave. What is already above 20 kHz is left.
    """
    if edge_hz >= 20000:
        return samples
    low, edge = edge_hz * 0.55, edge_hz * 0.93
    band = sosfilt(butter(4, [low, edge], "bandpass", fs=RATE_HZ, output="sos"), samples)
    envelope = np.sqrt(np.maximum(_smoothed(band**2), 0))
    fall = rng.uniform(3, 12)

    def above(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        octaves = np.log2(np.maximum(hz, edge) / edge)
        return np.where(hz < edge, 0.0, 10 ** (-fall * octaves / 20))

    noise = shaped(samples.size, above, rng) * 10 ** (-rng.uniform(3, 12) / 20)
    return (samples + envelope * noise).astype(np.float32)


def _smoothed(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A mean over 2 ms before and 2 ms after."""
    half = 2 * RATE_HZ // 1000
    total = np.cumsum(np.pad(power, (half + 1, half)))
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)


def _faded(samples: FloatArray) -> FloatArray:
    """The samples with 5 ms of fading at both ends."""
    ramp = np.linspace(0, 1, 5 * RATE_HZ // 1000, dtype=np.float32)
    samples = samples.copy()
    samples[: ramp.size] *= ramp
    samples[-ramp.size :] *= ramp[::-1]
    return samples


def _trimmed(samples: FloatArray) -> FloatArray:
    """Without the silence around it, so that pauses are as long as they are drawn."""
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples[:0]


def _levelled(samples: FloatArray, length: int) -> FloatArray:
    fitted = np.zeros(length, np.float32)
    fitted[: min(length, samples.size)] = samples[:length]
    peak = float(np.abs(fitted).max())
    return fitted * np.float32(0.5 / peak) if peak > 0 else fitted
