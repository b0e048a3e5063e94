"""What streams of a bench say: utterances of a folder, in another order and rhythm for each stream.

In: a folder with ``sounds.json``, the number of a stream, a length. Out: 16-bit samples at 16 kHz. Invariants: the same
number gives the same samples in every process; two numbers give different ones. Thread: any.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.errors import NotFoundError

SOUNDS: Final = Path(__file__).parents[1] / "testing" / "sounds" / "commands-en"
"""Speech that comes with Gapless: made by a synthesiser, of voices that no model was trained on."""

CATALOGUE: Final = "sounds.json"

FIRST_PAUSE_S: Final = (0.2, 1.5)
PAUSE_S: Final = (0.9, 1.8)
"""Longer than the silence that ends an utterance."""

LAST_PAUSE_S: Final = 1.0
LEVELS: Final = (0.6, 1.0)

Pcm: TypeAlias = npt.NDArray[np.int16]


class Sound(msgspec.Struct, frozen=True):
    """An entry of ``sounds.json``; what else stands there is ignored."""

    file: str
    text: str


def read_utterances(folder: Path = SOUNDS) -> list[Pcm]:
    """The utterances of a folder that hold words.

    Raises:
        NotFoundError: there are none.
    """
    from gapless.audio.files import read_audio

    catalogue = folder / CATALOGUE
    if not catalogue.exists():
        raise NotFoundError(
            f"there is no speech to measure with: {catalogue} is missing; name another folder with --speech"
        )
    sounds = msgspec.json.decode(catalogue.read_bytes(), type=list[Sound])
    return [
        _to_pcm(np.concatenate(list(read_audio(folder / sound.file, LISTEN_RATE_HZ))))
        for sound in sounds
        if sound.text
    ]


def stream_of(number: int, utterances: list[Pcm], seconds: float) -> Pcm:
    """What stream ``number`` says in so many seconds: at least one utterance, and silence where no other fits.

    Args:
        number: of the stream.
        utterances: to choose from.
        seconds: length; a single utterance may make it longer.
    """
    chance = random.Random(number)
    length = round(seconds * LISTEN_RATE_HZ)
    last_pause = _silence(LAST_PAUSE_S)
    pause = _silence(chance.uniform(*FIRST_PAUSE_S))
    parts: list[Pcm] = []
    said = 0
    while True:
        for utterance in chance.sample(utterances, len(utterances)):
            if parts and said + len(pause) + len(utterance) + len(last_pause) > length:
                rest = np.zeros(max(length - said, len(last_pause)), np.int16)
                return np.concatenate([*parts, rest])
            level = np.float32(chance.uniform(*LEVELS))
            parts += [pause, np.rint(utterance * level).astype(np.int16)]
            said += len(pause) + len(utterance)
            pause = _silence(chance.uniform(*PAUSE_S))


def _to_pcm(samples: npt.NDArray[np.float32]) -> Pcm:
    return np.rint(np.clip(samples, -1, 1) * 32_767).astype(np.int16)


def _silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * LISTEN_RATE_HZ), np.int16)
