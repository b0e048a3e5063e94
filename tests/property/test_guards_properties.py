"""Guards never touch text that is confident, and more evidence of speech never makes text more suspect."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gapless.listen.recogniser.guards import (
    STOCK_PHRASES,
    Evidence,
    fold,
    is_confident,
    judge,
)

words = st.sampled_from(
    ["thank", "you", "for", "watching", "no", "so", "the", "end", "ja", "ご視聴"]
)
texts = st.lists(words, max_size=40).map(" ".join) | st.sampled_from(sorted(STOCK_PHRASES))


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    start_ms = draw(st.integers(0, 60_000))
    return Evidence(
        text=draw(texts),
        start_ms=start_ms,
        end_ms=start_ms + draw(st.integers(0, 30_000)),
        avg_logprob=draw(st.floats(-4.0, 0.0)),
        no_speech_prob=draw(st.floats(0.0, 1.0)),
        compression_ratio=draw(st.floats(0.3, 6.0)),
    )


@pytest.mark.long
@given(evidences(), st.none() | st.integers(0, 30_000))
def test_confident_text_is_never_touched(evidence: Evidence, speech_ms: int | None) -> None:
    assume(is_confident(evidence))

    assert judge(evidence, lambda _start, _end: speech_ms) is None


@pytest.mark.long
@given(evidences(), st.integers(0, 30_000), st.integers(0, 30_000))
def test_more_speech_never_silences_text(evidence: Evidence, one_ms: int, other_ms: int) -> None:
    less_ms, more_ms = sorted((one_ms, other_ms))
    assume(judge(evidence, lambda _start, _end: less_ms) is None)

    assert judge(evidence, lambda _start, _end: more_ms) is None


@given(st.text(max_size=60))
def test_folding_folded_text_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
