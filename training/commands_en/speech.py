"""Speech from espeak-ng, called within the process: seconds of it in a millisecond.

In: words and a voice. Out: mono samples at 16 kHz and the times of each word.
Invariants: the same arguments give the same samples. Thread: one per process; the library is global.
"""

from __future__ import annotations

import ctypes
import random
import re
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import soxr

from .features import SAMPLE_RATE
from .words import listed

FloatArray = npt.NDArray[np.float32]

AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
CHARACTERS_UTF8: Final = 1
EVENT_WORD: Final = 1
RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7
"""Parameter numbers of ``espeak_SetParameter``."""

ACCENTS: Final = [
    "gmw/en-US",
    "gmw/en",
    "gmw/en-GB-x-rp",
    "gmw/en-GB-x-gbclan",
    "gmw/en-GB-x-gbcwmd",
]
UNSEEN_ACCENTS: Final = ["gmw/en-GB-scotland", "gmw/en-029", "gmw/en-US-nyc"]

SPEEDS: Final = range(105, 236)
UNSEEN_SPEEDS: Final = [85, 95, 245, 260]
"""Words per minute."""

VARIANTS: Final = listed("voices")
"""The voice variants of espeak-ng 1.51, without those that are distorted on purpose (robots, whispers)."""

TEST_FAMILIES: Final = listed("voices-of-test")
VALIDATION_FAMILIES: Final = ["m2", "f1", "max", "norbert", "belinda", "travis", "iven", "alicia"]


def family(variant: str) -> str:
    """Variants that differ by a number are one speaker, but for ``m1``..``m8`` and ``f1``..``f5``."""
    return variant if re.fullmatch("[fm][0-9]", variant) else re.sub("[0-9]+$", "", variant).lower()


TEST_VOICES: Final = [v for v in VARIANTS if family(v) in TEST_FAMILIES]
VALIDATION_VOICES: Final = [v for v in VARIANTS if family(v) in VALIDATION_FAMILIES]
TRAINING_VOICES: Final = [
    "",
    *(v for v in VARIANTS if family(v) not in {*TEST_FAMILIES, *VALIDATION_FAMILIES}),
]
"""The empty name is the accent's own voice."""


class Voice(NamedTuple):
    """How something is said."""

    accent: str
    variant: str
    words_per_minute: int
    pitch: int
    pitch_range: int
    word_gap_10ms: int

    @property
    def name(self) -> str:
        """The name by which espeak-ng knows accent and variant."""
        return f"{self.accent}+{self.variant}" if self.variant else self.accent


def draw_voice(
    rng: random.Random, variants: list[str], accents: list[str], speeds: range | list[int]
) -> Voice:
    """A voice at random."""
    return Voice(
        accent=rng.choice(accents),
        variant=rng.choice(variants),
        words_per_minute=rng.choice(speeds),
        pitch=rng.randint(25, 75),
        pitch_range=rng.randint(20, 80),
        word_gap_10ms=rng.choice([0, 0, 1, 2, 4, 8]),
    )


class Spoken(NamedTuple):
    """An utterance: samples in [-1, 1] at 16 kHz, and where each word starts and ends."""

    samples: FloatArray
    spans_ms: list[tuple[int, int]]


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Synthesiser:
    """espeak-ng in this process. Make one only.

    Args:
        data: a folder with ``espeak-ng-data`` in it; None: that of the installed espeak-ng.
    """

    def __init__(self, data: Path | None = None) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        path = str(data).encode() if data else None
        self._rate = self._library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, path, 0)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng does not start; install the package espeak-ng")
        self._blocks: list[npt.NDArray[np.int16]] = []
        self._starts_ms: dict[int, int] = {}
        self._callback = _Callback(self._receive)  # kept: the library only has its address
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: object, count: int, events: object) -> int:
        if wave and count > 0:
            self._blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == EVENT_WORD:
                event = events[index]
                self._starts_ms.setdefault(event.text_position, event.audio_position_ms)
            index += 1
        return 0

    def phonemes(self, text: str) -> str:
        """How American English says the text, without stress marks and spaces."""
        self._library.espeak_SetVoiceByName(b"gmw/en-US")
        pointer = ctypes.c_char_p(text.encode())
        spoken = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), CHARACTERS_UTF8, 0)
        return re.sub("[^A-Za-z@0-9#]", "", spoken.decode())

    def say(self, words: list[str], voice: Voice, rng: random.Random) -> Spoken | None:
        """Speak the words, with a comma after one in ten; None if a word's time is not known.

        espeak-ng reports where words start. A word's end is where it falls silent (30 dB below the
        loudest 10 ms) before the next starts.
        """
        self._blocks.clear()
        self._starts_ms.clear()
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ValueError(f"espeak-ng has no voice {voice.name}; use version 1.51")
        for parameter, value in (
            (RATE, voice.words_per_minute),
            (PITCH, voice.pitch),
            (RANGE, voice.pitch_range),
            (WORD_GAP, voice.word_gap_10ms),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        text = ""
        positions = []
        for word in words:
            text += ("," if text and rng.random() < 0.1 else "") + (" " if text else "")
            positions.append(len(text) + 1)
            text += word
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, CHARACTERS_UTF8, None, None)
        self._library.espeak_Synchronize()
        starts = _filled([self._starts_ms.get(position) for position in positions])
        if starts is None:
            return None
        samples = np.concatenate(self._blocks).astype(np.float32) / 32768
        samples = soxr.resample(samples, self._rate, SAMPLE_RATE).astype(np.float32)
        if samples.size < SAMPLE_RATE // 4 or sorted(set(starts)) != starts:
            return None
        return Spoken(samples, _spans(samples, starts))


def _filled(starts_ms: list[int | None]) -> list[int] | None:
    """The starts without gaps, if they can be had.

    espeak-ng says some pairs in one breath ("on the") and does not report the second word; it is
    put halfway between its neighbours.
    """
    filled: list[int] = []
    for index, start in enumerate(starts_ms):
        if start is not None:
            filled.append(start)
            continue
        following = starts_ms[index + 1] if index + 1 < len(starts_ms) else None
        if not filled or following is None:
            return None
        filled.append((filled[-1] + following) // 2)
    return filled


def _spans(samples: FloatArray, starts_ms: list[int]) -> list[tuple[int, int]]:
    frame = SAMPLE_RATE // 100
    power = (samples[: samples.size // frame * frame].reshape(-1, frame) ** 2).mean(axis=1)
    loud = power > power.max() * 1e-3
    limits = [*starts_ms[1:], len(power) * 10]
    spans = []
    for start, limit in zip(starts_ms, limits, strict=True):
        heard = np.flatnonzero(loud[start // 10 : limit // 10])
        end = (start // 10 + int(heard[-1]) + 1) * 10 if heard.size else limit
        spans.append((start, max(end, start + 40)))
    return spans
