"""Batches for training: speech and noise mixed in the mel domain, differently every time.

In: the sets and banks that ``generate`` wrote. Out: features, targets and frame-wise words.
Invariants: noise fills a row to its end, padding included, so that the state after a row is that of
a stream. Thread: one.

Mixing adds mel powers and a cross term of random sign; it costs a tenth of mixing samples, and models
did not differ by it (``design/training.md`` compared the two at white and pink noise).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from . import network, noise, sets, words
from .features import MELS, SAMPLE_RATE, STACK, fronts, mel_power
from .losses import Targets
from .words import UNKNOWN_ID

FloatArray = npt.NDArray[np.float32]

FRAME_MS: Final = 40
EARLIEST: Final = 0.3
"""Share of a word after which its label may be emitted."""
LATEST_MS: Final = 240
"""How long after its word a label may be emitted."""
EMPTY_SHARE: Final = 0.1
LOWEST_SNR_OF_SOUNDS_DB: Final = 5.0
"""Music and babble are never louder than that: nobody could say who is to be heard."""
CUT_SHARE: Final = 0.15
"""Share of the rows that are digital silence but for the utterance, as behind a voice detector."""
WARPS: Final = np.linspace(0.88, 1.12, 9)
CROSS_TERM: Final = 1.4


class Batch(NamedTuple):
    """What one training step needs."""

    features: torch.Tensor
    """float32 [N, T, 80], see ``features.fronts``."""
    targets: Targets
    framewise: torch.Tensor
    """int64 [N, T / 4]: the word of each frame from its middle to 80 ms after it, else 0."""


class _Row(NamedTuple):
    """One utterance placed in its row."""

    utterance: int
    lead: int
    """Frames of 10 ms before it."""


class Batches:
    """Batches of similar length in random order.

    Args:
        folder: where ``generate`` wrote.
        size: rows per batch.
        seed: of everything that is drawn.
    """

    def __init__(self, folder: Path, size: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._size = size
        self._set = sets.read(folder, "train")
        self._lengths = np.diff(self._set.offsets)
        self._colours = [
            mel_power(noise.coloured(60 * SAMPLE_RATE, slope, self._rng))
            for slope in noise.SLOPES.values()
        ]
        with np.load(folder / "noise-train.npz") as banks:
            self._music, self._babble = (
                mel_power(noise.normalised(banks[kind].astype(np.float32)))
                for kind in ("music", "babble")
            )
        self._warps = np.stack([_warp(amount) for amount in WARPS])

    def epoch(self, *, easy: bool) -> list[npt.NDArray[np.int64]]:
        """The indices of each batch of one pass over the set.

        Args:
            easy: leave out rooms and words to be rejected.
        """
        utterances = self._set.utterances
        known = set(words.VOCABULARY)
        chosen = np.array(
            [
                index
                for index, utterance in enumerate(utterances)
                if not (easy and (utterance.in_room or not known.issuperset(utterance.words)))
            ]
        )
        lengths = self._lengths[chosen] + self._rng.uniform(0, 30, len(chosen))
        order = chosen[np.argsort(lengths)]
        order = order[: len(order) // self._size * self._size].reshape(-1, self._size)
        return list(self._rng.permutation(order))

    def batch(
        self,
        indices: npt.NDArray[np.int64],
        noisiness: float,
        *,
        steady: float,
    ) -> Batch:
        """Mix one batch.

        Args:
            indices: of the utterances.
            noisiness: 0 to 1; 70 % of that share of the rows is mixed at 20 dB less 20 times that
                or more, the others at 18 to 76 dB.
            steady: share of the rows whose noise is coloured; half of the others have music, half babble.
        """
        rng = self._rng
        count = len(indices)
        leads = rng.integers(5, 70, count)
        tails = rng.integers(28, 60, count)
        frames = int((self._lengths[indices] + leads + tails).max()) // STACK * STACK
        empty = rng.random(count) < EMPTY_SHARE
        rows = [_Row(int(index), int(lead)) for index, lead in zip(indices, leads, strict=True)]
        speech = np.zeros((count, frames, MELS), np.float32)
        noises = np.empty((count, frames, MELS), np.float32)
        for n, row in enumerate(rows):
            power = self._set.utterances[row.utterance].power
            noises[n] = (
                self._noise_alone(frames)
                if empty[n]
                else self._noise(frames, power, noisiness, steady)
            )
            if not empty[n]:
                start, end = self._set.offsets[row.utterance : row.utterance + 2]
                speech[n, row.lead : row.lead + end - start] = np.exp(
                    self._set.rows[start:end].astype(np.float32)
                )
        mixed = self._coloured(np.matmul(speech, self._warps[rng.integers(0, len(WARPS), count)]))
        # Music and babble must not be learned by heart either.
        noises = self._coloured(np.matmul(noises, self._warps[rng.integers(0, len(WARPS), count)]))
        cross = CROSS_TERM * np.sqrt(mixed * noises)
        mixed += noises + cross * rng.uniform(-1, 1, mixed.shape).astype(np.float32)
        level = 10 ** rng.uniform(-2.2, 0.7, (count, 1, 1)).astype(np.float32)
        mixed = np.maximum(mixed, 0) * level
        self._cut(mixed, rows)
        features = fronts(mixed, self._means(mixed))
        for n in np.flatnonzero(rng.random(count) < 0.15):
            width = rng.integers(1, 9)
            lowest = rng.integers(0, MELS - width)
            for front in network.COLUMNS.values():
                seen = features[n, :, front]
                seen[:, lowest : lowest + width] = seen.min()
        targets, framewise = self._targets(rows, empty, frames // STACK)
        return Batch(
            torch.from_numpy(features.astype(np.float32)), targets, torch.from_numpy(framewise)
        )

    def _cut(self, mixed: FloatArray, rows: list[_Row]) -> None:
        """Silence some rows but for the utterance and a little around it."""
        rng = self._rng
        for n in np.flatnonzero(rng.random(len(rows)) < CUT_SHARE):
            end = rows[n].lead + self._lengths[rows[n].utterance]
            mixed[n, : max(0, rows[n].lead - rng.integers(0, 30))] = 0
            mixed[n, end + rng.integers(5, 30) :] = 0

    def _means(self, mixed: FloatArray) -> FloatArray:
        """States to normalise from: half of the rows begin, the others go on after other sound."""
        rng = self._rng
        share = rng.uniform(0, 1.5, (len(mixed), 1)).astype(np.float32)
        after = np.concatenate([mixed.mean(1) * share, np.ones_like(share)], axis=-1)
        return np.where(rng.random((len(mixed), 1)) < 0.5, after, np.float32(0))

    def _noise_alone(self, frames: int) -> FloatArray:
        """Noise, music or babble at -65 to -12 dBFS; silence in one row of seven."""
        power = 0.0 if self._rng.random() < 0.15 else 10 ** self._rng.uniform(-6.5, -1.2)
        return self._excerpt(self._rng.choice(3, p=[0.35, 0.45, 0.2]), frames, power)

    def _noise(
        self, frames: int, speech_power: float, noisiness: float, steady: float
    ) -> FloatArray:
        """What is laid under speech of that power."""
        rng = self._rng
        hard = rng.random() < 0.7 * noisiness
        snr_db = rng.uniform(20 - 20 * noisiness, 20) if hard else rng.uniform(18, 76)
        kind = rng.choice(3, p=[steady, (1 - steady) / 2, (1 - steady) / 2])
        if kind > 0:
            snr_db = max(snr_db, LOWEST_SNR_OF_SOUNDS_DB)
        return self._excerpt(kind, frames, speech_power * 10 ** (-snr_db / 10))

    def _excerpt(self, kind: int, frames: int, power: float) -> FloatArray:
        """Coloured noise (0), music (1) or babble (2) from anywhere in its bank."""
        rng = self._rng
        colours = self._colours[rng.choice(len(self._colours), p=[0.3, 0.1, 0.3, 0.15, 0.15])]
        bank = (colours, self._music, self._babble)[kind]
        start = rng.integers(0, len(bank) - frames)
        excerpt = bank[start : start + frames] * np.float32(power)
        if kind > 0 and rng.random() < 0.5:
            # A quiet room under the music, whose gaps are digital silence otherwise.
            start = rng.integers(0, len(colours) - frames)
            excerpt = excerpt + colours[start : start + frames] * np.float32(power * 1e-3)
        return excerpt

    def _coloured(self, power: FloatArray) -> FloatArray:
        """A smooth equaliser per row, some 5 dB up and down."""
        mel = np.linspace(-1, 1, MELS)
        shapes = np.stack([mel, np.cos(np.pi * mel), np.cos(2 * np.pi * mel)])
        gains = np.exp(0.55 * self._rng.standard_normal((len(power), 3)) @ shapes)
        return power * gains[:, None].astype(np.float32)

    def _targets(
        self, rows: list[_Row], empty: npt.NDArray[np.bool_], frames: int
    ) -> tuple[Targets, npt.NDArray[np.int64]]:
        """Labels with their windows; words to be rejected are only told apart frame by frame."""
        said: list[list[tuple[int, int, int]]] = []
        framewise = np.zeros((len(rows), frames), np.int64)
        for n, row in enumerate(rows):
            said.append([])
            if empty[n]:
                continue
            utterance = self._set.utterances[row.utterance]
            for word, span in zip(utterance.words, utterance.spans_ms, strict=True):
                label = words.label_of(word)
                start, end = (row.lead * 10 + time_ms for time_ms in span)
                middle = (start + end) // 2 // FRAME_MS
                framewise[n, middle : (end + 80) // FRAME_MS] = label
                if label != UNKNOWN_ID:
                    said[n].append((label, start, end))
        most = max(1, *map(len, said))
        labels = np.zeros((len(rows), most), np.int64)
        lengths = np.array([len(labels_of_row) for labels_of_row in said], np.int64)
        first = np.full((len(rows), most), frames, np.int64)
        last = np.full((len(rows), most), -1, np.int64)
        for n, labels_of_row in enumerate(said):
            for u, (label, start, end) in enumerate(labels_of_row):
                labels[n, u] = label
                first[n, u] = int(start + EARLIEST * (end - start)) // FRAME_MS
                last[n, u] = min(frames - 1, int(end + LATEST_MS) // FRAME_MS)
            # A label's window never ends before an earlier one's: both may be late.
            last[n] = np.maximum.accumulate(last[n])
        return Targets(labels, lengths, first, last), framewise


def _warp(amount: float) -> FloatArray:
    """A matrix [40, 40] that moves the mel bands as a longer or shorter vocal tract does."""
    matrix = np.zeros((MELS, MELS), np.float32)
    for band in range(MELS):
        position = min(MELS - 1.0, band * amount)
        low = int(position)
        share = position - low
        matrix[low, band] += 1 - share
        matrix[min(MELS - 1, low + 1), band] += share
    return matrix
