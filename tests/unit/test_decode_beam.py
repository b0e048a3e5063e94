"""Beam search with transducers beside the sum over all alignments, written out."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest

from gapless.errors import ConfigError, ModelError
from gapless.listen.recogniser.decode.beam import BeamTransducer
from gapless.listen.recogniser.decode.contract import DecodeState
from gapless.listen.recogniser.decode.greedy import GreedyTransducer
from gapless.listen.recogniser.decode.search import BeamOptions
from gapless.testing.transducer import TableJoint

WIDEST = BeamOptions(beam=64)


def log_softmax(logits: npt.NDArray[np.float32]) -> list[float]:
    exact = logits.astype(np.float64)
    return [float(value) for value in exact - np.log(np.exp(exact).sum())]


def sum_alignments(
    joint: TableJoint, kinds: list[int], max_symbols: int
) -> dict[tuple[int, ...], float]:
    """Probability of each token sequence: the sum over all of its alignments.

    The lattice of Graves 2012 (RNN-T), with the moves of Xu et al. 2023 (TDT), where a blank moves on by 1 at least, and
    a token that is the last one allowed at its frame moves on too.
    """
    found: defaultdict[tuple[int, ...], float] = defaultdict(float)

    def follow(at: int, symbols: int, tokens: tuple[int, ...], logprob: float) -> None:
        if at >= len(kinds):
            found[tokens] += float(np.exp(logprob))
            return
        logits = joint.logits(kinds[at], list(tokens))
        moves = joint.durations or (0,)
        move_logprobs = log_softmax(logits[joint.n_tokens :]) if joint.durations else [0.0]
        for token, token_logprob in enumerate(log_softmax(logits[: joint.n_tokens])):
            for move, move_logprob in zip(moves, move_logprobs, strict=True):
                total = logprob + token_logprob + move_logprob
                if token == joint.blank:
                    follow(at + max(move, 1), 0, tokens, total)
                elif move == 0 and symbols + 1 < max_symbols:
                    follow(at, symbols + 1, (*tokens, token), total)
                else:
                    follow(at + max(move, 1), 0, (*tokens, token), total)

    follow(0, 0, (), 0.0)
    return {tokens: float(np.log(p)) for tokens, p in found.items()}


def run(
    decoder: BeamTransducer, joint: TableJoint, kinds: list[int], phrases: list[tuple[int, ...]]
) -> DecodeState:
    state = decoder.start(phrases)
    decoder.step([(state, joint.frames(kinds))])
    decoder.finish([state])
    return state


def ranking(state: DecodeState, n_best: int) -> dict[tuple[int, ...], float]:
    return {
        tuple(emission.token for emission in path.emissions): path.score
        for path in state.paths(n_best)
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("n_frames", "max_symbols", "durations"),
    [(2, 2, ()), (3, 1, ()), (4, 1, ()), (2, 2, (0, 1, 2)), (3, 1, (0, 1, 2)), (4, 1, (1, 3))],
)
def test_a_wide_beam_is_the_sum_over_all_alignments(
    n_frames: int, max_symbols: int, durations: tuple[int, ...], seed: int
) -> None:
    joint = TableJoint(3, blank=2, durations=durations, seed=seed)
    kinds = list(range(n_frames))
    exact = sum_alignments(joint, kinds, max_symbols)
    state = run(BeamTransducer(joint, WIDEST, max_symbols=max_symbols), joint, kinds, [])

    found = ranking(state, 8)

    expected = dict(sorted(exact.items(), key=lambda item: -item[1])[:8])
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("durations", [(), (0, 1, 2)], ids=["rnnt", "tdt"])
def test_what_a_narrow_beam_finds_is_hardly_less_likely_than_the_best(
    durations: tuple[int, ...], seed: int
) -> None:
    joint = TableJoint(3, durations=durations, seed=seed)
    kinds = list(range(4))
    exact = sum_alignments(joint, kinds, 1)
    best = max(exact.values())
    state = run(BeamTransducer(joint, BeamOptions(beam=4), max_symbols=1), joint, kinds, [])
    tokens, score = next(iter(ranking(state, 1).items()))

    # What was pruned is missing from the sum, so a score is never too high.
    assert score <= exact[tokens] + 1e-4
    assert exact[tokens] > best - 1.0


@pytest.mark.parametrize("seed", range(10))
def test_a_beam_of_one_is_greedy_where_one_token_is_allowed_per_frame(seed: int) -> None:
    joint = TableJoint(6, blank=5, seed=seed)
    kinds = np.random.default_rng(seed).integers(0, 16, 30).tolist()
    beam = BeamTransducer(joint, BeamOptions(beam=1), max_symbols=1)
    greedy = GreedyTransducer(joint, max_symbols=1)
    states = beam.start(), greedy.start()
    beam.step([(states[0], joint.frames(kinds))])
    greedy.step([(states[1], joint.frames(kinds))])

    ours, theirs = states[0].paths()[0], states[1].paths()[0]

    assert [(e.token, e.frame, e.end_frame) for e in ours.emissions] == [
        (e.token, e.frame, e.end_frame) for e in theirs.emissions
    ]
    assert ours.score == pytest.approx(theirs.score, abs=1e-3)
    assert [e.logprob for e in ours.emissions] == pytest.approx(
        [e.logprob for e in theirs.emissions], abs=1e-5
    )


@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3)], ids=["rnnt", "tdt"])
def test_a_frame_takes_as_many_calls_with_many_streams_as_with_one(
    durations: tuple[int, ...],
) -> None:
    joint = TableJoint(5, durations=durations, seed=1)
    kinds = [[kind] for kind in range(16)]

    def calls(streams: list[list[int]]) -> int:
        decoder = BeamTransducer(joint, max_symbols=3)
        before = len(joint.join_rows)
        decoder.step([(decoder.start(), joint.frames(each)) for each in streams])
        return len(joint.join_rows) - before

    assert calls(kinds) == max(calls([each]) for each in kinds)


def test_no_more_rows_are_asked_about_than_the_beam_holds() -> None:
    joint = TableJoint(5, durations=(0, 1, 2), seed=1)
    decoder = BeamTransducer(joint, BeamOptions(beam=3), max_symbols=4)
    state = decoder.start()

    decoder.step([(state, joint.frames(list(range(16)) * 4))])

    assert max(joint.join_rows) == 3
    assert len(joint.join_rows) <= 4 * 64


def test_hypotheses_that_fell_behind_are_not_asked_about_again() -> None:
    joint = TableJoint(5, n_kinds=4)
    joint.logits_are(
        np.array([[6, 0, 0, 0, 0], [6, 1, 0, 0, 0], [0, 6, 0, 0, 0], [6, 0, 2, 0, 0]], np.float32)
    )
    decoder = BeamTransducer(joint, BeamOptions(beam=3), max_symbols=10)
    state = decoder.start()

    decoder.step([(state, joint.frames([0, 1, 0, 3] * 16))])

    assert len(joint.join_rows) < 3 * 64


@pytest.mark.parametrize("durations", [(), (0, 1)], ids=["rnnt", "tdt"])
def test_a_doubt_is_settled_when_it_is_older_than_the_horizon(durations: tuple[int, ...]) -> None:
    joint = TableJoint(4, durations=durations, n_kinds=3)
    doubt, blank, clear = [-4.0, 2.0, 1.9, -4.0], [9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0]
    logits = np.array([doubt, blank, clear], np.float32)
    joint.logits_are(np.hstack([logits, np.array([[-9, 9]] * 3, np.float32)[:, : len(durations)]]))
    decoder = BeamTransducer(joint, BeamOptions(horizon_frames=10), max_symbols=1)
    state = decoder.start()
    decoder.step([(state, joint.frames([0, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]))])
    open_still = state.n_stable
    decoder.step([(state, joint.frames([1]))])

    assert open_still == 0
    assert state.n_stable >= 1
    assert [emission.token for emission in state.paths()[0].emissions] == [1, 3]


def test_different_hypotheses_are_listed_once_and_in_order() -> None:
    joint = TableJoint(5, durations=(0, 1, 2), seed=2)
    state = run(BeamTransducer(joint, BeamOptions(beam=6)), joint, list(range(10)), [])
    paths = state.paths(6)

    tokens = [tuple(emission.token for emission in path.emissions) for path in paths]
    scores = [path.score for path in paths]

    assert len(set(tokens)) == len(tokens) == 6
    assert scores == sorted(scores, reverse=True)
    assert state.paths(2) == paths[:2]


def test_a_network_that_fails_leaves_all_streams_as_they_were() -> None:
    joint = TableJoint(5, durations=(0, 1, 2), seed=1)
    kinds = [[1, 2, 3, 4, 5, 6], [5, 6], [7, 8, 9]]
    decoder = BeamTransducer(joint)
    streams = [(decoder.start(), joint.frames(each)) for each in kinds]
    undisturbed = [(decoder.start(), joint.frames(each)) for each in kinds]
    for _ in range(2):
        for call in (0, 1, 4):
            joint.fail_at = len(joint.join_rows) + call
            with pytest.raises(ModelError):
                decoder.step(streams)
        joint.fail_at = None
        decoder.step(streams)
        decoder.step(undisturbed)

    for (state, _), (other, _) in zip(streams, undisturbed, strict=True):
        assert state.paths(4) == other.paths(4)
        assert (state.n_frames, state.n_stable) == (other.n_frames, other.n_stable)


def test_a_token_is_put_where_it_is_likely() -> None:
    # Every row of the table is a frame; what was said before makes no difference.
    joint = TableJoint(2)
    blank_then_token = np.array([[2.0, -2.0], [1.0, -1.0], [-4.0, 4.0], [4.0, -4.0]], np.float32)
    joint.logits_are(blank_then_token)
    state = run(BeamTransducer(joint, max_symbols=1), joint, [0, 1, 2, 3], [])

    assert [emission.frame for emission in state.paths()[0].emissions] == [2]


@pytest.mark.long
def test_settled_tokens_are_not_carried_by_hypotheses() -> None:
    joint = TableJoint(5, seed=1, spread=4.0)
    decoder = BeamTransducer(joint)
    state = decoder.start()

    decoder.step([(state, joint.frames(np.random.default_rng(1).integers(0, 16, 400).tolist()))])

    length = len(state.paths()[0].emissions)
    assert length > 100
    assert state.n_stable > length - 40


@pytest.mark.parametrize("beam", [0, 65])
def test_a_beam_out_of_range_is_refused(beam: int) -> None:
    with pytest.raises(ConfigError, match="give 1 to 64"):
        BeamOptions(beam=beam)


def test_a_bonus_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="give 0 to 20"):
        BeamOptions(phrase_bonus=-1.0)
