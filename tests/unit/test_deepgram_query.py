"""The parameters of Deepgram's ``/v1/listen``."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from gapless.errors import GaplessError, ProtocolError, UnsupportedAudioError
from gapless.serve.deepgram.query import Asked, read_query
from gapless.serve.stream.messages import StreamOptions

RAW = "encoding=linear16&sample_rate=16000"


def ask(query: str) -> Asked:
    return read_query(parse_qsl(query, keep_blank_values=True))


def test_a_query_that_says_nothing_means_a_file_and_the_server_s_defaults() -> None:
    assert ask("") == Asked(StreamOptions(encoding="auto", interim=False, words=True))


def test_everything_that_can_be_followed_is() -> None:
    asked = ask(
        "model=commands-en&language=en-US&encoding=mulaw&sample_rate=8000&channels=2&interim_results=true"
        "&endpointing=300&utterance_end_ms=1000&vad_events=true&keyterm=Gapless&keyterm=voice%20engine"
        "&keywords=ring:2&keywords=fire:-5&keywords=bell&utterances=true&alternatives=3"
        "&punctuate=true&smart_format=true&tag=x&version=latest&mip_opt_out=true"
    )
    assert asked == Asked(
        StreamOptions(
            model="commands-en",
            language="en",
            encoding="mulaw",
            sample_rate=8000,
            channels=2,
            interim=True,
            words=True,
            endpointing_ms=300,
            hotwords=("Gapless", "voice engine", "ring", "bell"),
            n_best=3,
        ),
        interim=True,
        vad_events=True,
        utterance_end_ms=1000,
        utterances=True,
    )


@pytest.mark.parametrize(
    "name", ["nova-3", "nova-2-medical", "enhanced", "whisper-large", "default", ""]
)
def test_deepgram_s_own_models_mean_the_default(name: str) -> None:
    assert ask(f"model={name}").options.model is None


@pytest.mark.parametrize(
    "query", ["language=multi", "detect_language=true&language=de", "language=multi-x"]
)
def test_the_model_may_be_left_to_find_the_language(query: str) -> None:
    assert ask(query).options.language is None


@pytest.mark.parametrize(
    ("value", "silence_ms", "pauses"),
    [
        ("true", None, True),
        ("false", None, False),
        ("10", 100, True),
        ("0", 100, True),
        ("50000", 10_000, True),
    ],
)
def test_endpointing_is_on_off_or_a_silence_within_our_bounds(
    value: str, silence_ms: int | None, pauses: bool
) -> None:
    asked = ask(f"endpointing={value}")
    assert (asked.options.endpointing_ms, asked.pauses) == (silence_ms, pauses)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("linear32", "pcm_f32le"), ("alaw", "alaw"), ("flac", "auto"), ("ogg-opus", "auto")],
)
def test_encodings_have_our_names(name: str, encoding: str) -> None:
    assert ask(f"encoding={name}&sample_rate=16000").options.encoding == encoding


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("redact=pci", "redact"),
        ("redact=true", "redact"),
        ("callback=https://example.com", "callback"),
        ("multichannel=true", "multichannel"),
        ("encoding=linear16", "sample_rate"),
        (f"{RAW}0", "sample_rate"),
        ("encoding=g729", "encoding"),
        (f"{RAW}&channels=9", "channels"),
        ("channels=two", "channels"),
        ("interim_results=maybe", "interim_results"),
        ("endpointing=soon", "endpointing"),
        ("utterance_end_ms=10", "utterance_end_ms"),
        ("utterance_end_ms=-1000", "utterance_end_ms"),
        ("utterance_end_ms=%D9%A1%D9%A0%D9%A0%D9%A0", "utterance_end_ms"),
        ("language=english language", "language"),
        ("language=", "language"),
        (f"model={'x' * 300}", "model"),
        ("&".join(["keyterm=a"] * 101), "keyterm"),
        (f"keyterm={'x' * 101}", "keyterm"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_name_and_what_to_do(
    query: str, param: str
) -> None:
    with pytest.raises((ProtocolError, UnsupportedAudioError)) as refusal:
        ask(query)
    error = refusal.value
    assert isinstance(error, GaplessError)
    assert error.param == param
    assert len(error.message) < 400


def test_what_is_ignored_is_told_unless_it_asks_for_nothing() -> None:
    asked = ask("diarize=true&numerals=false&search=bell&moon=full&redact=false&punctuate=true")
    assert [warning.parameter for warning in asked.warnings] == ["diarize", "search", "moon"]
    assert all("ignored" in warning.message for warning in asked.warnings)


def test_the_warnings_are_bounded() -> None:
    asked = ask("&".join(f"{'x' * 100}{i}=1" for i in range(50)))
    assert len(asked.warnings) == 16
    assert all(len(warning.parameter) == 64 for warning in asked.warnings)
