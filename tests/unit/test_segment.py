from __future__ import annotations

import numpy as np
import pytest

from gapless.listen.segment import (
    WINDOW_SAMPLES,
    Extend,
    Open,
    SegmentAction,
    Segmenter,
    SegmentOptions,
    Shut,
)

W = WINDOW_SAMPLES
OPTIONS = SegmentOptions(
    threshold=0.5, speech_min_ms=64, endpointing_ms=160, padding_ms=64, max_utterance_ms=3200
)
"""In windows of 32 ms: 2 of speech open a span, 5 of silence shut it, 2 of padding."""


def judge(segmenter: Segmenter, *runs: tuple[float, int]) -> list[SegmentAction]:
    probabilities = np.concatenate([np.full(count, p, np.float32) for p, count in runs])
    return segmenter.process(probabilities)


def edges(actions: list[SegmentAction]) -> list[SegmentAction]:
    return [action for action in actions if not isinstance(action, Extend)]


def last_extension(actions: list[SegmentAction]) -> int:
    return max(action.end for action in actions if isinstance(action, Extend))


def test_silence_opens_nothing() -> None:
    segmenter = Segmenter(OPTIONS)

    assert judge(segmenter, (0.0, 1000)) == []
    assert segmenter.flush(1000 * W) == []


def test_speech_opens_a_span_with_padding_before_and_after() -> None:
    actions = judge(Segmenter(OPTIONS), (0.0, 10), (0.9, 20), (0.0, 20))

    assert edges(actions) == [Open(8 * W), Shut(32 * W)]


def test_a_click_shorter_than_the_minimum_is_no_speech() -> None:
    assert judge(Segmenter(OPTIONS), (0.0, 10), (0.9, 1), (0.0, 20)) == []


def test_padding_does_not_reach_before_the_stream() -> None:
    assert edges(judge(Segmenter(OPTIONS), (0.9, 3)))[0] == Open(0)


def test_padding_does_not_reach_into_the_span_before() -> None:
    options = SegmentOptions(speech_min_ms=0, endpointing_ms=100, padding_ms=500)
    actions = judge(Segmenter(options), (0.9, 5), (0.0, 5), (0.9, 5), (0.0, 30))

    shuts = [action.end for action in actions if isinstance(action, Shut)]
    opens = [action.start for action in actions if isinstance(action, Open)]
    assert opens[1] == shuts[0]


def test_a_short_pause_does_not_end_the_span_and_its_samples_are_kept() -> None:
    actions = judge(Segmenter(OPTIONS), (0.9, 10), (0.0, 4), (0.9, 10))

    assert edges(actions) == [Open(0)]
    assert last_extension(actions) == 24 * W


def test_between_threshold_and_release_an_open_span_goes_on_but_none_begins() -> None:
    assert judge(Segmenter(OPTIONS), (0.4, 50)) == []
    assert edges(judge(Segmenter(OPTIONS), (0.9, 5), (0.4, 50))) == [Open(0)]


def test_pause_samples_behind_the_padding_are_held_back() -> None:
    actions = judge(Segmenter(OPTIONS), (0.9, 10), (0.0, 4))

    assert last_extension(actions) == 12 * W


def test_a_long_utterance_is_split_without_losing_a_sample() -> None:
    actions = judge(Segmenter(OPTIONS), (0.9, 250))

    assert edges(actions)[:4] == [Open(0), Shut(100 * W), Open(100 * W), Shut(200 * W)]


def test_flush_shuts_the_open_span_at_the_end_of_the_audio() -> None:
    segmenter = Segmenter(OPTIONS)
    judge(segmenter, (0.9, 10))

    assert segmenter.flush(10 * W - 100) == [Shut(10 * W - 100)]
    assert segmenter.flush(10 * W - 100) == []


def test_speech_goes_on_after_a_flush_in_a_new_span() -> None:
    segmenter = Segmenter(OPTIONS)
    judge(segmenter, (0.9, 10))
    segmenter.flush(10 * W - 100)

    assert edges(judge(segmenter, (0.9, 10))) == [Open(10 * W - 100)]


@pytest.mark.parametrize("quiet_windows", [0, 1, 30])
def test_samples_that_may_be_needed_are_kept(quiet_windows: int) -> None:
    segmenter = Segmenter(OPTIONS)
    judge(segmenter, (0.0, quiet_windows))
    kept = segmenter.keep_from
    for _ in range(3):
        for action in judge(segmenter, (0.9, 1)):
            if isinstance(action, Open):
                assert action.start >= kept
        kept = segmenter.keep_from
