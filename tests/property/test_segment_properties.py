from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.listen.segment import (
    WINDOW_SAMPLES,
    Extend,
    Open,
    SegmentAction,
    Segmenter,
    SegmentOptions,
    Shut,
)

probabilities = st.lists(
    st.tuples(st.sampled_from([0.0, 0.4, 0.9]), st.integers(1, 40)), min_size=1, max_size=12
)
options = st.builds(
    SegmentOptions,
    speech_min_ms=st.integers(0, 300),
    endpointing_ms=st.integers(100, 800),
    padding_ms=st.integers(0, 600),
    max_utterance_ms=st.integers(1000, 4000),
)


def expand(runs: list[tuple[float, int]]) -> list[float]:
    return [p for p, count in runs for _ in range(count)]


@pytest.mark.long
@given(runs=probabilities, options=options, cuts=st.lists(st.integers(0, 500), max_size=5))
def test_the_split_of_the_probabilities_does_not_matter(
    runs: list[tuple[float, int]], options: SegmentOptions, cuts: list[int]
) -> None:
    whole = np.array(expand(runs), np.float32)
    expected = Segmenter(options).process(whole)
    segmenter = Segmenter(options)
    actions: list[SegmentAction] = []
    for part in np.split(whole, sorted(min(cut, len(whole)) for cut in cuts)):
        actions += segmenter.process(part)

    assert actions == expected


@pytest.mark.long
@given(runs=probabilities, options=options, missing=st.integers(0, WINDOW_SAMPLES - 1))
def test_spans_are_ordered_disjoint_and_need_only_kept_samples(
    runs: list[tuple[float, int]], options: SegmentOptions, missing: int
) -> None:
    segmenter = Segmenter(options)
    position = 0
    cursor: int | None = None
    floor = 0
    kept = 0

    def follow(actions: list[SegmentAction]) -> None:
        nonlocal cursor, floor
        for action in actions:
            match action:
                case Open(start):
                    assert cursor is None
                    assert start >= floor
                    assert start >= kept
                    cursor = start
                case Extend(end):
                    assert cursor is not None
                    assert end >= cursor >= kept
                    cursor = end
                case Shut(end):
                    assert cursor is not None
                    assert end <= position
                    assert end <= cursor or cursor >= kept
                    floor, cursor = end, None

    for probability in expand(runs):
        position += WINDOW_SAMPLES
        follow(segmenter.process(np.array([probability], np.float32)))
        kept = segmenter.keep_from
    position -= missing
    follow(segmenter.flush(position))

    assert cursor is None
