from __future__ import annotations

from gapless.transcript import Transcript, Utterance, Word, clock, to_srt, to_text, to_vtt

UTTERANCES = (
    Utterance(
        "u1", "hello\nworld", 0, 1500, words=(Word("hello", 0, 700), Word("world", 700, 1500))
    ),
    Utterance("u2", "", 2000, 2100),
    Utterance("u3", "a < b & c", 3_723_004, 3_724_000),
)


def test_text_has_one_utterance_a_line() -> None:
    assert to_text(UTTERANCES[1:]) == "a < b & c\n"


def test_srt_numbers_cues_and_leaves_out_empty_ones() -> None:
    assert to_srt(UTTERANCES) == (
        "1\n00:00:00,000 --> 00:00:01,500\nhello world\n"
        "\n"
        "2\n01:02:03,004 --> 01:02:04,000\na < b & c\n"
    )


def test_vtt_has_a_header_and_escapes_markup() -> None:
    assert to_vtt(UTTERANCES) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\nhello world\n"
        "\n"
        "01:02:03.004 --> 01:02:04.000\na &lt; b &amp; c\n"
    )


def test_no_speech_renders_as_empty_documents() -> None:
    assert (to_text(()), to_srt(()), to_vtt(())) == ("", "", "WEBVTT\n\n")


def test_hours_grow_beyond_two_digits() -> None:
    assert clock(360_000_000, ".") == "100:00:00.000"


def test_a_transcript_joins_its_utterances() -> None:
    transcript = Transcript(UTTERANCES, duration_ms=4000, model="m")

    assert transcript.text == "hello\nworld a < b & c"
    assert [word.text for word in transcript.words] == ["hello", "world"]
