"""Hot words beside their definition, spelt out, and their effect beside a search over all token sequences."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.listen.recogniser.decode.contract import Frames
from gapless.listen.recogniser.decode.ctc_beam import BeamCtc
from gapless.listen.recogniser.decode.phrases import START, PhraseGraph
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.decode.search import BeamOptions

letters = st.integers(0, 2)
phrase_lists = st.lists(
    st.lists(letters, min_size=1, max_size=4).map(tuple), min_size=1, max_size=5
)


def earned(phrases: list[tuple[int, ...]], tokens: list[int]) -> tuple[int, int]:
    """Tokens inside complete phrases, and further ones in the longest partial phrase at the end."""
    inside: set[int] = set()
    for start in range(len(tokens)):
        for phrase in phrases:
            if tuple(tokens[start : start + len(phrase)]) == phrase:
                inside |= set(range(start, start + len(phrase)))
    for start in range(len(tokens)):
        rest = tuple(tokens[start:])
        if any(phrase[: len(rest)] == rest for phrase in phrases):
            return len(inside), len(set(range(start, len(tokens))) - inside)
    return len(inside), 0


@pytest.mark.long
@settings(max_examples=100)
@given(phrases=phrase_lists, tokens=st.lists(letters, max_size=12))
def test_the_graph_counts_what_the_definition_counts(
    phrases: list[tuple[int, ...]], tokens: list[int]
) -> None:
    graph = PhraseGraph(phrases, 1.0)
    place = START
    for count, token in enumerate(tokens, start=1):
        place = graph.move(place, token)
        complete, partial = earned(phrases, tokens[:count])
        assert graph.settled_bonus(place) == complete
        assert graph.bonus(place) == complete + partial


@pytest.mark.long
@settings(max_examples=40)
@given(phrases=phrase_lists, tokens=st.lists(letters, max_size=8))
def test_tokens_that_are_not_favoured_only_lose_what_was_unpaid(
    phrases: list[tuple[int, ...]], tokens: list[int]
) -> None:
    graph = PhraseGraph(phrases, 1.0)
    place = START
    for token in tokens:
        place = graph.move(place, token)
    favoured = graph.favoured(place)
    gains = dict(zip(favoured.tokens.tolist(), favoured.gains.tolist(), strict=True))
    lost = graph.settled_bonus(place) - graph.bonus(place)

    for token in range(4):
        gain = graph.bonus(graph.move(place, token)) - graph.bonus(place)
        assert gain == gains.get(token, lost)
        assert gain >= lost


def ctc_texts(frames: Frames, blank: int) -> dict[tuple[int, ...], float]:
    found: defaultdict[tuple[int, ...], float] = defaultdict(float)
    for alignment in product(range(frames.shape[1]), repeat=len(frames)):
        probability = float(np.exp(frames[np.arange(len(frames)), alignment].sum()))
        text = [
            t for i, t in enumerate(alignment) if t != blank and (i == 0 or alignment[i - 1] != t)
        ]
        found[tuple(text)] += probability
    return {text: float(np.log(p)) for text, p in found.items()}


@pytest.mark.long
@settings(max_examples=25)
@given(phrases=phrase_lists, seed=st.integers(0, 2**16))
def test_the_winner_is_the_text_whose_probability_and_bonus_are_largest(
    phrases: list[tuple[int, ...]], seed: int
) -> None:
    blank = 3
    logits = np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32)
    frames = log_softmax(logits)
    scores = {
        text: logprob + 1.2 * earned(phrases, list(text))[0]
        for text, logprob in ctc_texts(frames, blank).items()
    }
    decoder = BeamCtc(blank, BeamOptions(beam=64, phrase_bonus=1.2))
    state = decoder.start(phrases)
    decoder.step([(state, frames)])
    decoder.finish([state])

    path = state.paths()[0]

    assert path.score == pytest.approx(max(scores.values()), abs=1e-4)
    assert scores[tuple(e.token for e in path.emissions)] == pytest.approx(path.score, abs=1e-4)
