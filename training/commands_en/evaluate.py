"""Measure an exported model on what training never saw, and say plainly which bars it meets.

In: the test sets and a folder of ONNX graphs. Out: a table on standard output, and ``report.json``.
Invariants: every figure comes from the exported graphs, streamed and decoded with both heads unless it
says otherwise; the noise of a condition is the same for every model. Thread: one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from . import noise, scoring, sets
from .decode import Model, Word, recognise
from .features import SAMPLE_RATE
from .hybrid import HybridStream, recognise_by_both
from .mixing import LEAD_S, QUIET, at_snr, padded

FloatArray = npt.NDArray[np.float32]
Recording = Callable[[FloatArray, FloatArray, np.random.Generator], FloatArray]
"""Of a padded recording, its speech alone, and a generator: what the microphone hears."""

Recognise = Callable[[Model, FloatArray], list[Word]]
BY_CTC: Recognise = partial(recognise, by_ctc=True)

BOOTSTRAPS = 2000
MINUTE = 60 * SAMPLE_RATE


class Measured(NamedTuple):
    """Errors of a condition."""

    errors: int
    words: int
    low: float
    """Of the bootstrap's 95 % interval over utterances."""
    high: float

    @property
    def rate(self) -> float:
        """Word error rate."""
        return self.errors / max(1, self.words)

    def __str__(self) -> str:
        percent = f"{100 * self.rate:.2f} % [{100 * self.low:.2f}, {100 * self.high:.2f}]"
        return f"{percent} {self.errors}/{self.words}"


def measured(references: list[list[str]], heard: list[list[str]]) -> Measured:
    """Count errors and resample the utterances."""
    errors = np.array([scoring.edit_distance(a, b) for a, b in zip(references, heard, strict=True)])
    words = np.array([len(reference) for reference in references])
    draws = np.random.default_rng(1).integers(0, len(words), (BOOTSTRAPS, len(words)))
    rates = errors[draws].sum(1) / words[draws].sum(1)
    low, high = np.percentile(rates, [2.5, 97.5])
    return Measured(int(errors.sum()), int(words.sum()), float(low), float(high))


class Evaluation:
    """The test sets, and the noise that is laid over them."""

    def __init__(self, folder: Path, limit: int | None) -> None:
        self._folder = folder
        self._limit = limit
        self._sets: dict[str, sets.Dataset] = {}
        with np.load(folder / "noise-test.npz") as banks:
            self._banks = {
                kind: noise.normalised(banks[kind].astype(np.float32)) for kind in banks.files
            }

    def dataset(self, name: str) -> tuple[sets.Dataset, int]:
        """A set and how many of its utterances are used."""
        if name not in self._sets:
            self._sets[name] = sets.read(self._folder, name)
        data = self._sets[name]
        count = len(data.utterances)
        return data, count if self._limit is None else min(count, self._limit)

    def noise_of(self, kind: str, length: int, rng: np.random.Generator) -> FloatArray:
        """Noise of a kind at a root mean square of 1."""
        if kind in noise.SLOPES:
            return noise.coloured(length, noise.SLOPES[kind], rng)
        if kind == "hum":
            return noise.hum(length, rng)
        bank = self._banks[kind]
        for _ in range(100):  # a piece may fall into a pause of the music
            start = int(rng.integers(0, bank.size - length))
            piece = bank[start : start + length]
            if (piece**2).mean() > 0.1:
                return noise.normalised(piece)
        raise RuntimeError(f"the bank of {kind} is silent; generate it again")

    def with_noise(self, kind: str, snr_db: float) -> Recording:
        """Noise over all of a recording."""

        def mix(recording: FloatArray, speech: FloatArray, rng: np.random.Generator) -> FloatArray:
            return at_snr(recording, speech, self.noise_of(kind, recording.size, rng), snr_db)

        return mix

    def words(
        self,
        model: Model,
        name: str,
        record: Recording | None = None,
        hear: Recognise = recognise_by_both,
    ) -> list[list[Word]]:
        """What the model hears in each utterance of a set."""
        data, count = self.dataset(name)
        rng = np.random.default_rng(9)
        heard = []
        for index in range(count):
            speech = data.samples(index)
            recording = padded(speech, rng)
            if record is not None:
                recording = record(recording, speech, rng)
            heard.append(hear(model, recording))
        return heard

    def errors(
        self,
        model: Model,
        name: str,
        record: Recording | None = None,
        hear: Recognise = recognise_by_both,
    ) -> Measured:
        """Word errors of a condition."""
        data, count = self.dataset(name)
        heard = self.words(model, name, record, hear)
        references = [utterance.words for utterance in data.utterances[:count]]
        return measured(references, [[word.word for word in words] for words in heard])


