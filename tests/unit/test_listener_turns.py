"""Listeners that are woken, turns that the client takes, and second thoughts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.infer.inference import Inference
from gapless.listen.endpoint import EndpointOptions
from gapless.listen.events import (
    Empty,
    Final,
    Flushed,
    ListenEvent,
    SpeechEnd,
    SpeechStart,
    Spoken,
)
from gapless.listen.listener import Listener, ListenOptions, settle
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.listen.segment import SegmentOptions
from gapless.testing.recogniser import ScriptedRecogniser

SECOND = LISTEN_RATE_HZ
MANUAL = ListenOptions(turns="manual")


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> Samples:
    return np.concatenate((load_speech("utterances.flac"), np.zeros(SECOND, np.float32)))


class Woken:
    """A listener that nothing waits for, driven as an event loop would."""

    def __init__(self, options: ListenOptions, inference: Inference) -> None:
        self.woken = threading.Event()
        self.listener = Listener(options, ScriptedRecogniser(), inference, self.woken.set)

    def close(self) -> None:
        self.listener.close()

    def rest(self) -> Iterator[ListenEvent]:
        while self.listener.busy:
            assert self.woken.wait(20)
            self.woken.clear()
            yield from self.listener.step()


def words(events: list[ListenEvent]) -> list[tuple[str, str, int, int]]:
    finals = [event.utterance for event in events if isinstance(event, Final)]
    return [(final.utt, final.text, final.start_ms, final.end_ms) for final in finals]


def alone(options: ListenOptions, speech: Samples, inference: Inference) -> list[ListenEvent]:
    with closing(Listener(options, ScriptedRecogniser(), inference)) as listener:
        events = list(settle(listener, listener.accept(speech)))
        return events + list(settle(listener, listener.flush("end")))


@pytest.mark.long
@pytest.mark.parametrize("block", [160, 1600, 48_000])
def test_a_listener_that_is_woken_hears_what_one_that_waits_hears(
    block: int, speech: Samples, inference: Inference
) -> None:
    with closing(Woken(ListenOptions(), inference)) as woken:
        events: list[ListenEvent] = []
        for start in range(0, len(speech), block):
            events += woken.listener.accept(speech[start : start + block])
        assert woken.listener.busy
        assert woken.listener.processed_ms < woken.listener.received_ms
        events += woken.listener.flush("end")
        events += woken.rest()

        assert words(events) == words(alone(ListenOptions(), speech, inference))
        assert isinstance(events[-1], Flushed)
        assert woken.listener.processed_ms == woken.listener.received_ms


@pytest.mark.long
def test_options_that_change_while_windows_wait_take_effect_where_they_were_given(
    speech: Samples, inference: Inference
) -> None:
    changed = ListenOptions(
        recognise=RecogniseOptions(prompt="names"), segment=SegmentOptions(endpointing_ms=300)
    )
    cut = SECOND * 3 // 2

    def hear(listener: Listener, rest: Callable[[], list[ListenEvent]]) -> list[ListenEvent]:
        events = listener.accept(speech[:cut])
        events += listener.configure(changed)
        events += listener.accept(speech[cut:])
        events += listener.flush("end")
        return events + rest()

    with closing(Listener(ListenOptions(), ScriptedRecogniser(), inference)) as listener:
        expected = hear(listener, list)
    with closing(Woken(ListenOptions(), inference)) as woken:
        assert words(hear(woken.listener, lambda: list(woken.rest()))) == words(expected)


def test_a_manual_turn_is_all_that_was_heard_between_two_flushes(
    speech: Samples, inference: Inference
) -> None:
    with closing(Listener(MANUAL, ScriptedRecogniser(), inference)) as listener:
        events = listener.accept(speech[:SECOND])
        assert isinstance(events[0], SpeechStart)
        events += listener.accept(speech[SECOND : 2 * SECOND])
        events += listener.flush("a")
        events += listener.accept(np.zeros(SECOND // 2, np.float32))
        events += listener.flush("b")
        events += listener.flush("c")

    assert [(e.utt, e.at_ms) for e in events if isinstance(e, SpeechStart)] == [
        ("u1", 0),
        ("u2", 2000),
    ]
    assert [(e.utt, e.at_ms) for e in events if isinstance(e, SpeechEnd)] == [
        ("u1", 2000),
        ("u2", 2500),
    ]
    assert [utt for utt, *_ in words(events)] == ["u1"]
    assert [e.utt for e in events if isinstance(e, Empty)] == ["u2"]
    assert [e.id for e in events if isinstance(e, Flushed)] == ["a", "b", "c"]


def test_a_turn_changes_hands_in_mid_stream(speech: Samples, inference: Inference) -> None:
    with closing(Listener(ListenOptions(), ScriptedRecogniser(), inference)) as listener:
        listener.accept(np.zeros(SECOND, np.float32))
        assert listener.configure(MANUAL) == []
        events = listener.accept(np.zeros(SECOND, np.float32)) + listener.flush()

    assert [(e.utt, e.at_ms) for e in events if isinstance(e, SpeechStart)] == [("u1", 1000)]


@pytest.mark.parametrize("options", [MANUAL, ListenOptions()])
def test_what_is_cleared_is_empty_and_what_was_over_is_still_final(
    options: ListenOptions, speech: Samples, inference: Inference
) -> None:
    with closing(Listener(options, ScriptedRecogniser(), inference)) as listener:
        events = listener.accept(speech[: SECOND * 3 // 2]) + listener.flush("a")
        events += listener.accept(speech[SECOND * 3 // 2 : 3 * SECOND + SECOND // 2])
        said = [e.utt for e in events if isinstance(e, SpeechStart)]
        cleared = listener.clear()
        assert listener.clear() == []
        after = listener.accept(speech[-SECOND // 2 :]) + listener.flush("b")

    over = [
        e.utterance.utt if isinstance(e, Final) else e.utt
        for e in events
        if isinstance(e, Final | Empty)
    ]
    assert over == said[:-1]
    assert words(events)
    assert [e.utt for e in cleared if isinstance(e, Empty)] == said[-1:]
    assert isinstance(after[-1], Flushed)
    assert listener.processed_ms == listener.received_ms


@pytest.mark.long
def test_the_voice_is_described_while_somebody_speaks(
    speech: Samples, inference: Inference
) -> None:
    events = alone(ListenOptions(voice=True), speech, inference)

    spans: dict[str, tuple[int, int]] = {}
    for event in events:
        if isinstance(event, SpeechStart):
            spans[event.utt] = (event.at_ms, event.at_ms)
        elif isinstance(event, SpeechEnd):
            spans[event.utt] = (spans[event.utt][0], event.at_ms)
    for utt, (start_ms, end_ms) in spans.items():
        times = [e.voice.at_ms for e in events if isinstance(e, Spoken) and e.utt == utt]
        assert times == list(range(start_ms, end_ms - 99, 100))
    assert spans
    assert not any(isinstance(e, Spoken) for e in alone(ListenOptions(), speech, inference))


@pytest.mark.long
def test_a_noise_that_sounds_like_a_voice_is_ended_when_no_words_come(
    speech: Samples, inference: Inference
) -> None:
    loop = np.tile(speech[SECOND // 2 : SECOND * 3 // 2], 6)
    patient = alone(ListenOptions(), loop, inference)
    impatient = ListenOptions(endpoint=EndpointOptions(silence_ms=1000, after_words_ms=0))

    def mute(options: ListenOptions) -> list[ListenEvent]:
        """What is heard of a voice in which the recogniser finds no words."""
        with closing(Listener(options, ScriptedRecogniser(""), inference)) as listener:
            events: list[ListenEvent] = []
            for start in range(0, len(loop), 1600):
                events += settle(listener, listener.accept(loop[start : start + 1600]))
            return events + list(settle(listener, listener.flush()))

    def lengths(events: list[ListenEvent]) -> list[int]:
        starts = [e.at_ms for e in events if isinstance(e, SpeechStart)]
        ends = [e.at_ms for e in events if isinstance(e, SpeechEnd)]
        return [end - start for start, end in zip(starts, ends, strict=True)]

    assert max(lengths(patient)) > 3000
    assert max(lengths(mute(ListenOptions()))) > 3000
    assert max(lengths(mute(impatient))) <= 1300
    assert sum(lengths(mute(impatient))) > 3000
