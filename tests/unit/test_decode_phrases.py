"""Hot words: what is earned, given back and kept, and that they change the winner when they should."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.errors import ConfigError
from gapless.listen.recogniser.decode.beam import BeamTransducer
from gapless.listen.recogniser.decode.contract import Decoder, DecodeState, Frames, Rows
from gapless.listen.recogniser.decode.ctc_beam import BeamCtc
from gapless.listen.recogniser.decode.phrases import (
    MAX_PHRASE_TOKENS,
    MAX_PHRASES,
    START,
    PhraseGraph,
)
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.decode.search import BeamOptions, phrase_graph


def bonuses(graph: PhraseGraph, tokens: str) -> list[float]:
    """The bonus after each token; a letter is a token."""
    place = START
    found = []
    for letter in tokens:
        place = graph.move(place, ord(letter))
        found.append(graph.bonus(place))
    return found


def spell(*phrases: str) -> list[tuple[int, ...]]:
    return [tuple(map(ord, phrase)) for phrase in phrases]


@pytest.mark.parametrize(
    ("phrases", "tokens", "expected"),
    [
        (("abc",), "abc", [1, 2, 3]),
        (("abc",), "abd", [1, 2, 0]),
        (("abc",), "abab", [1, 2, 1, 2]),
        (("abc",), "abcx", [1, 2, 3, 3]),
        (("abc",), "abcabx", [1, 2, 3, 4, 5, 3]),
        (("ab", "abcd"), "abcx", [1, 2, 3, 2]),
        (("ab", "abcd"), "abcd", [1, 2, 3, 4]),
        (("abc", "bd"), "abd", [1, 2, 2]),
        (("abc", "b"), "abx", [1, 2, 1]),
        (("abc", "b"), "abc", [1, 2, 3]),
        (("ab", "bc"), "abcx", [1, 2, 3, 3]),
        (("aab",), "aaab", [1, 2, 2, 3]),
        (("he", "she", "hers"), "shers", [1, 2, 3, 4, 5]),
    ],
)
def test_the_bonus_is_earned_in_advance_and_kept_once_a_phrase_is_complete(
    phrases: tuple[str, ...], tokens: str, expected: list[int]
) -> None:
    assert bonuses(PhraseGraph(spell(*phrases), 1.0), tokens) == expected


def test_only_complete_phrases_count_in_the_end() -> None:
    graph = PhraseGraph(spell("abc", "xy"), 2.0)
    place = START
    for letter in "abcx":
        place = graph.move(place, ord(letter))

    assert graph.bonus(place) == 8.0
    assert graph.settled_bonus(place) == 6.0


def test_favoured_tokens_are_those_that_lead_into_a_phrase() -> None:
    graph = PhraseGraph(spell("abc", "bd"), 1.0)
    place = graph.move(graph.move(START, ord("a")), ord("b"))

    tokens, gains = graph.favoured(place)

    assert dict(zip(map(chr, tokens.tolist()), gains.tolist(), strict=True)) == {
        "a": -1.0,
        "b": -1.0,
        "c": 1.0,
        "d": 0.0,
    }


def test_utterances_with_the_same_phrases_share_a_graph() -> None:
    assert phrase_graph(((7, 8),), 1.0) is phrase_graph(((7, 8),), 1.0)
    assert phrase_graph((), 1.0) is None
    assert phrase_graph(((),), 1.0) is None


def test_too_many_or_too_long_phrases_are_refused() -> None:
    with pytest.raises(ConfigError, match="too many"):
        PhraseGraph([(1,)] * (MAX_PHRASES + 1), 1.0)
    with pytest.raises(ConfigError, match="too long"):
        PhraseGraph([(1,) * (MAX_PHRASE_TOKENS + 1)], 1.0)


class Parrot:
    """A transducer whose frames are its logits, whatever was said before."""

    blank = 0
    durations: tuple[int, ...] = ()

    def start(self, n_rows: int) -> Rows:
        return ()

    def join(self, frames: Frames, rows: Rows) -> tuple[Frames, Rows]:
        return frames, ()

    def advance(self, rows: Rows, tokens: object, joined: Rows) -> Rows:
        return ()


class TimedParrot(Parrot):
    """The same as a TDT model that knows one duration."""

    durations = (1,)

    def join(self, frames: Frames, rows: Rows) -> tuple[Frames, Rows]:
        return np.hstack([frames, np.zeros((len(frames), 1), np.float32)]), ()


def make_decoders(bonus: float) -> list[Decoder]:
    options = BeamOptions(beam=4, phrase_bonus=bonus)
    return [
        BeamTransducer(Parrot(), options, max_symbols=1),
        BeamTransducer(TimedParrot(), options),
        BeamCtc(0, options),
    ]


def decode(
    decoder: Decoder, probabilities: list[list[float]], *phrases: tuple[int, ...]
) -> DecodeState:
    state = decoder.start(phrases)
    decoder.step([(state, log_softmax(np.log(np.array(probabilities, np.float32))))])
    decoder.finish([state])
    return state


def tokens_of(state: DecodeState) -> list[int]:
    return [emission.token for emission in state.paths()[0].emissions]


KINDS = ["rnnt", "tdt", "ctc"]
NEAR_MISS = [
    [0.02, 0.90, 0.04, 0.02, 0.02],
    [0.02, 0.02, 0.60, 0.34, 0.02],  # "1 2" is likelier than "1 3"
    [0.94, 0.02, 0.02, 0.01, 0.01],
]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_a_hot_word_wins_where_it_is_nearly_as_likely(kind: int) -> None:
    assert tokens_of(decode(make_decoders(1.0)[kind], NEAR_MISS)) == [1, 2]
    assert tokens_of(decode(make_decoders(1.0)[kind], NEAR_MISS, (1, 3))) == [1, 3]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_a_hot_word_that_was_not_said_does_not_appear(kind: int) -> None:
    assert tokens_of(decode(make_decoders(1.0)[kind], NEAR_MISS, (4, 4))) == [1, 2]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_a_phrase_that_only_began_has_no_say_in_the_end(kind: int) -> None:
    half = [*NEAR_MISS[:2], [0.97, 0.01, 0.01, 0.005, 0.005]]
    decoder = make_decoders(1.0)[kind]
    state = decoder.start([(1, 3, 4)])
    decoder.step([(state, log_softmax(np.log(np.array(half, np.float32))))])

    assert tokens_of(state) == [1, 3]
    decoder.finish([state])
    assert tokens_of(state) == [1, 2]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_a_hot_word_outside_the_beam_of_best_tokens_is_found(kind: int) -> None:
    likely = [0.15] * 6
    frame = np.array([[0.01, *likely, 0.09]], np.float32)  # token 7 is the least likely but one
    decoder = make_decoders(3.0)[kind]
    state = decoder.start([(7,)])
    decoder.step([(state, log_softmax(np.log(frame)))])

    assert tokens_of(state) == [7]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_of_more_hot_words_than_the_beam_holds_the_likeliest_is_found(kind: int) -> None:
    hot = [0.010, 0.011, 0.012, 0.013, 0.060, 0.014]
    frame = np.array([[0.01, *[0.145] * 6, *hot]], np.float32)
    decoder = make_decoders(3.0)[kind]
    state = decoder.start([(token,) for token in range(7, 13)])
    decoder.step([(state, log_softmax(np.log(frame)))])

    assert tokens_of(state) == [11]


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_the_log_probability_of_a_token_holds_no_bonus(kind: int) -> None:
    state = decode(make_decoders(1.0)[kind], NEAR_MISS, (1, 3))
    path = state.paths()[0]

    assert [np.exp(e.logprob) for e in path.emissions] == pytest.approx([0.9, 0.34], abs=1e-5)
    assert path.score > np.log(0.9 * 0.34 * 0.94) + 1.9
