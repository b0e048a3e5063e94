"""The form of a transcription request is read in every spelling, and refused with the field at fault."""

import pytest

from gapless.errors import ProtocolError
from gapless.listen.listener import ListenOptions
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.segment import SegmentOptions
from gapless.serve.openai.fields import hearing, language_of, read_request
from gapless.serve.openai.messages import ServerVad, TranscriptionRequest, TranslationRequest

ENGLISH = RecogniserInfo("english", "streaming", ("en",), True, "me", "MIT", "")
ANYTHING = RecogniserInfo("anything", "whole", (), True, "me", "MIT", "")


def read(*fields: tuple[str, str]) -> TranscriptionRequest:
    return read_request([("model", "m"), *fields], TranscriptionRequest)[0]


def test_the_model_alone_is_enough() -> None:
    assert read() == TranscriptionRequest(model="m")


def test_an_empty_value_counts_as_none() -> None:
    fields = ("language", ""), ("prompt", ""), ("temperature", ""), ("stream", "")
    assert read(*fields) == TranscriptionRequest(model="m")


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_lists_are_read_with_and_without_brackets(name: str) -> None:
    request = read(("response_format", "verbose_json"), (name, "word"), (name, "segment"))
    assert request.timestamp_granularities == ("word", "segment")


def test_hotwords_may_be_repeated_or_separated_by_commas() -> None:
    request = read(("hotwords", "gapless, Whisper"), ("hotwords[]", "VAD"))
    assert request.hotwords == ("gapless", "Whisper", "VAD")


@pytest.mark.parametrize(
    "fields",
    [
        [
            ("chunking_strategy[type]", "server_vad"),
            ("chunking_strategy[threshold]", "0.7"),
            ("chunking_strategy[silence_duration_ms]", "900"),
        ],
        [("chunking_strategy", '{"type":"server_vad","threshold":0.7,"silence_duration_ms":900}')],
    ],
)
def test_the_chunking_strategy_is_an_object_in_brackets_or_json(
    fields: list[tuple[str, str]],
) -> None:
    strategy = read(*fields).chunking_strategy
    assert strategy == ServerVad(type="server_vad", threshold=0.7, silence_duration_ms=900)


def test_fields_that_nobody_knows_are_passed_over_and_named() -> None:
    fields = [("model", "m"), ("seed", "1"), ("user[id]", "2")]
    request, unknown = read_request(fields, TranscriptionRequest)
    assert request == TranscriptionRequest(model="m")
    assert unknown == ("seed", "user[id]")


def test_a_translation_knows_fewer_fields_and_formats() -> None:
    fields = [("model", "m"), ("prompt", "p"), ("stream", "true")]
    request, unknown = read_request(fields, TranslationRequest)
    assert request == TranslationRequest(model="m", prompt="p")
    assert unknown == ("stream",)
    with pytest.raises(ProtocolError, match="choose from json, text, srt, verbose_json, vtt"):
        read_request([("model", "m"), ("response_format", "diarized_json")], TranslationRequest)


def test_speakers_may_be_asked_for_and_words_may_have_probabilities() -> None:
    assert read(("response_format", "diarized_json"), ("stream", "true")).stream
    assert read(("include", "logprobs"), ("stream", "true")).include == ("logprobs",)
    with pytest.raises(ProtocolError, match="include goes with json only"):
        read(("include[]", "logprobs"), ("response_format", "verbose_json"))


