"""CTC, greedy and by prefix beam search, beside the sum over all alignments."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from gapless.listen.recogniser.decode.contract import DecodeState, Frames
from gapless.listen.recogniser.decode.ctc import GreedyCtc
from gapless.listen.recogniser.decode.ctc_beam import BeamCtc
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.decode.search import BeamOptions

BLANK = 0


def random_frames(n_frames: int, n_tokens: int, seed: int, spread: float = 1.5) -> Frames:
    logits = np.random.default_rng(seed).standard_normal((n_frames, n_tokens)) * spread
    return log_softmax(logits.astype(np.float32))


def frames_of(best: list[int], probabilities: list[float], n_tokens: int = 4) -> Frames:
    """Frames whose best token is given, with its probability; the rest is shared by the others."""
    frames = np.empty((len(best), n_tokens), np.float32)
    for frame, token, probability in zip(frames, best, probabilities, strict=True):
        frame[:] = (1 - probability) / (n_tokens - 1)
        frame[token] = probability
    return np.log(frames)


def collapse(alignment: tuple[int, ...]) -> tuple[int, ...]:
    """Repeats, then blanks left out (Graves et al. 2006, the map B)."""
    return tuple(token for token, _ in groupby(alignment) if token != BLANK)


def sum_alignments(frames: Frames) -> dict[tuple[int, ...], float]:
    found: defaultdict[tuple[int, ...], float] = defaultdict(float)
    n_frames, n_tokens = frames.shape
    for alignment in product(range(n_tokens), repeat=n_frames):
        logprob = frames[np.arange(n_frames), alignment].astype(np.float64).sum()
        found[collapse(alignment)] += float(np.exp(logprob))
    return {tokens: float(np.log(p)) for tokens, p in found.items()}


def tokens_of(state: DecodeState) -> tuple[int, ...]:
    return tuple(emission.token for emission in state.paths()[0].emissions)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("n_frames", "n_tokens"), [(4, 3), (5, 3), (6, 2)])
def test_a_wide_beam_is_the_sum_over_all_alignments(
    n_frames: int, n_tokens: int, seed: int
) -> None:
    frames = random_frames(n_frames, n_tokens, seed)
    exact = sorted(sum_alignments(frames).items(), key=lambda item: -item[1])
    decoder = BeamCtc(BLANK, BeamOptions(beam=64))
    state = decoder.start()

    decoder.step([(state, frames)])
    paths = state.paths(4)

    assert [tuple(e.token for e in path.emissions) for path in paths] == [
        tokens for tokens, _ in exact[:4]
    ]
    assert [path.score for path in paths] == pytest.approx(
        [score for _, score in exact[:4]], abs=1e-4
    )


@pytest.mark.parametrize("seed", range(8))
def test_greedy_is_the_best_alignment_collapsed(seed: int) -> None:
    frames = random_frames(30, 4, seed)
    decoder = GreedyCtc(BLANK)
    state = decoder.start()

    decoder.step([(state, frames)])

    assert tokens_of(state) == collapse(tuple(frames.argmax(axis=1).tolist()))
    assert state.paths()[0].score == pytest.approx(float(frames.max(axis=1).sum()), abs=1e-3)
    assert state.n_stable == len(tokens_of(state))


def test_a_beam_finds_what_greedy_misses() -> None:
    # The best alignment is two blanks (0.36), but "1" is the more likely text (0.64).
    frames = np.log(np.array([[0.6, 0.4], [0.6, 0.4]], np.float32))
    greedy, beam = GreedyCtc(BLANK), BeamCtc(BLANK)
    states = greedy.start(), beam.start()
    greedy.step([(states[0], frames)])
    beam.step([(states[1], frames)])

    assert tokens_of(states[0]) == ()
    assert tokens_of(states[1]) == (1,)
    assert states[1].paths()[0].score == pytest.approx(np.log(0.64), abs=1e-5)


@pytest.mark.parametrize("decoder", [GreedyCtc(BLANK), BeamCtc(BLANK)], ids=["greedy", "beam"])
@pytest.mark.parametrize("split", [[5], [2, 3], [1] * 5, [3, 2]])
def test_a_token_lasts_until_another_or_a_blank_and_is_as_sure_as_at_its_best(
    decoder: GreedyCtc | BeamCtc, split: list[int]
) -> None:
    frames = frames_of([1, 1, 0, 1, 2], [0.8, 0.95, 0.9, 0.7, 0.9])
    state = decoder.start()
    for part in np.split(frames, np.cumsum(split)[:-1]):
        decoder.step([(state, part)])

    emissions = state.paths()[0].emissions
    assert [(e.token, e.frame, e.end_frame) for e in emissions] == [(1, 0, 2), (1, 3, 4), (2, 4, 5)]
    assert [np.exp(e.logprob) for e in emissions] == pytest.approx([0.95, 0.7, 0.9], abs=1e-5)


def test_a_settled_token_may_still_last() -> None:
    decoder = BeamCtc(BLANK, BeamOptions(beam=1))
    state = decoder.start()
    frames = frames_of([1, 1, 0, 1], [0.8, 0.95, 0.9, 0.9])
    settled = []
    for index in range(4):
        decoder.step([(state, frames[index : index + 1])])
        settled.append(state.n_stable)

    assert settled == [1, 1, 1, 2]
    first, second = state.paths()[0].emissions
    assert (first.frame, first.end_frame, second.frame) == (0, 2, 3)
    assert np.exp(first.logprob) == pytest.approx(0.95, abs=1e-5)


@pytest.mark.parametrize("decoder", [GreedyCtc(BLANK), BeamCtc(BLANK)], ids=["greedy", "beam"])
def test_logits_do_as_well_as_log_probabilities(decoder: GreedyCtc | BeamCtc) -> None:
    logprobs = random_frames(20, 4, seed=5)
    states = decoder.start(), decoder.start()
    decoder.step([(states[0], logprobs), (states[1], logprobs + 3.0)])

    ours, theirs = (state.paths()[0] for state in states)
    assert [e.token for e in ours.emissions] == [e.token for e in theirs.emissions]
    assert ours.score == pytest.approx(theirs.score, abs=1e-4)


def test_a_token_that_becomes_likely_late_is_put_where_it_is_likely() -> None:
    frames = frames_of([0, 0, 1, 0], [0.6, 0.6, 0.98, 0.9])
    decoder = BeamCtc(BLANK)
    state = decoder.start()
    decoder.step([(state, frames)])

    (emission,) = state.paths()[0].emissions
    assert (emission.frame, emission.end_frame) == (2, 3)


def test_prefixes_carry_only_what_is_not_settled() -> None:
    decoder = BeamCtc(BLANK)
    state = decoder.start()
    tokens = [1, 0, 2, 0, 3, 0] * 50
    decoder.step([(state, frames_of(tokens, [0.97] * len(tokens)))])

    assert tokens_of(state) == collapse(tuple(tokens))
    assert state.n_stable > 140


def test_nothing_to_decode_is_nothing_to_do() -> None:
    for decoder in (GreedyCtc(BLANK), BeamCtc(BLANK)):
        state = decoder.start()
        decoder.step([])
        decoder.step([(state, np.empty((0, 4), np.float32))])
        decoder.finish([state])
        assert (state.n_frames, state.n_stable, tokens_of(state)) == (0, 0, ())


def test_log_softmax_survives_large_logits_and_sums_to_one() -> None:
    logits = np.array([[1e4, 1e4 - 1, -1e4], [-1e30, 0.0, 0.0]], np.float32)

    assert np.exp(log_softmax(logits)).sum(axis=1) == pytest.approx([1.0, 1.0])
