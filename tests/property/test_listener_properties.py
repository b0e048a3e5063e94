from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.audio.types import Samples
from gapless.infer.inference import Inference
from gapless.listen.events import Final, ListenEvent, Partial, SpeechEnd, SpeechStart
from gapless.listen.listener import Listener, ListenOptions, settle
from gapless.testing.recogniser import ScriptedRecogniser

pytestmark = pytest.mark.long


def hear(
    inference: Inference, samples: Samples, cuts: list[int], rate_hz: int
) -> list[ListenEvent]:
    listener = Listener(ListenOptions(rate_hz=rate_hz), ScriptedRecogniser(), inference)
    with closing(listener):
        events: list[ListenEvent] = []
        for part in np.split(samples, sorted(cuts)):
            events += settle(listener, listener.accept(part))
        return [*events, *settle(listener, listener.flush())]


@settings(max_examples=15)
@given(
    cuts=st.lists(st.integers(0, 150_000), max_size=30),
    rate_hz=st.sampled_from([8000, 16_000, 44_100]),
)
def test_the_split_of_a_stream_changes_no_final_and_no_boundary(
    cuts: list[int], rate_hz: int, inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")

    def told(events: list[ListenEvent]) -> tuple[list[ListenEvent], list[ListenEvent]]:
        # A boundary may be announced before or after the final of the utterance before it.
        return (
            [event for event in events if isinstance(event, (SpeechStart, SpeechEnd))],
            [event for event in events if isinstance(event, Final)],
        )

    boundaries, finals = told(hear(inference, speech, [], rate_hz))
    assert len(boundaries) == 2 * len(finals) > 2
    streamed = told(hear(inference, speech, [min(cut, len(speech)) for cut in cuts], rate_hz))
    assert streamed == (boundaries, finals)


@settings(max_examples=10)
@given(block=st.integers(100, 8000))
def test_what_is_called_stable_stays(
    block: int, inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    speech = load_speech("utterances.flac")
    settled: dict[str, str] = {}
    for event in hear(inference, speech, list(range(block, len(speech), block)), 16_000):
        match event:
            case Partial(utt, text, stable_chars):
                assert text.startswith(settled.get(utt, ""))
                settled[utt] = text[:stable_chars]
            case Final(utterance):
                assert utterance.text.startswith(settled.get(utterance.utt, ""))
    assert any(settled.values())
