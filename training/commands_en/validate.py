"""Validation: word error rate clean and at 10 dB, and words made of words to be rejected.

In: the validation sets. Out: a few figures, while training, and as a command for several penalties on
the blank. Invariants: the same noise at every call. Thread: the caller's.

Greedy decoding loses words whose probability is spread over a few frames, since the blank is the best
guess in each. A penalty on the blank's logit makes up for that; ``export`` puts the one that was
chosen here into the graphs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from . import network, noise, scoring, sets
from .features import features
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
            [features(samples) for samples in group] for group in (clean, noisy, others)
        )

    def of(self, model: network.Recogniser) -> dict[str, float]:
        """Figures for the transducer, and the CTC head's for comparison."""
        model.eval()
        clean, clean_ctc = greedy(model, self._clean)
        noisy, noisy_ctc = greedy(model, self._noisy)
        invented, invented_ctc = greedy(model, self._others)
        model.train()
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
    model: network.Recogniser, rows: list[np.ndarray]
) -> tuple[list[list[str]], list[list[str]]]:
    """The words of each row by the transducer (at most two per frame) and by CTC."""
    count, longest = len(rows), max(map(len, rows))
    filled = np.full((count, longest, rows[0].shape[1]), -1.9, np.float32)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    lengths = torch.tensor([len(row) // 4 for row in rows])
    encoded, _ = model.encoder(
        torch.from_numpy(filled), network.zero_state(network.LAYERS, count, network.HIDDEN)
    )
    best = model.ctc(encoded).argmax(-1).tolist()
    by_ctc = [scoring.collapsed(path[:length]) for path, length in zip(best, lengths, strict=True)]
    predicted, state = model.predictor(
        torch.zeros(count, 1, dtype=torch.int64), network.zero_state(1, count, network.PREDICTOR)
    )
    emitted: list[list[int]] = [[] for _ in rows]
    for frame in range(encoded.shape[1]):
        for _ in range(2):
            token = model.joiner(encoded[:, frame], predicted[:, 0]).argmax(-1)
            speaks = (token > 0) & (frame < lengths)
            if not speaks.any():
                break
            for index in speaks.nonzero()[:, 0].tolist():
                emitted[index].append(int(token[index]))
            after, state_after = model.predictor(token[:, None], state)
            predicted = torch.where(speaks[:, None, None], after, predicted)
            state = network.State(
                *(
                    torch.where(speaks[None, :, None], new, old)
                    for new, old in zip(state_after, state, strict=True)
                )
            )
    words = [[VOCABULARY[t - 1] for t in row if t != UNKNOWN_ID] for row in emitted]
    return words, [[VOCABULARY[t - 1] for t in row if t != UNKNOWN_ID] for row in by_ctc]


def penalise_blank(model: network.Recogniser, *, joiner: float, ctc: float) -> None:
    """Lower the logit of the blank in both heads."""
    with torch.no_grad():
        model.joiner.score.bias[0] -= joiner
        model.ctc.bias[0] -= ctc


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
    for penalty in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        model = network.Recogniser()
        model.load_state_dict(torch.load(arguments.run / "model.pt", weights_only=True))
        penalise_blank(model, joiner=penalty, ctc=penalty)
        print(penalty, exam.of(model), flush=True)


if __name__ == "__main__":
    main()
