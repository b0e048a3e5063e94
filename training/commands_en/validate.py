"""Validation: word error rate clean and at 10 dB, and words made of words to be rejected.

In: the validation sets. Out: a few figures, while training, and as a command for several penalties on
the blank. Invariants: the same noise at every call. Thread: the caller's.

Greedy decoding loses words whose probability is spread over a few frames, since the blank is the best
guess in each. A penalty on the blank makes up for that; ``export`` puts the one that was chosen here
into the graphs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import network, noise, scoring, sets
from .features import MELS, fronts, mel_power, whole_steps
from .mixing import at_snr, padded
from .words import UNKNOWN_ID, VOCABULARY


class Exam:
    """The validation sets as features, once, and the network's marks in them."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(3)
        said = sets.read(folder, "validation")
        reject = sets.read(folder, "validation-reject")
        self._words = [utterance.words for utterance in said.utterances]
        self._rejected = sum(len(utterance.words) for utterance in reject.utterances)
        clean, noisy = [], []
        for index in range(len(said.utterances)):
            samples = said.samples(index)
            clean.append(padded(samples, rng))
            slope = noise.SLOPES["white" if index % 2 else "pink"]
            noisy.append(at_snr(clean[-1], samples, noise.coloured(clean[-1].size, slope, rng), 10))
        others = [padded(reject.samples(i), rng) for i in range(len(reject.utterances))]
        self._clean, self._noisy, self._others = (
            [whole_steps(fronts(mel_power(samples))) for samples in group]
            for group in (clean, noisy, others)
        )

    def of(self, towers: Sequence[network.Tower], penalty: float = 0.0) -> dict[str, float]:
        """Figures for the transducer, and the CTC head's for comparison.

        Args:
            towers: one, or both.
            penalty: what is taken from the blank's log-probability.
        """
        for tower in towers:
            tower.eval()
        clean, clean_ctc = greedy(towers, self._clean, penalty)
        noisy, noisy_ctc = greedy(towers, self._noisy, penalty)
        invented, invented_ctc = greedy(towers, self._others, penalty)
        for tower in towers:
            tower.train()
        rate = scoring.word_error_rate
        return {
            "clean": round(rate(self._words, clean), 4),
            "noisy": round(rate(self._words, noisy), 4),
            "invented": round(sum(map(len, invented)) / self._rejected, 4),
            "ctc_clean": round(rate(self._words, clean_ctc), 4),
            "ctc_noisy": round(rate(self._words, noisy_ctc), 4),
            "ctc_invented": round(sum(map(len, invented_ctc)) / self._rejected, 4),
        }


@torch.no_grad()
def greedy(
    towers: Sequence[network.Tower], rows: list[np.ndarray], penalty: float
) -> tuple[list[list[str]], list[list[str]]]:
    """The words of each row by the transducers (at most two per frame) and by CTC."""
    count, longest = len(rows), max(map(len, rows))
    filled = np.tile(fronts(np.zeros((1, MELS), np.float32)), (count, longest, 1))
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    lengths = torch.tensor([len(row) // 4 for row in rows])
    zero = network.zero_state(network.LAYERS, count, network.HIDDEN)
    encoded = [tower.encode(torch.from_numpy(filled), zero)[0] for tower in towers]
    by_ctc = _mean([t.ctc(e) for t, e in zip(towers, encoded, strict=True)], penalty)
    paths = [
        scoring.collapsed(path[:length])
        for path, length in zip(by_ctc.argmax(-1).tolist(), lengths, strict=True)
    ]
    said = [_Said(tower, count) for tower in towers]
    emitted: list[list[int]] = [[] for _ in rows]
    for frame in range(encoded[0].shape[1]):
        for _ in range(2):
            scores = [s.scores(e[:, frame]) for s, e in zip(said, encoded, strict=True)]
            token = _mean(scores, penalty).argmax(-1)
            speaks = (token > 0) & (frame < lengths)
            if not speaks.any():
                break
            for index in speaks.nonzero()[:, 0].tolist():
                emitted[index].append(int(token[index]))
            for part in said:
                part.adopt(token, speaks)
    return _words(emitted), _words(paths)


class _Said:
    """What a tower's predictor makes of what each row said so far."""

    def __init__(self, tower: network.Tower, rows: int) -> None:
        self._tower = tower
        self._predicted, self._state = tower.predictor(
            torch.zeros(rows, 1, dtype=torch.int64),
            network.zero_state(1, rows, network.PREDICTOR),
        )

    def scores(self, encoded: Tensor) -> Tensor:
        return self._tower.joiner(encoded, self._predicted[:, 0])

    def adopt(self, token: Tensor, speaks: Tensor) -> None:
        after, state = self._tower.predictor(token[:, None], self._state)
        self._predicted = torch.where(speaks[:, None, None], after, self._predicted)
        self._state = network.State(
            *(
                torch.where(speaks[None, :, None], new, old)
                for new, old in zip(state, self._state, strict=True)
            )
        )


def _mean(logits: list[Tensor], penalty: float) -> Tensor:
    """The mean log-probabilities of the towers, less the penalty on the blank."""
    mean = torch.stack([part.log_softmax(-1) for part in logits]).mean(0)
    mean[..., 0] -= penalty
    return mean


def _words(rows: list[list[int]]) -> list[list[str]]:
    return [[VOCABULARY[token - 1] for token in row if token != UNKNOWN_ID] for row in rows]


def read_towers(run: Path) -> list[network.Tower]:
    """The towers that ``train`` left in a folder, in the order of ``network.COLUMNS``."""
    towers = []
    for front in network.COLUMNS:
        tower = network.Tower(front).eval()
        tower.load_state_dict(torch.load(run / front / "model.pt", weights_only=True))
        towers.append(tower)
    return towers


def main() -> None:
    """Run as ``python -m commands_en.validate DATA RUN``."""
    parser = argparse.ArgumentParser(
        description="Validate commands-en under penalties on the blank."
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    exam = Exam(arguments.data)
    both = read_towers(arguments.run)
    first, second = network.COLUMNS
    for name, towers in ((first, both[:1]), (second, both[1:]), ("both", both)):
        for penalty in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
            print(name, penalty, exam.of(towers, penalty), flush=True)


if __name__ == "__main__":
    main()