@pytest.mark.parametrize(
    ("field", "param"),
    [
        (("model", "again"), "model"),
        (("model[x]", "again"), "model"),
        (("temperature", "hot"), "temperature"),
        (("temperature", "1.5"), "temperature"),
        (("temperature", "nan"), "temperature"),
        (("temperature[]", "0"), "temperature"),
        (("language", "english, please"), "language"),
        (("language", "e\0"), "language"),
        (("response_format", "xml"), "response_format"),
        (("response_format[a][b]", "json"), "response_format"),
        (("timestamp_granularities[]", "letter"), "timestamp_granularities"),
        (("timestamp_granularities[]", "word"), "timestamp_granularities"),
        (("stream", "perhaps"), "stream"),
        (("include[]", "everything"), "include"),
        (("known_speaker_names[]", "Ann"), "known_speaker_names"),
        (("known_speaker_references[]", "data:"), "known_speaker_references"),
        (("chunking_strategy", "manual"), "chunking_strategy"),
        (("chunking_strategy", "{"), "chunking_strategy"),
        (("chunking_strategy", "{}"), "chunking_strategy"),
        (("chunking_strategy", '{"a":' + "[" * 60_000), "chunking_strategy"),
        (("chunking_strategy[threshold]", "0.5"), "chunking_strategy"),
        (("chunking_strategy", '{"type":"client_vad"}'), "chunking_strategy[type]"),
        (
            ("chunking_strategy", '{"type":"server_vad","threshold":7}'),
            "chunking_strategy[threshold]",
        ),
        (("chunking_strategy", '{"type":"server_vad","volume":7}'), "chunking_strategy"),
        (("hotwords", "x" * 101), "hotwords"),
        (("denoise", "2"), "denoise"),
        (("save", "maybe"), "save"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_field(
    field: tuple[str, str], param: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(field)
    assert caught.value.param == param
    assert param in caught.value.message or "speakers" in caught.value.message


def test_a_missing_model_is_named() -> None:
    with pytest.raises(ProtocolError, match="model is missing") as caught:
        read_request([], TranscriptionRequest)
    assert caught.value.param == "model"


def test_a_wrong_choice_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ProtocolError, match="choose from json, text, srt"):
        read(("response_format", "xml"))


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_only_plain_formats_are_streamed(response_format: str) -> None:
    with pytest.raises(ProtocolError, match="cannot be streamed"):
        read(("stream", "true"), ("response_format", response_format))


def test_what_is_not_asked_for_is_heard_as_the_server_does_by_itself() -> None:
    defaults = ListenOptions(denoise=0.3, segment=SegmentOptions(padding_ms=1))
    heard = hearing(read(), defaults)
    assert (heard.denoise, heard.segment) == (0.3, defaults.segment)
    assert heard.recognise.words
    assert not heard.recognise.partials


def test_what_is_asked_for_reaches_the_listener() -> None:
    request = read(
        ("language", "en-US"),
        ("prompt", "p"),
        ("temperature", "0.5"),
        ("hotwords", "a"),
        ("keywords[]", "b"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[threshold]", "0.7"),
        ("chunking_strategy[prefix_padding_ms]", "50"),
        ("denoise", "0.25"),
    )
    heard = hearing(request, ListenOptions())
    assert heard.denoise == 0.25
    assert heard.segment == SegmentOptions(threshold=0.7, padding_ms=50)
    assert heard.recognise.language == "en"
    assert heard.recognise.prompt == "p"
    assert heard.recognise.temperature == 0.5
    assert heard.recognise.hotwords == ("a", "b")


@pytest.mark.parametrize(
    ("asked", "base", "amount"),
    [("on", 0.0, 0.8), ("on", 0.4, 0.4), ("off", 0.4, 0.0), ("0.5", 0.4, 0.5), ("1", 0.4, 1.0)],
)
def test_denoise_is_on_off_or_an_amount(asked: str, base: float, amount: float) -> None:
    assert hearing(read(("denoise", asked)), ListenOptions(denoise=base)).denoise == amount


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ([("language", "EN_gb")], "en"),
        ([("language", "en\n")], "en"),
        ([("languages[]", "de")], "de"),
        ([("languages[]", "de"), ("languages[]", "en")], None),
        ([("language", "fr"), ("languages[]", "de")], "fr"),
        ([], None),
    ],
)
def test_one_language_is_used_and_several_are_left_to_the_model(
    fields: list[tuple[str, str]], language: str | None
) -> None:
    assert language_of(read(*fields)) == language
