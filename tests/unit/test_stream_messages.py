from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
import pytest

from gapless.errors import ProtocolError
from gapless.serve.stream.messages import (
    EndMessage,
    FinalMessage,
    HearingOptions,
    OtherText,
    StartMessage,
    StreamOptions,
    WordTime,
    decode_client,
    decode_server,
    encode,
    options_of_query,
    with_options,
)


def test_a_final_looks_on_the_wire_as_the_reference_says() -> None:
    message = FinalMessage(
        seq=7,
        session="s1",
        utt="u1",
        text="hello",
        start_ms=10,
        end_ms=900,
        language="en",
        confidence=0.5,
        words=(WordTime("hello", 20, 890, 0.5),),
        alternatives=(OtherText("yellow", 0.25),),
    )

    assert msgspec.json.decode(encode(message)) == {
        "type": "final",
        "seq": 7,
        "session": "s1",
        "utt": "u1",
        "text": "hello",
        "start_ms": 10,
        "end_ms": 900,
        "language": "en",
        "confidence": 0.5,
        "words": [{"w": "hello", "start_ms": 20, "end_ms": 890, "conf": 0.5}],
        "speaker": None,
        "alternatives": [{"text": "yellow", "confidence": 0.25}],
    }


def test_a_client_passes_over_fields_that_a_newer_server_sends() -> None:
    text = '{"type":"end","seq":3,"session":"s","reason":"stop","audio_ms":5,"transcript_id":null,"mood":"good"}'

    assert decode_server(text) == EndMessage(
        seq=3, session="s", reason="stop", audio_ms=5, transcript_id=None
    )


def test_what_a_client_cannot_read_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="same version"):
        decode_server('{"type":"song"}')


def test_the_query_has_the_same_names_as_start() -> None:
    query = (
        "model=m&language=en&encoding=mulaw&sample_rate=8000&channels=2&interim=false&words=1"
        "&endpointing_ms=700&denoise=0.5&hotwords=alpha,%20beta&priority=bulk&save=true&n_best=3"
        "&prompt=hi&turns=manual&vad_threshold=0.4&padding_ms=100&voice=true"
    )
    start = decode_client(
        '{"type":"start","model":"m","language":"en","encoding":"mulaw","sample_rate":8000,'
        '"channels":2,"interim":false,"words":true,"endpointing_ms":700,"denoise":0.5,'
        '"hotwords":["alpha","beta"],"priority":"bulk","save":true,"n_best":3,'
        '"prompt":"hi","turns":"manual","vad_threshold":0.4,"padding_ms":100,"voice":true}'
    )

    options = options_of_query(parse_qsl(query))

    assert isinstance(start, StartMessage)
    assert {name: getattr(start, name) for name in options.__struct_fields__} == {
        name: getattr(options, name) for name in options.__struct_fields__
    }
    assert None not in msgspec.to_builtins(options).values()


def test_the_ticket_in_the_query_is_no_option() -> None:
    assert options_of_query([("token", "abc")]) == StreamOptions()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("volume", "11"),
        ("sample_rate", "fast"),
        ("sample_rate", "7999"),
        ("sample_rate", "48001"),
        ("channels", "0"),
        ("channels", "9"),
        ("encoding", "mp5"),
        ("interim", "maybe"),
        ("denoise", "1.01"),
        ("denoise", "nan"),
        ("denoise", "loud"),
        ("endpointing_ms", "99"),
        ("priority", "first"),
        ("language", "e"),
        ("model", ""),
        ("hotwords", "x" * 101),
        ("hotwords", ",".join("x" * 101)),
    ],
)
def test_an_option_that_is_unknown_or_out_of_its_bounds_is_refused_by_name(
    name: str, value: str
) -> None:
    with pytest.raises(ProtocolError) as refusal:
        options_of_query([(name, value)])

    assert refusal.value.param == name


def test_an_option_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ProtocolError) as refusal:
        options_of_query([("model", "a"), ("model", "b")])

    assert refusal.value.param == "model"


def test_only_what_is_given_changes() -> None:
    options = StreamOptions(model="m", interim=True, hotwords=("a",), denoise=0.5)

    changed = with_options(options, HearingOptions(interim=False, hotwords=(), denoise=0.0))

    assert changed == StreamOptions(model="m", interim=False, hotwords=(), denoise=0.0)


def test_a_stream_is_16_khz_mono_pcm_unless_it_says_otherwise() -> None:
    audio = StreamOptions().audio

    assert (audio.encoding, audio.rate_hz, audio.channels) == ("pcm_s16le", 16_000, 1)
