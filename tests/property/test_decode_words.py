"""Laws of text and words: text only grows, words are in order and inside the utterance, spelling can be read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.listen.recogniser.decode.contract import Emission
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.listen.recogniser.decode.words import WordOptions, compose, stable_chars

VOCABULARIES = [
    Vocabulary(["<blk>", "one", "two", "<unk>"], "words"),
    Vocabulary(
        ["<blk>", "▁a", "b", "▁", "<0xC3>", "<0xBC>", "<0xE2>", "我", ",", "<unk>", "▁c▁d"],
        "pieces",
    ),
    Vocabulary(["<blk>", "a", "b", "|", " ", "<unk>"], "characters"),
]
vocabularies = st.sampled_from(VOCABULARIES)
options = st.builds(
    WordOptions,
    frame_ms=st.sampled_from([10.0, 40.0, 80.0]),
    offset_ms=st.sampled_from([-250.0, 0.0, 33.3]),
    tail_ms=st.sampled_from([0.0, 120.0]),
    min_confidence=st.sampled_from([0.0, 0.5]),
)


@st.composite
def spoken(draw: st.DrawFn) -> tuple[Vocabulary, list[Emission]]:
    vocabulary = draw(vocabularies)
    emissions = []
    frame = 0
    for token in draw(st.lists(st.integers(1, len(vocabulary) - 1), max_size=14)):
        frame += draw(st.integers(0, 5))
        probability = draw(st.sampled_from([0.3, 0.6, 1.0]))
        end = frame + draw(st.integers(0, 4))
        emissions.append(Emission(token, frame, end, math.log(probability)))
    return vocabulary, emissions


@pytest.mark.long
@settings(max_examples=60)
@given(case=spoken(), options=options)
def test_stable_text_is_the_beginning_of_every_later_text(
    case: tuple[Vocabulary, list[Emission]], options: WordOptions
) -> None:
    vocabulary, emissions = case
    stable = ""
    for count in range(len(emissions) + 1):
        text = compose(emissions[:count], vocabulary, options).text
        assert text.startswith(stable)
        now = text[: stable_chars(emissions[:count], count, vocabulary, options)]
        assert now.startswith(stable)
        stable = now
        if not options.min_confidence:
            assert stable == text


@pytest.mark.long
@settings(max_examples=60)
@given(case=spoken(), options=options, duration_ms=st.sampled_from([0, 100, 1000, None]))
def test_words_are_in_order_inside_the_utterance_and_in_the_text(
    case: tuple[Vocabulary, list[Emission]], options: WordOptions, duration_ms: int | None
) -> None:
    vocabulary, emissions = case
    result = compose(emissions, vocabulary, options, duration_ms)
    end_ms = 0
    position = 0
    for word in result.words:
        assert end_ms <= word.start_ms <= word.end_ms
        assert duration_ms is None or word.end_ms <= duration_ms
        assert word.confidence is not None
        assert options.min_confidence <= word.confidence <= 1.0
        end_ms = word.end_ms
        position = result.text.index(word.text.strip(), position) + len(word.text.strip())
    assert (result.confidence is None) == (not result.words) == (not result.text)


@settings(max_examples=40)
@given(
    vocabulary=st.sampled_from(VOCABULARIES[1:]),
    words=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_a_phrase_is_spelt_as_it_would_be_read(vocabulary: Vocabulary, words: list[str]) -> None:
    phrase = " ".join(words)
    numbers = vocabulary.encode(phrase)
    emissions = [Emission(number, frame, frame + 1, 0.0) for frame, number in enumerate(numbers)]

    text = compose(emissions, vocabulary, WordOptions(frame_ms=40)).text

    assert text in (phrase, "")
    if vocabulary.kind == "characters":
        assert text == phrase
