"""Choose speech for tests and benches from the test set, and store it small.

In: the test sets and an exported model. Out: Ogg Opus files and ``sounds.json``.
Invariants: every text is said once, and the model gets it right after Opus, however much of the silence
before it is cut off; voices take turns. The
sounds without text give no words. Thread: one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import numpy.typing as npt

from . import noise, sets
from .decode import Model
from .features import SAMPLE_RATE
from .hybrid import recognise_by_both

FloatArray = npt.NDArray[np.float32]

BITS_PER_S = 24000
LEAD_S = 0.2
TAIL_S = 0.4
TEXTLESS_S = 10
UTTERANCES = 64
REJECTED = 4


class SpokenWord(msgspec.Struct, frozen=True):
    """A word of a sound."""

    w: str
    start_ms: int
    end_ms: int


class Sound(msgspec.Struct, frozen=True):
    """An entry of ``sounds.json``."""

    file: str
    text: str
    words: list[SpokenWord]
    voice: str


def encode(path: Path, samples: FloatArray) -> None:
    """Write samples at 16 kHz as Ogg Opus."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BITS_PER_S
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def decode(path: Path) -> FloatArray:
    """The samples of a file at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        parts = [
            part.to_ndarray()[0]
            for frame in [*container.decode(audio=0), None]
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts).astype(np.float32)


def with_silence(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The samples with 0.2 s before and 0.4 s after them at -80 dBFS."""
    total = np.pad(samples, (int(LEAD_S * SAMPLE_RATE), int(TAIL_S * SAMPLE_RATE)))
    return (total + 1e-4 * rng.standard_normal(total.size)).astype(np.float32)


def always_heard(model: Model, path: Path, samples: FloatArray, words: list[str]) -> bool:
    """Write a sound, read it again, and see whether the model hears the words however it begins.

    A server cuts most of the silence off and fills up with zeros; it may be softer, too.
    """
    encode(path, samples)
    heard = decode(path)
    silence = np.zeros(SAMPLE_RATE, np.float32)
    beginnings_s = (0.0, 0.05, 0.1, 0.15) if words else (0.0,)
    takes = [np.concatenate([heard[int(s * SAMPLE_RATE) :], silence]) for s in beginnings_s]
    takes += [heard, heard / 2, np.concatenate([silence, heard, silence])]
    return all([word.word for word in recognise_by_both(model, take)] == words for take in takes)


def by_turns(data: sets.Dataset) -> list[int]:
    """Indices of a set with the voices in turn."""
    queues: dict[str, list[int]] = defaultdict(list)
    for index, utterance in enumerate(data.utterances):
        queues[utterance.voice].append(index)
    longest = max(map(len, queues.values()))
    return [
        queue[turn] for turn in range(longest) for queue in queues.values() if turn < len(queue)
    ]


def choose_spoken(
    data: sets.Dataset, model: Model, folder: Path, left_out: list[str]
) -> list[Sound]:
    """The first 64 utterances of 1 to 3 s that differ and that the model gets right."""
    rng = np.random.default_rng(1)
    chosen: dict[str, Sound] = {}
    for index in by_turns(data):
        if len(chosen) == UTTERANCES:
            break
        utterance, samples = data.utterances[index], data.samples(index)
        text = " ".join(utterance.words)
        if text in chosen or text in left_out or not SAMPLE_RATE <= samples.size <= 3 * SAMPLE_RATE:
            continue
        file = f"{len(chosen) + 1:02}.opus"
        if not always_heard(model, folder / file, with_silence(samples, rng), utterance.words):
            continue
        lead_ms = round(1000 * LEAD_S)
        words = [
            SpokenWord(word, start + lead_ms, end + lead_ms)
            for word, (start, end) in zip(utterance.words, utterance.spans_ms, strict=True)
        ]
        chosen[text] = Sound(file, text, words, _voice(utterance))
    return list(chosen.values())


def choose_rejected(data: sets.Dataset, model: Model, folder: Path) -> list[Sound]:
    """The first four utterances of other words that give nothing."""
    rng = np.random.default_rng(2)
    chosen: list[Sound] = []
    for index in by_turns(data):
        if len(chosen) == REJECTED:
            break
        utterance, samples = data.utterances[index], data.samples(index)
        file = f"reject-{len(chosen) + 1}.opus"
        long_enough = len(utterance.words) >= 2 and samples.size <= 3 * SAMPLE_RATE
        if long_enough and always_heard(model, folder / file, with_silence(samples, rng), []):
            chosen.append(Sound(file, "", [], _voice(utterance)))
    return chosen


def make_textless(banks: Any, model: Model, folder: Path) -> list[Sound]:
    """Ten seconds each of music, babble and pink noise, if they give nothing."""
    length = TEXTLESS_S * SAMPLE_RATE
    pieces = {
        kind: noise.normalised(banks[kind][:length].astype(np.float32))
        for kind in ("music", "babble")
    }
    pieces["pink-noise"] = noise.coloured(length, noise.SLOPES["pink"], np.random.default_rng(3))
    chosen = []
    for name, samples in pieces.items():
        file = f"{name}.opus"
        if not always_heard(model, folder / file, samples * np.float32(0.05), []):
            raise RuntimeError(f"the model hears words in {file}; choose another piece")
        chosen.append(Sound(file, "", [], ""))
    return chosen


def _voice(utterance: sets.Utterance) -> str:
    return f"{utterance.accent.removeprefix('gmw/')}+{utterance.voice}"


def main() -> None:
    """Run as ``python -m commands_en.sounds DATA MODEL FOLDER``."""
    parser = argparse.ArgumentParser(description="Choose sounds for tests and benches.")
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="TEXT",
        help="an utterance not to use, as a live server cuts it where the model gets it wrong",
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    model = Model(arguments.model)
    sounds = choose_spoken(sets.read(arguments.data, "test"), model, folder, arguments.leave_out)
    sounds += choose_rejected(sets.read(arguments.data, "test-reject"), model, folder)
    with np.load(arguments.data / "noise-test.npz") as banks:
        sounds += make_textless(banks, model, folder)
    for stray in set(folder.glob("*.opus")) - {folder / sound.file for sound in sounds}:
        stray.unlink()
    text = msgspec.json.format(msgspec.json.encode(sounds), indent=1)
    (folder / "sounds.json").write_bytes(text + b"\n")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(sounds)} sounds, {size} bytes")


if __name__ == "__main__":
    main()
