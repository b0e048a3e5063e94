"""Make all the speech and noise that training and evaluation need: some twenty hours in minutes.

In: seeds. Out: the sets ``train``, ``validation``, ``validation-reject``, ``test`` and ``test-rooms``,
``-speeds``, ``-accents``, ``-reject``, and the banks ``noise-train`` and ``noise-test``, in a folder.
Invariants: test voices, test words to reject, test speeds, test music, test babble and the hum are
never in the training files. Thread: one process per folder.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import invented, noise, rooms, sets, speech, words
from .features import SAMPLE_RATE, mel_power

FloatArray = npt.NDArray[np.float32]
WordSource = Callable[[random.Random], list[str]]

LONGEST_S = 9.0
ROOM_SHARE = 1 / 3


class Generator:
    """Utterances from a seed.

    Args:
        synthesiser: the process's only one.
        voices: what the variant ``invented`` is made of.
        seed: of everything else that is drawn.
    """

    def __init__(
        self, synthesiser: speech.Synthesiser, voices: invented.InventedVoices, seed: int
    ) -> None:
        self._synthesiser = synthesiser
        self._voices = voices
        self._rng = random.Random(seed)
        self._noise_rng = np.random.default_rng(seed)
        self._sounds = {synthesiser.phonemes(word) for word in words.VOCABULARY}
        self._known: dict[str, bool] = {}

    def sounds_like_vocabulary(self, word: str) -> bool:
        """Whether a word to be rejected is pronounced as one that must be recognised."""
        if word not in self._known:
            self._known[word] = self._synthesiser.phonemes(word) in self._sounds
        return self._known[word]

    def utterances(
        self,
        source: WordSource,
        variants: list[str],
        accents: list[str],
        speeds: range | list[int],
        room_share: float,
    ) -> Iterator[tuple[sets.Utterance, FloatArray]]:
        """Without end; what cannot be timed, is too long, or is a homophone is left out."""
        vocabulary = set(words.VOCABULARY)
        while True:
            said = source(self._rng)
            if any(w not in vocabulary and self.sounds_like_vocabulary(w) for w in said):
                continue
            voice = speech.draw_voice(self._rng, variants, accents, speeds)
            if voice.variant == invented.NAME:
                self._voices.renew()
            spoken = self._synthesiser.say(said, voice, self._rng)
            if spoken is None or spoken.samples.size > LONGEST_S * SAMPLE_RATE:
                continue
            samples = spoken.samples
            in_room = self._rng.random() < room_share
            if in_room:
                samples = rooms.in_room(samples, self._noise_rng)
            yield (
                sets.Utterance(
                    words=said,
                    spans_ms=spoken.spans_ms,
                    voice=voice.variant,
                    accent=voice.accent,
                    words_per_minute=voice.words_per_minute,
                    in_room=in_room,
                    power=float((samples**2).mean()),
                ),
                samples,
            )


def write_set(
    folder: Path,
    name: str,
    count: int,
    source: Iterator[tuple[sets.Utterance, FloatArray]],
    *,
    as_power: bool,
) -> None:
    """Take utterances from a source and write them, with a line about what they are."""
    began = time.monotonic()
    utterances: list[sets.Utterance] = []
    rows: list[npt.NDArray[Any]] = []
    seconds = 0.0
    for utterance, samples in source:
        utterances.append(utterance)
        seconds += samples.size / SAMPLE_RATE
        if as_power:
            rows.append(np.log(mel_power(samples) + 1e-10).astype(np.float16))
        else:
            rows.append((np.clip(samples, -1, 1) * 32767).astype(np.int16))
        if len(utterances) == count:
            break
    sets.write(folder, name, utterances, rows)
    took = time.monotonic() - began
    print(f"{name}: {count} utterances, {seconds / 3600:.2f} h, made in {took:.0f} s", flush=True)


def write_banks(
    folder: Path, name: str, generator: Generator, variants: list[str], *, seed: int, minutes: float
) -> None:
    """Banks of music and babble as int16 samples at a root mean square of -22 dBFS."""
    rng = np.random.default_rng(seed)

    def talk(source: WordSource) -> Iterator[FloatArray]:
        for _, samples in generator.utterances(
            source, variants, speech.ACCENTS, speech.SPEEDS, ROOM_SHARE
        ):
            yield samples

    parts = []
    for _ in range(max(1, int(minutes))):
        sources = [words.reject_sequence] * int(rng.integers(4, 8)) + [words.vocabulary_sequence]
        parts.append(noise.babble([talk(source) for source in sources], 60, rng))
    banks = {"babble": np.concatenate(parts), "music": noise.music(60 * minutes, rng)}
    np.savez(
        folder / f"{name}.npz",
        **{
            kind: (np.clip(bank * 0.08, -1, 1) * 32767).astype(np.int16)
            for kind, bank in banks.items()
        },
    )
    print(f"{name}: {minutes:g} min each of {', '.join(banks)}", flush=True)


def main() -> None:
    """Run as ``python -m commands_en.generate FOLDER``."""
    parser = argparse.ArgumentParser(description="Make the speech and noise for commands-en.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--utterances", type=int, default=60000, help="size of the training set")
    parser.add_argument(
        "--only-tests", action="store_true", help="leave out what only training hears"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    voices = invented.InventedVoices(folder, seed=9)
    synthesiser = speech.Synthesiser(folder)
    normal, accents = speech.SPEEDS, speech.ACCENTS

    training = Generator(synthesiser, voices, 10)
    if not arguments.only_tests:
        write_banks(folder, "noise-train", training, speech.TRAINING_VOICES, seed=20, minutes=30)
    for name, count, seed, source, variants, its_accents, speeds, rooms_share in (
        ("validation", 400, 11, words.test_words, speech.VALIDATION_VOICES, accents, normal, 0.25),
        (
            "validation-reject",
            150,
            12,
            words.reject_sequence,
            speech.VALIDATION_VOICES,
            accents,
            normal,
            0.25,
        ),
        ("test", 800, 13, words.test_words, speech.TEST_VOICES, accents, normal, 0.0),
        ("test-rooms", 400, 14, words.test_words, speech.TEST_VOICES, accents, normal, 1.0),
        (
            "test-speeds",
            400,
            15,
            words.test_words,
            speech.TEST_VOICES,
            accents,
            speech.UNSEEN_SPEEDS,
            0.0,
        ),
        (
            "test-accents",
            400,
            16,
            words.test_words,
            speech.TEST_VOICES,
            speech.UNSEEN_ACCENTS,
            normal,
            0.0,
        ),
        ("test-reject", 400, 17, words.test_reject_words, speech.TEST_VOICES, accents, normal, 0.0),
    ):
        generator = Generator(synthesiser, voices, seed)
        source_of = generator.utterances(source, variants, its_accents, speeds, rooms_share)
        write_set(folder, name, count, source_of, as_power=False)
    test = Generator(synthesiser, voices, 18)
    write_banks(folder, "noise-test", test, speech.TEST_VOICES, seed=21, minutes=15)
    if arguments.only_tests:
        return
    variants = [*speech.TRAINING_VOICES, *[invented.NAME] * len(speech.TRAINING_VOICES)]
    rows = training.utterances(words.training_words, variants, accents, normal, ROOM_SHARE)
    write_set(folder, "train", arguments.utterances, rows, as_power=True)


if __name__ == "__main__":
    main()