def louder(gain_db: float) -> Recording:
    """The recording at another level; beyond full scale it is clipped."""

    def change(recording: FloatArray, _: FloatArray, __: np.random.Generator) -> FloatArray:
        return np.clip(recording * np.float32(10 ** (gain_db / 20)), -1, 1)

    return change


def in_digital_silence(
    recording: FloatArray, speech: FloatArray, _: np.random.Generator
) -> FloatArray:
    """The speech with zeros before and after it."""
    lead = int(LEAD_S * SAMPLE_RATE)
    return np.pad(speech, (lead, recording.size - lead - speech.size))


CONDITIONS = [("white", 20), ("pink", 20), ("white", 10), ("pink", 10), ("brown", 10), ("hum", 10),
              ("music", 10), ("babble", 10), ("white", 5), ("pink", 5), ("music", 5), ("babble", 5),
              ("white", 0), ("pink", 0)]  # fmt: skip


def error_rates(evaluation: Evaluation, model: Model) -> dict[str, Measured]:
    """Word error rates of every condition."""
    rates = {
        "clean": evaluation.errors(model, "test"),
        "clean, digital silence around": evaluation.errors(model, "test", in_digital_silence),
    }
    for kind, snr_db in CONDITIONS:
        rates[f"{kind} {snr_db} dB"] = evaluation.errors(
            model, "test", evaluation.with_noise(kind, snr_db)
        )
    for gain_db in (-30, -20, -10, 10):
        rates[f"level {gain_db:+d} dB"] = evaluation.errors(model, "test", louder(gain_db))
    rates["rooms"] = evaluation.errors(model, "test-rooms")
    rates["rooms, pink 15 dB"] = evaluation.errors(
        model, "test-rooms", evaluation.with_noise("pink", 15)
    )
    rates["unseen speeds"] = evaluation.errors(model, "test-speeds")
    rates["unseen accents"] = evaluation.errors(model, "test-accents")
    return rates


def by_group(evaluation: Evaluation, model: Model, name: str, field: str) -> dict[str, Measured]:
    """Word error rates of the voices, accents or speeds of a set."""
    data, count = evaluation.dataset(name)
    heard = evaluation.words(model, name)
    groups: dict[str, tuple[list[list[str]], list[list[str]]]] = {}
    for utterance, words in zip(data.utterances[:count], heard, strict=True):
        references, hypotheses = groups.setdefault(str(getattr(utterance, field)), ([], []))
        references.append(utterance.words)
        hypotheses.append([word.word for word in words])
    return {key: measured(*pair) for key, pair in sorted(groups.items())}


def invented(
    evaluation: Evaluation, model: Model, hear: Recognise = recognise_by_both
) -> tuple[int, int]:
    """Words that the model makes of words it was never taught, and how many those were."""
    data, count = evaluation.dataset("test-reject")
    heard = evaluation.words(model, "test-reject", hear=hear)
    return sum(map(len, heard)), sum(len(u.words) for u in data.utterances[:count])


def false_alarms(evaluation: Evaluation, model: Model) -> dict[str, tuple[int, float]]:
    """Words in sounds that say nothing, and minutes of each."""
    rng = np.random.default_rng(77)
    counts = {}
    for kind, level_db, minutes in (
        ("silence", None, 5), ("white", -80, 5), ("white", -40, 5), ("white", -26, 5),
        ("pink", -40, 5), ("pink", -26, 5), ("brown", -26, 5), ("hum", -40, 5), ("hum", -26, 5),
        ("music", -20, 15), ("music", -35, 15), ("babble", -26, 15), ("babble", -40, 15),
    ):  # fmt: skip
        length = minutes * MINUTE
        if level_db is None:
            samples = np.zeros(length, np.float32)
        elif kind in ("music", "babble"):
            samples = evaluation.noise_of(kind, length - 1, rng) * 10 ** (level_db / 20)
        else:
            samples = evaluation.noise_of(kind, length, rng) * 10 ** (level_db / 20)
        words = recognise_by_both(model, np.clip(samples, -1, 1).astype(np.float32))
        name = kind if level_db is None else f"{kind} {level_db} dBFS"
        counts[name] = (len(words), minutes)
    return counts


def delays_ms(evaluation: Evaluation, model: Model) -> list[float]:
    """From the end of each word to the end of the samples that it took to tell it (pink, 20 dB)."""
    data, count = evaluation.dataset("test")
    heard = evaluation.words(model, "test", evaluation.with_noise("pink", 20))
    delays = []
    for utterance, words in zip(data.utterances[:count], heard, strict=True):
        if [word.word for word in words] != utterance.words:
            continue
        for word, (_, end_ms) in zip(words, utterance.spans_ms, strict=True):
            delays.append(word.at_ms - 1000 * LEAD_S - end_ms)
    return delays


