"""Emissions to text and words with times."""

from __future__ import annotations

import math

import pytest

from gapless.listen.recogniser.decode.contract import Emission
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.listen.recogniser.decode.words import WordOptions, compose, stable_chars
from gapless.transcript import Word

WORDS = Vocabulary(["<blk>", "turn", "on", "<unk>"], "words")
PIECES = Vocabulary(["<blk>", "▁he", "llo", "▁wor", "ld", ",", "<0xC3>", "<0xBC>", "▁"], "pieces")
CHINESE = Vocabulary(["<blk>", "你", "好", "▁OK", "AY", "▁"], "pieces")
LETTERS = Vocabulary(["<blk>", "a", "|", "b"], "characters")
MS = WordOptions(frame_ms=40)


def emit(*tokens: int, every: int = 5, lasting: int = 1, p: float = 0.5) -> list[Emission]:
    """Tokens at frames 0, ``every``, 2 * ``every`` ..."""
    return [
        Emission(token, index * every, index * every + lasting, math.log(p))
        for index, token in enumerate(tokens)
    ]


@pytest.mark.parametrize(
    ("vocabulary", "tokens", "text", "words"),
    [
        (WORDS, [1, 3, 2], "turn on", ["turn", "on"]),
        (WORDS, [3], "", []),
        (PIECES, [1, 2, 5, 3, 4], "hello, world", ["hello,", "world"]),
        (PIECES, [2, 1], "llo he", ["llo", "he"]),
        (PIECES, [8, 2, 8, 8, 1], "llo he", ["llo", "he"]),
        (PIECES, [1, 6, 7, 3], "heü wor", ["heü", "wor"]),
        (PIECES, [1, 6, 3], "he\ufffd wor", ["he\ufffd", "wor"]),
        (PIECES, [1, 6], "he", ["he"]),
        (PIECES, [6, 7], "ü", ["ü"]),
        (CHINESE, [1, 2, 3, 4, 1], "你好 OKAY你", ["你", "好", "OKAY", "你"]),
        (CHINESE, [3, 5, 1], "OK 你", ["OK", "你"]),
        (LETTERS, [1, 3, 2, 2, 1, 2], "ab a", ["ab", "a"]),
        (LETTERS, [2], "", []),
        (LETTERS, [], "", []),
    ],
)
def test_tokens_make_text_and_words(
    vocabulary: Vocabulary, tokens: list[int], text: str, words: list[str]
) -> None:
    spoken = compose(emit(*tokens), vocabulary, MS)

    assert spoken.text == text
    assert [word.text for word in spoken.words] == words


def test_a_word_begins_with_its_first_token_and_ends_with_its_last() -> None:
    assert compose(emit(1, 2, 3, 4, lasting=2), PIECES, MS).words == (
        Word("hello", 0, 280, 0.5),
        Word("world", 400, 680, 0.5),
    )


def test_a_token_without_a_duration_makes_a_word_of_one_frame() -> None:
    assert [(w.start_ms, w.end_ms) for w in compose(emit(1, 2, lasting=0), WORDS, MS).words] == [
        (0, 40),
        (200, 240),
    ]


def test_a_separator_belongs_to_no_word() -> None:
    assert [(w.start_ms, w.end_ms) for w in compose(emit(1, 2, 3), LETTERS, MS).words] == [
        (0, 40),
        (400, 440),
    ]


def test_a_tail_lengthens_words_until_the_next_begins() -> None:
    options = WordOptions(frame_ms=40, tail_ms=300)

    assert [(w.start_ms, w.end_ms) for w in compose(emit(1, 2), WORDS, options).words] == [
        (0, 200),
        (200, 500),
    ]


def test_an_offset_moves_all_times_but_not_out_of_the_utterance() -> None:
    options = WordOptions(frame_ms=40, tail_ms=120, offset_ms=-100)
    early = compose(emit(1, 2), WORDS, options)
    assert [(w.start_ms, w.end_ms) for w in early.words] == [(0, 20), (100, 220)]

    late = compose(emit(1, 2), WORDS, WordOptions(frame_ms=40, offset_ms=1000), duration_ms=1100)
    assert [(w.start_ms, w.end_ms) for w in late.words] == [(1000, 1040), (1100, 1100)]


def test_a_word_is_as_sure_as_its_least_sure_token_and_an_utterance_as_its_words_on_average() -> (
    None
):
    emissions = [
        Emission(1, 0, 1, math.log(0.9)),
        Emission(2, 1, 2, math.log(0.6)),
        Emission(3, 2, 3, math.log(0.8)),
    ]
    spoken = compose(emissions, PIECES, MS)

    assert [word.confidence for word in spoken.words] == pytest.approx([0.6, 0.8])
    assert spoken.confidence == pytest.approx(0.7)
    assert spoken.avg_logprob == pytest.approx(math.log(0.9 * 0.6 * 0.8) / 3)


def test_nothing_said_has_no_confidence() -> None:
    spoken = compose([], WORDS, MS)

    assert (spoken.text, spoken.words, spoken.confidence, spoken.avg_logprob) == (
        "",
        (),
        None,
        None,
    )


def test_doubtful_words_are_dropped() -> None:
    emissions = [Emission(1, 0, 1, math.log(0.9)), Emission(2, 5, 6, math.log(0.3))]
    options = WordOptions(frame_ms=40, min_confidence=0.4)

    assert compose(emissions, WORDS, options).text == "turn"
    assert stable_chars(emissions, 2, WORDS, options) == len("turn")


def test_settled_tokens_settle_their_text() -> None:
    emissions = emit(1, 2, 3, 4)

    assert [stable_chars(emissions, n, PIECES, MS) for n in range(5)] == [
        0,
        len("he"),
        len("hello"),
        len("hello wor"),
        len("hello world"),
    ]


def test_a_character_in_the_making_is_not_settled() -> None:
    emissions = emit(1, 6, 7)

    assert [stable_chars(emissions, n, PIECES, MS) for n in range(4)] == [0, 2, 2, 3]


def test_a_word_that_could_still_be_dropped_is_not_settled() -> None:
    options = WordOptions(frame_ms=40, min_confidence=0.4)

    assert [stable_chars(emit(1, 2, 3), n, PIECES, options) for n in range(4)] == [0, 0, 0, 5]
