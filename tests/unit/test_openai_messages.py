"""Every answer has all the fields that OpenAI promises, whether or not there is anything to put in."""

import math

import msgspec
import pytest

from gapless.serve.openai.messages import (
    LEAST_CONFIDENCE,
    ResponseFormat,
    logprobs_of,
    render,
)
from gapless.transcript import Transcript, Utterance, Word

SILENCE = Transcript((), 3000, "m")
SPEECH = Transcript(
    (
        Utterance(
            "u1", "hello you", 250, 1250, words=(Word("hello", 250, 700), Word("you", 700, 1250))
        ),
        Utterance(
            "u2",
            "<bye> now",
            2000,
            2500,
            avg_logprob=-0.5,
            no_speech_prob=0.1,
            compression_ratio=1.2,
            tokens=(5, 6),
            temperature=0.2,
        ),
    ),
    3000,
    "m",
    "en",
)

SEGMENT_FIELDS = [
    "id",
    "seek",
    "start",
    "end",
    "text",
    "tokens",
    "temperature",
    "avg_logprob",
    "compression_ratio",
    "no_speech_prob",
]


def decoded(
    transcript: Transcript, response_format: ResponseFormat, *, words: bool = False
) -> dict[str, object]:
    body, media_type = render(transcript, response_format, words=words)
    assert media_type == "application/json"
    answer: dict[str, object] = msgspec.json.decode(body)
    return answer


def test_json_holds_the_text_and_how_much_was_heard() -> None:
    usage = {"type": "duration", "seconds": 3.0}
    assert decoded(SPEECH, "json") == {"text": "hello you <bye> now", "usage": usage}
    assert decoded(SILENCE, "json") == {"text": "", "usage": usage}


def test_verbose_json_fills_what_the_model_does_not_know_with_zeros() -> None:
    answer = decoded(SPEECH, "verbose_json")
    first, second = msgspec.convert(answer.pop("segments"), list[dict[str, object]])
    assert answer == {
        "task": "transcribe",
        "language": "en",
        "duration": 3.0,
        "text": "hello you <bye> now",
        "usage": {"type": "duration", "seconds": 3.0},
    }
    assert list(first) == list(second) == SEGMENT_FIELDS
    assert list(first.values()) == [0, 25, 0.25, 1.25, "hello you", [], 0.0, 0.0, 0.0, 0.0]
    assert list(second.values()) == [1, 200, 2.0, 2.5, "<bye> now", [5, 6], 0.2, -0.5, 1.2, 0.1]


def test_words_are_there_only_when_asked_for() -> None:
    assert "words" not in decoded(SPEECH, "verbose_json")
    assert decoded(SPEECH, "verbose_json", words=True)["words"] == [
        {"word": "hello", "start": 0.25, "end": 0.7},
        {"word": "you", "start": 0.7, "end": 1.25},
    ]


def test_silence_keeps_the_schema() -> None:
    assert decoded(SILENCE, "verbose_json", words=True) == {
        "task": "transcribe",
        "language": "und",
        "duration": 3.0,
        "text": "",
        "segments": [],
        "words": [],
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_diarized_json_says_that_it_does_not_know_who_spoke() -> None:
    answer = decoded(SPEECH, "diarized_json")
    assert (answer["task"], answer["duration"]) == ("transcribe", 3.0)
    assert answer["text"] == "hello you <bye> now"
    assert answer["segments"] == [
        {
            "type": "transcript.text.segment",
            "id": "seg_001",
            "start": 0.25,
            "end": 1.25,
            "text": "hello you",
            "speaker": "unknown",
        },
        {
            "type": "transcript.text.segment",
            "id": "seg_002",
            "start": 2.0,
            "end": 2.5,
            "text": "<bye> now",
            "speaker": "unknown",
        },
    ]
    assert decoded(SILENCE, "diarized_json")["segments"] == []


def test_log_probabilities_are_the_logarithms_of_confidences_and_their_tokens_the_text() -> None:
    found = logprobs_of([("so", 1.0), ("é", 0.5), ("no", 0.0)])
    assert "".join(entry.token for entry in found) == "so é no"
    assert [bytes(entry.bytes).decode() for entry in found] == ["so", " é", " no"]
    assert [entry.logprob for entry in found] == pytest.approx(
        [0.0, math.log(0.5), math.log(LEAST_CONFIDENCE)]
    )
    assert logprobs_of([("so", 1.0)], begun=True)[0].token == " so"


def test_log_probabilities_are_none_where_one_is_not_known() -> None:
    assert logprobs_of([("so", 1.0), ("what", None)]) == ()
    body, _ = render(SPEECH, "json", logprobs=True)
    assert msgspec.json.decode(body)["logprobs"] == []


def test_a_translation_is_english_whatever_was_spoken() -> None:
    body, _ = render(SPEECH, "verbose_json", task="translate")
    answer = msgspec.json.decode(body)
    assert (answer["task"], answer["language"]) == ("translate", "english")


@pytest.mark.parametrize(
    ("response_format", "speech", "silence", "media_type"),
    [
        ("text", "hello you\n<bye> now\n", "", "text/plain; charset=utf-8"),
        (
            "srt",
            (
                "1\n00:00:00,250 --> 00:00:01,250\nhello you\n\n"
                "2\n00:00:02,000 --> 00:00:02,500\n<bye> now\n"
            ),
            "",
            "text/plain; charset=utf-8",
        ),
        (
            "vtt",
            (
                "WEBVTT\n\n00:00:00.250 --> 00:00:01.250\nhello you\n\n"
                "00:00:02.000 --> 00:00:02.500\n&lt;bye&gt; now\n"
            ),
            "WEBVTT\n\n",
            "text/vtt; charset=utf-8",
        ),
    ],
)
def test_text_formats_are_plain_text(
    response_format: ResponseFormat, speech: str, silence: str, media_type: str
) -> None:
    assert render(SPEECH, response_format, words=False) == (speech.encode(), media_type)
    assert render(SILENCE, response_format, words=False) == (silence.encode(), media_type)