def long_stream(evaluation: Evaluation, model: Model, minutes: float) -> dict[str, Any]:
    """One stream that is never reset: utterances with pauses of 0.3 to 1.5 s."""
    data, _ = evaluation.dataset("test")
    rng = np.random.default_rng(5)
    stream = HybridStream(model)
    reference: list[str] = []
    length = index = 0
    while length < minutes * MINUTE and index < len(data.utterances):
        pause = np.zeros(int(rng.uniform(0.3, 1.5) * SAMPLE_RATE), np.float32)
        samples = np.concatenate([pause, data.samples(index)])
        samples += QUIET * rng.standard_normal(samples.size).astype(np.float32)
        stream.push(samples)
        length += samples.size
        reference += data.utterances[index].words
        index += 1
    stream.push(np.zeros(SAMPLE_RATE, np.float32))
    errors = scoring.edit_distance(reference, [word.word for word in stream.words])
    return {
        "minutes": round(length / MINUTE, 1),
        "word error rate": f"{100 * errors / len(reference):.2f} % {errors}/{len(reference)}",
    }


def streamed_against_whole(evaluation: Evaluation, model: Model, count: int = 60) -> dict[str, Any]:
    """Utterances in pieces of 10 ms and of random lengths against all at once."""
    data, available = evaluation.dataset("test")
    rng = np.random.default_rng(6)
    same, worst = 0, 0.0
    for index in range(min(count, available)):
        speech = data.samples(index)
        samples = at_snr(
            padded(speech, rng), speech, noise.coloured(speech.size + 12800, 0.5, rng), 15
        )
        first, second = HybridStream(model), HybridStream(model)
        first.push(samples)
        start = 0
        while start < samples.size:
            size = 160 if index % 2 else int(rng.integers(1, 3000))
            second.push(samples[start : start + size])
            start += size
        if [w.word for w in first.words] == [w.word for w in second.words]:
            same += 1
            worst = max(worst, abs(first.score - second.score))
    return {"same words": same, "of": min(count, available), "largest difference of scores": worst}


def main() -> None:
    """Run as ``python -m commands_en.evaluate DATA MODEL``."""
    parser = argparse.ArgumentParser(description="Evaluate an exported commands-en.")
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--against", type=Path, help="a second export, compared in short")
    parser.add_argument("--report", type=Path, help="where to write all figures as JSON")
    parser.add_argument("--limit", type=int, help="use the first so many utterances of each set")
    arguments = parser.parse_args()
    evaluation = Evaluation(arguments.data, arguments.limit)
    model = Model(arguments.model)
    report: dict[str, Any] = {}

    def say(section: str, figures: dict[str, Any]) -> None:
        report[section] = figures
        print(f"\n{section}")
        for name, value in figures.items():
            print(f"  {name}: {value}", flush=True)

    rates = error_rates(evaluation, model)
    say("word error rate", rates)
    says, words = invented(evaluation, model)
    alarms = false_alarms(evaluation, model)
    say("words in sounds without words (count, minutes)", alarms)
    quiet = sum(count for name, (count, _) in alarms.items() if not name.startswith("babble"))
    say(
        "bars",
        {
            "clean <= 1 %": (rates["clean"].rate <= 0.01, str(rates["clean"])),
            "white 10 dB <= 3 %": (rates["white 10 dB"].rate <= 0.03, str(rates["white 10 dB"])),
            "pink 10 dB <= 3 %": (rates["pink 10 dB"].rate <= 0.03, str(rates["pink 10 dB"])),
            "invented <= 0.1 each": (says <= 0.1 * words, f"{says}/{words}"),
            "no false alarm in silence, noise and music": (quiet == 0, quiet),
        },
    )
    for name, field in (
        ("test", "voice"), ("test", "accent"), ("test-speeds", "words_per_minute"),
        ("test-accents", "accent"),
    ):  # fmt: skip
        say(f"{name} by {field}", by_group(evaluation, model, name, field))
    delays = delays_ms(evaluation, model)
    say(
        "delay, ms after the word",
        {f"p{p}": round(float(np.percentile(delays, p))) for p in (5, 50, 95, 99)},
    )
    say("stream that is never reset", long_stream(evaluation, model, 20))
    say("streamed against whole", streamed_against_whole(evaluation, model))
    short = [
        ("clean", None),
        *((f"{k} 10 dB", evaluation.with_noise(k, 10)) for k in ("white", "pink")),
    ]
    for name, hear in (("transducer alone, greedy", recognise), ("CTC head alone, greedy", BY_CTC)):
        says, words = invented(evaluation, model, hear)
        say(
            name,
            {label: evaluation.errors(model, "test", record, hear) for label, record in short}
            | {"invented": f"{says}/{words}"},
        )
    if arguments.against is not None:
        other = Model(arguments.against)
        says, words = invented(evaluation, other)
        say(
            f"against {arguments.against.name}",
            {name: evaluation.errors(other, "test", record) for name, record in short}
            | {"invented": f"{says}/{words}"},
        )
    if arguments.report is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2)
        arguments.report.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
