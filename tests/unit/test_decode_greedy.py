"""Greedy decoding of RNN-T and TDT beside a plain one-stream, one-frame loop, and what it costs in calls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from gapless.errors import ConfigError, ModelError
from gapless.listen.recogniser.decode.contract import DecodeState, Frames, Joint, Rows
from gapless.listen.recogniser.decode.ctc import GreedyCtc
from gapless.listen.recogniser.decode.greedy import GreedyState, GreedyTransducer
from gapless.testing.transducer import TableJoint

DURATIONS = (0, 1, 2, 3, 4)


class Said(NamedTuple):
    token: int
    frame: int
    end_frame: int


def decode_plainly(
    joint: TableJoint, kinds: list[int], max_symbols: int
) -> tuple[list[Said], float]:
    """Greedy decoding as in Graves 2012 (RNN-T) and Xu et al. 2023 (TDT), a frame and a token at a time."""
    said: list[Said] = []
    score = 0.0
    at = symbols = 0
    while at < len(kinds):
        logits = joint.logits(kinds[at], [token for token, _, _ in said]).astype(np.float64)
        token_logits = logits[: joint.n_tokens]
        token = int(token_logits.argmax())
        score += float(token_logits[token] - np.log(np.exp(token_logits).sum()))
        if joint.durations:
            duration_logits = logits[joint.n_tokens :]
            which = int(duration_logits.argmax())
            score += float(duration_logits[which] - np.log(np.exp(duration_logits).sum()))
            duration = joint.durations[which]
            move = max(duration, 1) if token == joint.blank else duration
        else:
            duration = 1
            move = 1 if token == joint.blank else 0
        if token != joint.blank:
            said.append(Said(token, at, at + duration))
            symbols += 1
            if move == 0 and symbols == max_symbols:
                move = 1
        if move:
            symbols = 0
        at += move
    return said, score


def said_by(state: DecodeState) -> list[Said]:
    return [Said(e.token, e.frame, e.end_frame) for e in state.paths()[0].emissions]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_symbols", [1, 2, 10])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("durations", [(), DURATIONS], ids=["rnnt", "tdt"])
def test_greedy_decoding_is_that_of_the_plain_loop(
    durations: tuple[int, ...], fused: bool, max_symbols: int, seed: int
) -> None:
    joint = TableJoint(5, blank=4, durations=durations, fused=fused, seed=seed)
    kinds = np.random.default_rng(seed).integers(0, 16, 40).tolist()
    decoder = GreedyTransducer(joint, max_symbols=max_symbols)
    state = decoder.start()

    decoder.step([(state, joint.frames(kinds))])

    said, score = decode_plainly(joint, kinds, max_symbols)
    assert said_by(state) == said
    assert state.paths()[0].score == pytest.approx(score, abs=1e-4)
    assert state.n_frames == 40
    assert state.n_stable == len(said) > 0


def test_the_log_probability_of_an_emission_is_that_of_its_token_among_the_tokens() -> None:
    joint = TableJoint(5, durations=DURATIONS, seed=3)
    kinds = list(range(12))
    decoder = GreedyTransducer(joint)
    state = decoder.start()
    decoder.step([(state, joint.frames(kinds))])
    emissions = state.paths()[0].emissions

    tokens: list[int] = []
    for emission in emissions:
        logits = joint.logits(kinds[emission.frame], tokens)[:5].astype(np.float64)
        expected = logits[emission.token] - np.log(np.exp(logits).sum())
        assert emission.logprob == pytest.approx(expected, abs=1e-5)
        tokens.append(emission.token)
    assert tokens


def test_a_step_takes_as_many_calls_as_the_stream_that_needs_most() -> None:
    joint = TableJoint(5, seed=1)
    kinds = [np.random.default_rng(seed).integers(0, 16, 6).tolist() for seed in range(20)]

    def calls(streams: list[list[int]]) -> int:
        decoder = GreedyTransducer(joint, max_symbols=3)
        before = len(joint.join_rows)
        decoder.step([(decoder.start(), joint.frames(each)) for each in streams])
        return len(joint.join_rows) - before

    alone = [calls([each]) for each in kinds]
    assert len(set(alone)) > 1
    assert calls(kinds) == max(alone)


def test_only_rows_that_emitted_are_advanced() -> None:
    joint = TableJoint(5, seed=1)
    decoder = GreedyTransducer(joint)
    states = [decoder.start() for _ in range(20)]
    kinds = [[seed % 16] for seed in range(20)]

    decoder.step([(s, joint.frames(k)) for s, k in zip(states, kinds, strict=True)])

    assert sum(joint.advance_rows) == sum(state.n_stable for state in states)


class Stutterer:
    """Never gives a blank."""

    blank = 0

    def __init__(self, durations: tuple[int, ...] = ()) -> None:
        self.durations = durations

    def start(self, n_rows: int) -> Rows:
        return (np.zeros((n_rows, 1), np.float32),)

    def join(self, frames: Frames, rows: Rows) -> tuple[Frames, Rows]:
        logits = np.zeros((len(frames), 3 + len(self.durations)), np.float32)
        logits[:, 1] = 5.0
        return logits, ()

    def advance(
        self, rows: Rows, tokens: np.ndarray[tuple[int], np.dtype[np.int64]], joined: Rows
    ) -> Rows:
        return (rows[0] + 1,)


@pytest.mark.parametrize("joint", [Stutterer(), Stutterer((0, 1))], ids=["rnnt", "tdt"])
def test_a_network_that_stutters_moves_on_after_max_symbols(joint: Joint) -> None:
    decoder = GreedyTransducer(joint, max_symbols=4)
    state = decoder.start()

    decoder.step([(state, np.zeros((3, 2), np.float32))])

    assert [emission.frame for emission in state.paths()[0].emissions] == [0] * 4 + [1] * 4 + [
        2
    ] * 4


@pytest.mark.long
def test_there_is_no_cap_on_the_length_of_the_text() -> None:
    decoder = GreedyTransducer(Stutterer(), max_symbols=10)
    state = decoder.start()
    for _ in range(10):
        decoder.step([(state, np.zeros((100, 2), np.float32))])

    assert state.n_stable == 10_000


class Leaper(Stutterer):
    """Says token 1 wherever it is asked, and that it lasts for 5 frames."""

    def __init__(self) -> None:
        super().__init__((5,))


@pytest.mark.parametrize("split", [[12], [1] * 12, [2, 1, 6, 3], [0, 3, 0, 9]])
def test_a_duration_reaches_over_the_end_of_a_step(split: list[int]) -> None:
    decoder = GreedyTransducer(Leaper())
    state = decoder.start()
    for length in split:
        decoder.step([(state, np.zeros((length, 2), np.float32))])

    assert said_by(state) == [Said(1, 0, 5), Said(1, 5, 10), Said(1, 10, 15)]
    assert state.n_frames == 12


def test_a_network_that_fails_leaves_all_streams_as_they_were() -> None:
    joint = TableJoint(5, seed=1)
    decoder = GreedyTransducer(joint)
    kinds = [[1, 2, 3, 4], [5, 6], [7, 8, 9]]
    streams = [(decoder.start(), joint.frames(each)) for each in kinds]
    decoder.step(streams)
    before = [state.paths() for state, _ in streams]
    joint.fail_at = len(joint.join_rows) + 2

    with pytest.raises(ModelError):
        decoder.step(streams)
    assert [state.paths() for state, _ in streams] == before

    joint.fail_at = None
    decoder.step(streams)
    for (state, _), each in zip(streams, kinds, strict=True):
        assert said_by(state) == decode_plainly(joint, each * 2, 10)[0]


def test_a_stream_holds_only_its_own_rows() -> None:
    joint = TableJoint(5, seed=1)
    decoder = GreedyTransducer(joint)
    states = [decoder.start() for _ in range(8)]
    decoder.step([(state, joint.frames([1, 2, 3])) for state in states])

    for state in states:
        assert isinstance(state, GreedyState)
        for row in state.rows:
            assert len(row) == 1
            assert row.base is None


def test_nothing_to_decode_is_nothing_to_do() -> None:
    joint = TableJoint(5)
    decoder = GreedyTransducer(joint)
    state = decoder.start()

    decoder.step([])
    decoder.step([(state, joint.frames([]))])
    decoder.finish([state])

    assert state.n_frames == 0
    assert state.paths()[0].emissions == ()
    assert not joint.join_rows


def test_greedy_decoders_say_that_hot_words_need_a_beam() -> None:
    with pytest.raises(ConfigError, match="beam search"):
        GreedyTransducer(TableJoint(5)).start([(1, 2)])
    with pytest.raises(ConfigError, match="beam search"):
        GreedyCtc(0).start([(1, 2)])


def test_a_bound_of_no_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_symbols"):
        GreedyTransducer(TableJoint(5), max_symbols=0)


def test_a_state_of_another_decoder_is_refused() -> None:
    joint = TableJoint(5)
    with pytest.raises(TypeError, match="another decoder"):
        GreedyTransducer(joint).step([(GreedyCtc(0).start(), joint.frames([1]))])
