"""What clients of Realtime ask for: what stays, what is cleared, what is refused, and what they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.clean.amount import USUAL_AMOUNT
from gapless.errors import ProtocolError
from gapless.serve.realtime.config import (
    LOGPROBS,
    Config,
    ServerVad,
    SessionTerms,
    shown,
    stream_options,
    updated,
)

TERMS = SessionTerms("sess_1", 1_800_000_000, 3_600_000, 1024)


def heard(**audio_input: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": audio_input}}


def after(*sessions: dict[str, Any]) -> Config:
    config = Config()
    for session in sessions:
        config = updated(config, session)
    return config


def shown_input(config: Config) -> dict[str, Any]:
    session: dict[str, Any] = shown(config, None, TERMS, beta=False)["audio"]["input"]
    return session


def test_a_session_that_is_told_nothing_is_24_khz_with_turns_by_voice() -> None:
    options = stream_options(Config())

    assert (options.encoding, options.sample_rate, options.channels) == ("pcm_s16le", 24_000, 1)
    assert (options.turns, options.vad_threshold) == ("auto", 0.5)
    assert (options.padding_ms, options.endpointing_ms) == (300, 500)
    assert (options.denoise, options.model, options.language) == ("off", None, None)


def test_what_is_absent_stays_and_null_clears() -> None:
    config = after(
        heard(transcription={"model": "m", "language": "de", "prompt": "p", "keywords": ["k"]}),
        heard(transcription={"language": None}),
        {"type": "transcription"},
    )

    options = stream_options(config)
    assert (options.model, options.language, options.prompt) == ("m", None, "p")
    assert options.hotwords == ("k",)
    assert (
        stream_options(after(heard(transcription={"model": "m"}), heard(transcription=None))).model
        is None
    )


def test_an_empty_text_clears_too() -> None:
    """LiveKit sends them for what its user left out."""
    config = after(
        heard(transcription={"model": "m", "language": "de", "prompt": "p"}),
        {"input_audio_transcription": {"model": "", "language": "", "prompt": ""}},
    )

    options = stream_options(config)
    assert (options.model, options.language, options.prompt) == (None, None, "")


def test_no_turn_detection_is_something_else_than_not_to_speak_of_it() -> None:
    manual = after(heard(turn_detection=None))

    assert manual.vad is None
    assert stream_options(manual).turns == "manual"
    assert updated(manual, heard(transcription={"language": "en"})).vad is None
    assert updated(manual, heard(turn_detection={"type": "server_vad"})).vad == ServerVad()


def test_a_field_of_turn_detection_is_changed_alone_but_not_mixed_into_another_kind() -> None:
    slow = after(heard(turn_detection={"type": "server_vad", "silence_duration_ms": 900}))
    same = updated(slow, heard(turn_detection={"type": "server_vad", "threshold": 0.7}))
    other = updated(same, heard(turn_detection={"type": "semantic_vad", "eagerness": "high"}))

    assert same.vad == ServerVad(threshold=0.7, silence_duration_ms=900)
    assert other.vad == ServerVad(silence_duration_ms=500)


@pytest.mark.parametrize(
    ("eagerness", "silence_ms"), [("low", 2000), ("medium", 1000), ("auto", 1000), ("high", 500)]
)
def test_semantic_turns_are_shown_as_the_silence_that_they_are(
    eagerness: str, silence_ms: int
) -> None:
    config = after(heard(turn_detection={"type": "semantic_vad", "eagerness": eagerness}))

    assert shown_input(config)["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
        "idle_timeout_ms": None,
    }
    assert stream_options(config).endpointing_ms == silence_ms


def test_a_threshold_that_hears_all_or_nothing_is_bounded_and_shown_so() -> None:
    config = after(heard(turn_detection={"type": "server_vad", "threshold": 1}))

    assert stream_options(config).vad_threshold == 0.95
    assert shown_input(config)["turn_detection"]["threshold"] == 0.95


@pytest.mark.parametrize(
    ("audio_format", "encoding", "rate_hz"),
    [
        ({"type": "audio/pcm", "rate": 8000}, "pcm_s16le", 8000),
        ({"type": "audio/pcm", "rate": 44_100}, "pcm_s16le", 44_100),
        ({"rate": 48_000}, "pcm_s16le", 48_000),
        ({"type": "audio/pcmu"}, "mulaw", 8000),
        ({"type": "audio/pcma"}, "alaw", 8000),
    ],
)
def test_formats(audio_format: dict[str, Any], encoding: str, rate_hz: int) -> None:
    config = after(heard(format={"type": "audio/pcm", "rate": 16_000}), heard(format=audio_format))

    options = stream_options(config)
    assert (options.encoding, options.sample_rate) == (encoding, rate_hz)


def test_noise_reduction_is_an_amount_and_keeps_its_strength() -> None:
    near = after(heard(noise_reduction={"type": "near_field", "strength": 0.5}))
    far = updated(near, heard(noise_reduction={"type": "far_field"}))

    assert stream_options(near).denoise == pytest.approx(0.25)
    assert stream_options(far).denoise == pytest.approx(USUAL_AMOUNT / 2)
    assert stream_options(updated(far, heard(noise_reduction=None))).denoise == "off"


def test_one_possible_language_is_the_language_and_several_are_none() -> None:
    assert stream_options(after(heard(transcription={"languages": ["en-US"]}))).language == "en"
    assert stream_options(after(heard(transcription={"languages": ["en", "de"]}))).language is None


def test_words_are_wanted_where_log_probabilities_are() -> None:
    config = after({"include": [LOGPROBS]})

    assert stream_options(config).words
    assert shown(config, None, TERMS, beta=False)["include"] == [LOGPROBS]
    assert not stream_options(updated(config, {"include": None})).words


def test_what_is_not_followed_is_not_shown() -> None:
    config = after(
        {**heard(transcription={"delay": "high"}), "instructions": "be brief", "tools": [1]}
    )

    session = shown(config, "sphinx", TERMS, beta=False)
    assert session["audio"]["input"]["transcription"]["delay"] is None
    assert session["audio"]["input"]["transcription"]["model"] == "sphinx"
    assert session.keys() == {"id", "object", "type", "expires_at", "include", "audio"}


@pytest.mark.parametrize("name", ["whisper-1", "gpt-4o-mini-transcribe", "gpt-realtime-whisper"])
def test_openais_own_models_are_the_server_s_choice_and_shown_as_what_they_are(name: str) -> None:
    config = after(heard(transcription={"model": name}))

    assert stream_options(config).model is None
    session = shown(config, "sphinx", TERMS, beta=False)
    assert session["audio"]["input"]["transcription"]["model"] == "sphinx"


def test_the_flat_fields_of_the_beta_are_the_same_session() -> None:
    flat = {
        "input_audio_format": "g711_alaw",
        "input_audio_noise_reduction": {"type": "far_field"},
        "input_audio_transcription": {"model": "m", "language": "en"},
        "turn_detection": None,
    }
    nested = heard(
        format={"type": "audio/pcma"},
        noise_reduction={"type": "far_field"},
        transcription={"model": "m", "language": "en"},
        turn_detection=None,
    )

    assert after(flat) == after(nested)
    session = shown(after(flat), None, TERMS, beta=True)
    assert session["input_audio_format"] == "g711_alaw"
    assert session["turn_detection"] is None
    assert session["input_audio_transcription"]["model"] == "m"
    assert "audio" not in session


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"audio": 5}, "session.audio"),
        ({"audio": 5, "turn_detection": None}, "session.audio"),
        ({"audio": {"input": [1]}, "input_audio_format": "pcm16"}, "session.audio"),
        (heard(format={"type": "audio/mp3"}), "session.audio.input.format.type"),
        (heard(format={"type": "audio/pcm", "rate": 96_000}), "session.audio.input.format.rate"),
        (heard(transcription={"model": "m" * 201}), "session.audio.input.transcription.model"),
        (
            heard(transcription={"keywords": ["ok", ""]}),
            "session.audio.input.transcription.keywords",
        ),
        (heard(turn_detection={"type": "none"}), "session.audio.input.turn_detection.type"),
        (
            heard(turn_detection={"type": "server_vad", "silence_duration_ms": 1}),
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        ({"include": ["everything"]}, "session.include"),
        ({"input_audio_format": "pcm24"}, "session.input_audio_format"),
        ({"input_audio_format": ["pcm16"]}, "session.input_audio_format"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(session: dict[str, Any], param: str) -> None:
    before = Config()
    with pytest.raises(ProtocolError) as refused:
        updated(before, session)
    assert refused.value.param == param
