"""The search over both heads, beside the sums over all alignments of either, written out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement, groupby, pairwise, product

import msgspec
import numpy as np
import pytest

from gapless.errors import ConfigError, ModelError
from gapless.listen.recogniser.decode.contract import DecodeState, Frames
from gapless.listen.recogniser.decode.hybrid_beam import BeamHybrid
from gapless.listen.recogniser.decode.hybrid_prefixes import HybridOptions
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.decode.search import BeamOptions
from gapless.testing.transducer import TableHead, TableJoint

WIDEST = HybridOptions(BeamOptions(beam=64), least_logprob=-1e9, margin=1e9)


def heads(seed: int, n_tokens: int = 3) -> tuple[TableJoint, TableHead]:
    return TableJoint(n_tokens, seed=seed), TableHead(n_tokens, seed=seed)


def by_ctc(head: TableHead, n_frames: int, tokens: Sequence[int]) -> float:
    """Log of the sum over all paths that collapse to the tokens (Graves et al. 2006)."""
    (scores,) = head.score([frames(n_frames)])
    total = 0.0
    for path in product(range(scores.shape[1]), repeat=n_frames):
        if [token for token, _ in groupby(path) if token] == list(tokens):
            total += np.exp(scores[np.arange(n_frames), path].astype(np.float64).sum())
    return float(np.log(total)) if total else -np.inf


def by_transducer(
    joint: TableJoint, n_frames: int, tokens: Sequence[int], blank_offset: float
) -> float:
    """Log of the sum over all ways to say the tokens in the frames, each leaving its frame by a blank (Graves 2012).

    A token comes no earlier than CTC could have said it: before, there is no such prefix.
    """
    repeats = [n > 0 and token == tokens[n - 1] for n, token in enumerate(tokens)]
    earliest = [n + sum(repeats[: n + 1]) for n in range(len(tokens))]

    def logprob(frame: int, n_said: int, token: int) -> float:
        logits = joint.logits(frame, list(tokens[:n_said])).copy()
        logits[joint.blank] += blank_offset
        return float(log_softmax(logits[None])[0, token])

    total = 0.0
    for emitted in combinations_with_replacement(range(n_frames), len(tokens)):
        if all(at >= first for at, first in zip(emitted, earliest, strict=True)):
            said = sum(
                logprob(frame, n, token)
                for n, (frame, token) in enumerate(zip(emitted, tokens, strict=True))
            )
            left = sum(
                logprob(frame, sum(at <= frame for at in emitted), joint.blank)
                for frame in range(n_frames)
            )
            total += np.exp(said + left)
    return float(np.log(total))


def frames(n_frames: int) -> Frames:
    return np.array([[frame, 0] for frame in range(n_frames)], np.float32)


def run(decoder: BeamHybrid, n_frames: int, phrases: list[tuple[int, ...]]) -> DecodeState:
    state = decoder.start(phrases)
    decoder.step([(state, frames(n_frames))])
    decoder.finish([state])
    return state


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("share", "bonus", "offset"), [(0.5, 0.0, 0.0), (0.3, 0.7, 1.5), (0.0, 0.0, 0.0), (1.0, 0, 0)]
)
def test_a_beam_that_holds_everything_sums_over_all_alignments_of_both_heads(
    share: float, bonus: float, offset: float, seed: int
) -> None:
    joint, head = heads(seed)
    options = msgspec.structs.replace(
        WIDEST, transducer_share=share, token_bonus=bonus, blank_offset=offset
    )
    state = run(BeamHybrid(joint, head, options), 4, [])

    paths = state.paths(64)

    texts = [text for n in range(5) for text in product((1, 2), repeat=n)]
    assert len(paths) == sum(by_ctc(head, 4, text) > -np.inf for text in texts)
    for path in paths:
        tokens = [emission.token for emission in path.emissions]
        expected = (
            share * by_transducer(joint, 4, tokens, offset)
            + (1 - share) * by_ctc(head, 4, tokens)
            + bonus * len(tokens)
        )
        assert path.score == pytest.approx(expected, abs=1e-4), tokens
    assert [path.score for path in paths] == sorted((path.score for path in paths), reverse=True)


def test_one_head_may_count_for_nothing() -> None:
    joint, head = heads(1)
    alone = run(BeamHybrid(joint, head, HybridOptions(WIDEST.search, 0.0)), 4, [])
    others = run(BeamHybrid(TableJoint(3, seed=9), head, HybridOptions(WIDEST.search, 0.0)), 4, [])

    assert [path.score for path in alone.paths(3)] == [path.score for path in others.paths(3)]


def test_a_frame_takes_as_many_calls_with_many_streams_as_with_one() -> None:
    def calls(n_streams: int) -> tuple[int, int, int]:
        joint, head = heads(2, 5)
        decoder = BeamHybrid(joint, head)
        decoder.step([(decoder.start(), frames(1)) for _ in range(n_streams)])
        return len(joint.join_rows), len(joint.advance_rows), head.calls

    assert calls(16) == calls(1) == (2, 1, 1)


def test_a_network_that_fails_leaves_all_streams_as_they_were() -> None:
    joint, head = heads(3, 5)
    decoder = BeamHybrid(joint, head)
    states = [decoder.start() for _ in range(2)]
    step = [(state, frames(6)) for state in states]
    joint.fail_at = 7
    with pytest.raises(ModelError, match="lost"):
        decoder.step(step)
    assert [(state.n_frames, state.paths()[0].emissions) for state in states] == [(0, ())] * 2

    joint.fail_at = None
    decoder.step(step)
    expected = run(decoder, 6, []).paths(4)
    assert [state.paths(4) for state in states] == [expected] * 2


def test_a_token_is_put_where_both_heads_find_it_likeliest() -> None:
    joint, head = heads(4)
    rising = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.02, 0.98, 0], [0.9, 0.1, 0]]) + 1e-3
    joint.logits_are(np.log(rising).astype(np.float32))
    head.scores_are(np.log(rising / rising.sum(1, keepdims=True)).astype(np.float32))
    state = run(BeamHybrid(joint, head), 4, [])

    (emission,) = state.paths()[0].emissions
    assert (emission.token, emission.frame, emission.end_frame) == (1, 2, 3)
    assert np.exp(emission.logprob) == pytest.approx(0.98, abs=0.01)


def test_what_is_far_behind_is_dropped_and_what_is_left_is_settled() -> None:
    joint, head = heads(5, 4)

    def spread(margin: float) -> tuple[list[float], int]:
        options = HybridOptions(BeamOptions(beam=64), margin=margin)
        state = run(BeamHybrid(joint, head, options), 16, [])
        return [path.score for path in state.paths(64)], state.n_stable

    wide, narrow = spread(10.0), spread(0.5)
    assert len(wide[0]) == 64
    assert len(narrow[0]) < 10
    assert narrow[1] > wide[1]


def test_hot_words_are_favoured_and_what_only_began_one_counts_nothing() -> None:
    joint, head = heads(6, 4)
    options = msgspec.structs.replace(WIDEST, search=BeamOptions(beam=64, phrase_bonus=3.0))

    def ranking(*phrases: tuple[int, ...]) -> dict[tuple[int, ...], float]:
        state = run(BeamHybrid(joint, head, options), 3, list(phrases))
        return {
            tuple(emission.token for emission in path.emissions): path.score
            for path in state.paths(64)
        }

    plain, favoured, begun = ranking(), ranking((3, 2)), ranking((3,) * 9)
    assert (3, 2) not in pairwise(next(iter(plain)))
    assert (3, 2) in pairwise(next(iter(favoured)))
    assert favoured[3, 2] == pytest.approx(plain[3, 2] + 6.0)
    assert begun == pytest.approx(plain)


def test_a_transducer_with_durations_is_refused() -> None:
    with pytest.raises(ConfigError, match="without durations") as refused:
        BeamHybrid(TableJoint(3, durations=(0, 1)), TableHead(3))
    assert refused.value.param == "search"


def test_a_share_is_a_share() -> None:
    with pytest.raises(ConfigError, match="give 0 to 1"):
        HybridOptions(transducer_share=1.5)


def test_nothing_to_decode_is_nothing_to_do() -> None:
    joint, head = heads(7)
    decoder = BeamHybrid(joint, head)
    state = decoder.start()
    decoder.step([])
    decoder.step([(state, frames(0))])
    decoder.finish([state])

    assert (state.n_frames, state.n_stable, state.paths()[0].emissions) == (0, 0, ())
    assert (joint.join_rows, head.calls) == ([], 0)
