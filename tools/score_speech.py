"""What the embedded recogniser makes of synthetic speech: the reasons for the choices in ``make_speech.py``.

    .venv/bin/python tools/score_speech.py recordings   word errors of each recording with a text
    .venv/bin/python tools/score_speech.py voices       word errors by voice, speed and pitch
    .venv/bin/python tools/score_speech.py denoise      does removing noise help recognition?

PocketSphinx hears each utterance with 200 ms of silence around it, as the listener hands it over. The last two need
``espeak-ng`` and some minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Final, TypeAlias

import numpy as np
import soxr
from make_speech import LOW, RATE_HZ, ROOT, Samples, Voice, make_noise, synthesise

from gapless.audio.files import read_audio
from gapless.audio.types import DENOISE_RATE_HZ
from gapless.clean.denoise import Denoiser
from gapless.listen.recogniser.pocketsphinx.recogniser import PocketSphinx
from gapless.testing.recogniser_contract import recognise

Speaker: TypeAlias = Callable[[str], Samples]

PADDING: Final = RATE_HZ // 5

PHRASES: Final = (
    "one two three four five",
    "six seven eight nine ten",
    "how are you doing today",
    "hello how are you",
    "what time is it",
    "my brother lives in san francisco",
    "this is a test of the system",
    "i would like to know more about it",
    "there are many people in the city",
    "please call me back tomorrow morning",
    "we will be back in a few minutes",
    "it is going to rain this afternoon",
    "the president of the united states",
    "the united nations security council",
    "officials said there was no evidence",
    "the government said on monday",
    "the stock market closed higher on friday",
    "the price of oil went up again",
    "we have seen this many times before",
    "the meeting will start at nine o'clock",
)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = {"recordings": score_recordings, "voices": score_voices, "denoise": score_denoise}
    parser.add_argument("table", choices=tables)
    tables[parser.parse_args().table](PocketSphinx())


def score_recordings(recogniser: PocketSphinx) -> None:
    """What is heard in each utterance of each recording."""
    folder = ROOT / "tests/data/speech"
    for entry in json.loads((folder / "manifest.json").read_text("utf-8")):
        samples = np.concatenate([*read_audio(folder / entry["file"], RATE_HZ)])
        for utterance in entry["utterances"]:
            start, end = (utterance[key] * RATE_HZ // 1000 for key in ("start_ms", "end_ms"))
            heard = hear(recogniser, samples[start - PADDING : end + PADDING])
            errors = word_errors(utterance["text"], heard)
            print(f"{entry['file']:18} {errors} wrong  {utterance['text']!r} -> {heard!r}")


def score_voices(recogniser: PocketSphinx) -> None:
    """Word errors over all phrases, by voice."""
    names = ("en-us", "en-us+f2", "en-us+f3", "en-us+f5", "en-us+m1", "en-us+m3")
    voices = [Voice(name, 140, 50) for name in names]
    klatt = product(("en-us+klatt2", "en-us+klatt4"), (130, 140, 150, 160, 170), (30, 50, 70))
    voices += [Voice(*choice) for choice in klatt]
    for voice in voices:
        rate, perfect = score(recogniser, partial(spoken, voice=voice))
        print(f"{voice.name:14} {voice.speed} {voice.pitch}  {rate:5.1%}  {perfect} phrases right")


def score_denoise(recogniser: PocketSphinx) -> None:
    """Word errors in noise, with and without RNNoise before the recogniser."""
    amounts = (0.0, 0.5, 0.8, 0.9, 1.0)
    print("noise  dB    " + "".join(f"  {amount:5}" for amount in amounts))
    clean = [("white", np.inf)]
    for kind, snr_db in clean + list(product(("white", "pink"), (20, 15, 10, 5, 0))):
        rates = []
        for amount in amounts:
            speak = partial(spoken_in_noise, kind=kind, snr_db=snr_db, amount=amount)
            rate, _ = score(recogniser, speak)
            rates.append(f"  {rate:5.0%}")
        print(f"{kind:5} {snr_db:4}    " + "".join(rates), flush=True)


def score(recogniser: PocketSphinx, speak: Speaker) -> tuple[float, int]:
    """Word error rate over all phrases, and how many are all right."""
    errors = [word_errors(text, hear(recogniser, speak(text))) for text in PHRASES]
    words = sum(len(text.split()) for text in PHRASES)
    return sum(errors) / words, errors.count(0)


def spoken(text: str, voice: Voice) -> Samples:
    """One phrase with silence around it."""
    return np.pad(synthesise(text, voice), PADDING)


def spoken_in_noise(text: str, kind: str, snr_db: float, amount: float) -> Samples:
    """One phrase in noise, which begins a second before it; cleaned as the listener does it."""
    voiced = synthesise(text, LOW)
    samples = np.pad(voiced, (RATE_HZ, PADDING))
    level = np.std(voiced) * 10 ** (-snr_db / 20)
    samples = np.asarray(samples + level * make_noise(kind, len(samples)), np.float32)
    if amount:
        denoiser = Denoiser(amount)
        high = soxr.resample(samples, RATE_HZ, DENOISE_RATE_HZ, "VHQ")
        clean = np.concatenate((denoiser.process(high), denoiser.flush()))
        samples = soxr.resample(clean, DENOISE_RATE_HZ, RATE_HZ, "VHQ")
    return samples[RATE_HZ - PADDING :]


def hear(recogniser: PocketSphinx, samples: Samples) -> str:
    """What PocketSphinx understands."""
    return recognise(recogniser, np.asarray(samples, np.float32)).result.text


def word_errors(said: str, heard: str) -> int:
    """Words to insert, delete or replace: the edit distance (Levenshtein, 1966)."""
    words = heard.split()
    row = list(range(len(words) + 1))
    for count, word in enumerate(said.split(), start=1):
        above, row[0] = row[:], count
        for at, other in enumerate(words, start=1):
            row[at] = min(above[at] + 1, row[at - 1] + 1, above[at - 1] + (word != other))
    return row[-1]


if __name__ == "__main__":
    main()
