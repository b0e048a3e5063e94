"""Both heads decoded as one, against sums over all alignments, with heads that are tables of random numbers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from commands_en import joint

FRAMES, TOKENS = 4, 3


class Heads:
    """Graphs whose encoder frame is its own number, and whose predictor's state is a number for what was said."""

    unknown = 99

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self._ctc = _log_softmax(rng.standard_normal((FRAMES, TOKENS)))
        self._joiner = rng.standard_normal((FRAMES, 1000, TOKENS))
        state = [SimpleNamespace(name=name, shape=[1, "N", 1]) for name in ("ph", "pc")]
        self.ctc = SimpleNamespace(run=self._by_ctc)
        self.joiner = SimpleNamespace(run=self._by_joiner)
        self.predictor = SimpleNamespace(run=self._predict, get_inputs=lambda: state)

    def _by_ctc(self, _: None, inputs: dict[str, Any]) -> list[np.ndarray]:
        return [self._ctc[int(inputs["encoded"][0, 0, 0])][None, None]]

    def _by_joiner(self, _: None, inputs: dict[str, Any]) -> list[np.ndarray]:
        frames, said = inputs["encoded"][:, 0].astype(int), inputs["predicted"][:, 0].astype(int)
        return [self._joiner[frames, said]]

    def _predict(self, _: None, inputs: dict[str, Any]) -> list[np.ndarray]:
        said = inputs["ph"][0] * TOKENS + inputs["token"]
        return [said, said[None], said[None]]

    def by_ctc(self, tokens: tuple[int, ...]) -> float:
        """Log of the sum over all paths that collapse to the tokens."""
        ways = [NEVER]
        for path in itertools.product(range(TOKENS), repeat=FRAMES):
            runs = [token for token, _ in itertools.groupby(path)]
            if tuple(token for token in runs if token) == tokens:
                ways.append(sum(self._ctc[t, token] for t, token in enumerate(path)))
        return float(np.logaddexp.reduce(ways))

    def by_transducer(self, tokens: tuple[int, ...]) -> float:
        """Log of the sum over all ways in which the n-th token comes no earlier than the n-th frame."""
        said = [0]
        for token in tokens:
            said.append(said[-1] * TOKENS + token)
        scores = self._joiner.copy()
        scores[..., 0] += joint.BLANK_GIVEN_BACK
        scores = _log_softmax(scores)
        ways = [NEVER]
        for frames in itertools.combinations_with_replacement(range(FRAMES), len(tokens)):
            if any(frame < number for number, frame in enumerate(frames)):
                continue
            emitted = sum(
                scores[t, said[n], token]
                for n, (t, token) in enumerate(zip(frames, tokens, strict=True))
            )
            blanks = sum(
                scores[t, said[sum(frame <= t for frame in frames)], 0] for t in range(FRAMES)
            )
            ways.append(emitted + blanks)
        return float(np.logaddexp.reduce(ways))


NEVER = -1e30


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def test_a_beam_that_holds_everything_sums_over_all_alignments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joint, "WORTH_A_LOOK", -1e9)
    heads = Heads()
    search = joint.JointSearch(heads, beam=1000)
    for frame in range(FRAMES):
        search.step(np.array([[frame]], np.float32))
    assert len(search._beam) == sum((TOKENS - 1) ** n for n in range(FRAMES + 1))
    for prefix in search._beam:
        total = np.logaddexp(prefix.blank, prefix.label)
        assert max(total, -1e20) == pytest.approx(max(heads.by_ctc(prefix.tokens), -1e20))
        assert prefix.forward == pytest.approx(heads.by_transducer(prefix.tokens))


def test_the_beam_is_bounded_and_its_best_comes_first() -> None:
    search = joint.JointSearch(Heads(), beam=2)
    for frame in range(FRAMES):
        search.step(np.array([[frame]], np.float32))
        assert len(search._beam) <= 2
    assert search.best == search._beam[0].emitted
    assert all(0 <= one.frame < FRAMES for one in search.best)
