from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from gapless.audio.resample import Resampler
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import ModelError, ProtocolError
from gapless.infer.inference import Inference
from gapless.listen.events import (
    Failed,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
)
from gapless.listen.front import Front
from gapless.listen.listener import Listener, ListenOptions, settle
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.listen.segment import SegmentOptions
from gapless.listen.vad import Vad
from gapless.testing.recogniser import Failure, ScriptedRecogniser

SPEECH = "utterances.flac"
LoadSpeech = Callable[[str], Samples]


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> Samples:
    """Several utterances with pauses between them, and silence at the end."""
    return np.concatenate((load_speech(SPEECH), np.zeros(LISTEN_RATE_HZ, np.float32)))


def hear(listener: Listener, samples: Samples, block: int = 1600) -> list[ListenEvent]:
    events: list[ListenEvent] = []
    for start in range(0, len(samples), block):
        events += settle(listener, listener.accept(samples[start : start + block]))
    return events


def finals(events: list[ListenEvent]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


@pytest.mark.long
def test_each_utterance_is_announced_guessed_ended_and_final(
    speech: Samples, inference: Inference
) -> None:
    events = hear(Listener(ListenOptions(), ScriptedRecogniser(), inference), speech)

    first = [event for event in events if getattr(event, "utt", None) == "u1"]
    assert isinstance(first[0], SpeechStart)
    assert isinstance(first[-1], SpeechEnd)
    assert all(isinstance(event, Partial) for event in first[1:-1])
    assert len(first) > 2
    heard = finals(events)
    assert len(heard) >= 2
    assert [final.utterance.utt for final in heard] == [f"u{n + 1}" for n in range(len(heard))]


@pytest.mark.long
def test_times_are_audio_time_and_words_lie_within_their_utterance(
    speech: Samples, inference: Inference
) -> None:
    shift_ms = 2000
    silence = np.zeros(LISTEN_RATE_HZ * shift_ms // 1000, np.float32)
    plain = finals(hear(Listener(ListenOptions(), ScriptedRecogniser(), inference), speech))
    late = finals(
        hear(
            Listener(ListenOptions(), ScriptedRecogniser(), inference),
            np.concatenate((silence, speech)),
        )
    )

    for final, shifted in zip(plain, late, strict=True):
        assert abs(shifted.utterance.start_ms - shift_ms - final.utterance.start_ms) <= 64
        words = shifted.utterance.words
        assert words
        assert shifted.utterance.start_ms <= words[0].start_ms
        assert words[-1].end_ms <= shifted.utterance.end_ms


@pytest.mark.long
def test_silence_and_noise_give_no_event(inference: Inference) -> None:
    listener = Listener(ListenOptions(), ScriptedRecogniser(), inference)
    noise = np.random.default_rng(1).normal(0, 0.05, 5 * LISTEN_RATE_HZ).astype(np.float32)

    assert hear(listener, np.zeros(5 * LISTEN_RATE_HZ, np.float32)) == []
    assert hear(listener, noise) == []
    assert listener.flush() == []


@pytest.mark.long
def test_a_flush_in_mid_speech_makes_what_was_said_final_and_the_stream_goes_on(
    speech: Samples, inference: Inference
) -> None:
    listener = Listener(ListenOptions(), ScriptedRecogniser(), inference)
    cut = LISTEN_RATE_HZ * 3 // 2
    before = hear(listener, speech[:cut]) + listener.flush("now")
    after = hear(listener, speech[cut:])

    assert isinstance(before[-1], Flushed)
    assert len(finals(before)) == 1
    assert len(finals(after)) >= 1
    assert listener.processed_ms == listener.received_ms


@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_many_flushes_do_not_shift_time(rate_hz: int, inference: Inference) -> None:
    listener = Listener(ListenOptions(rate_hz=rate_hz), ScriptedRecogniser(), inference)
    for _ in range(100):
        listener.accept(np.zeros(rate_hz // 100 + 1, np.float32))
        listener.flush()

    expected = 100 * (rate_hz // 100 + 1) * LISTEN_RATE_HZ // rate_hz
    assert listener.processed_ms == listener.received_ms
    assert listener._history.end == expected


@pytest.mark.long
def test_speech_is_announced_while_no_place_is_free_and_nothing_is_lost(
    speech: Samples, inference: Inference
) -> None:
    recogniser = ScriptedRecogniser(places=1)
    alone = finals(hear(Listener(ListenOptions(), ScriptedRecogniser(), inference), speech))
    holder = recogniser.open(RecogniseOptions(), lambda: None).result()
    listener = Listener(ListenOptions(), recogniser, inference)

    events = listener.accept(speech)
    assert isinstance(events[0], SpeechStart)
    assert finals(events) == []
    assert listener.busy
    assert listener.processed_ms < listener.received_ms

    holder.cancel()
    listener.wait()
    assert finals(list(settle(listener, listener.step()))) == alone
    assert not listener.busy


@pytest.mark.long
def test_closing_a_waiting_listener_leaves_the_queue(speech: Samples, inference: Inference) -> None:
    recogniser = ScriptedRecogniser(places=1)
    holder = recogniser.open(RecogniseOptions(), lambda: None).result()
    listener = Listener(ListenOptions(), recogniser, inference)
    listener.accept(speech)
    listener.close()

    assert recogniser.stats().waiting == 0
    holder.cancel()
    assert recogniser.stats().busy == 0


def test_closing_gives_back_a_place_that_was_granted_but_not_taken(
    speech: Samples, inference: Inference
) -> None:
    recogniser = ScriptedRecogniser(places=1)
    holder = recogniser.open(RecogniseOptions(), lambda: None).result()
    listener = Listener(ListenOptions(), recogniser, inference)
    listener.accept(speech)
    holder.cancel()
    listener.close()

    assert recogniser.stats().busy == 0


def test_closing_in_mid_utterance_gives_the_place_back(
    speech: Samples, inference: Inference
) -> None:
    recogniser = ScriptedRecogniser(places=1)
    listener = Listener(ListenOptions(), recogniser, inference)
    hear(listener, speech[: LISTEN_RATE_HZ * 3 // 2])
    assert recogniser.stats().busy == 1
    listener.close()
    listener.close()

    assert recogniser.stats().busy == 0


@pytest.mark.long
@pytest.mark.parametrize("at", ["open", "accept", "finish"])
def test_an_utterance_that_fails_is_reported_and_the_next_is_heard(
    at: Literal["open", "accept", "finish"], speech: Samples, inference: Inference
) -> None:
    recogniser = ScriptedRecogniser(places=1)
    recogniser.failure = Failure(at, ModelError("it broke"))
    listener = Listener(ListenOptions(), recogniser, inference)
    events: list[ListenEvent] = []
    for start in range(0, len(speech), 1600):
        events += settle(listener, listener.accept(speech[start : start + 1600]))
        if any(isinstance(event, Failed) for event in events):
            recogniser.failure = None
    events += settle(listener, listener.flush("end"))

    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.utt for event in failed] == ["u1"]
    assert str(failed[0].error) == "it broke"
    assert finals(events)[0].utterance.utt == "u2"
    assert isinstance(events[-1], Flushed)
    assert recogniser.stats().busy == 0


@pytest.mark.long
def test_options_can_change_in_mid_stream(speech: Samples, inference: Inference) -> None:
    recogniser = ScriptedRecogniser()
    listener = Listener(ListenOptions(), recogniser, inference)
    cut = LISTEN_RATE_HZ * 3 // 2
    events = hear(listener, speech[:cut])
    changed = ListenOptions(
        recognise=RecogniseOptions(prompt="names"), segment=SegmentOptions(endpointing_ms=300)
    )
    events += listener.configure(changed)
    events += hear(listener, speech[cut:])

    prompts = [options.prompt for options in recogniser.opened]
    assert prompts[0] is None
    assert set(prompts[1:]) == {"names"}
    starts = [event.at_ms for event in events if isinstance(event, SpeechStart)]
    assert starts == sorted(starts)


def test_a_language_that_the_recogniser_does_not_know_is_refused(inference: Inference) -> None:
    german = ListenOptions(recognise=RecogniseOptions(language="de"))
    british = ListenOptions(recognise=RecogniseOptions(language="en-GB"))
    listener = Listener(british, ScriptedRecogniser(), inference)

    with pytest.raises(ProtocolError, match="only en"):
        listener.configure(german)
    assert listener.options == british
    with pytest.raises(ProtocolError, match="only en"):
        Listener(german, ScriptedRecogniser(), inference)


def test_the_rate_of_a_stream_cannot_change(inference: Inference) -> None:
    listener = Listener(ListenOptions(), ScriptedRecogniser(), inference)

    with pytest.raises(ProtocolError, match="open another stream"):
        listener.configure(ListenOptions(rate_hz=8000))


@pytest.mark.long
@pytest.mark.parametrize(("rate_hz", "denoise"), [(48_000, 1.0), (48_000, 0.0), (16_000, 1.0)])
def test_the_front_moves_nothing_in_time(
    rate_hz: int, denoise: float, speech: Samples, inference: Inference
) -> None:
    source = speech[: 4 * LISTEN_RATE_HZ]
    if rate_hz == 48_000:
        up = Resampler(LISTEN_RATE_HZ, rate_hz)
        source = np.concatenate((up.process(source), up.flush()))
    front = Front(rate_hz, denoise, Vad(inference))
    heard = front.process(source)
    heard = np.concatenate((heard, front.flush(4 * LISTEN_RATE_HZ - len(heard))))

    lags = np.arange(-100, 101)
    alike = [np.dot(np.roll(heard, -lag), speech[: 4 * LISTEN_RATE_HZ]) for lag in lags]
    assert abs(int(lags[np.argmax(alike)])) <= 1
    assert len(heard) == 4 * LISTEN_RATE_HZ
