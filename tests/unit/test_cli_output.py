from __future__ import annotations

import json
from pathlib import Path

import pytest

from gapless.cli.output import choose_format, json_line, plan_outputs, render, write_output
from gapless.errors import ConfigError, InvalidAudioError, StoreError
from gapless.transcript import Transcript, Utterance, Word

TRANSCRIPT = Transcript(
    (Utterance("u1", "guten Tag", 0, 900, words=(Word("guten", 0, 400), Word("Tag", 400, 900))),),
    duration_ms=1000,
    model="m",
    language="de",
)


@pytest.mark.parametrize(
    ("file_format", "text"),
    [
        ("txt", "guten Tag\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:00,900\nguten Tag\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nguten Tag\n"),
    ],
)
def test_a_transcript_is_rendered_in_the_format_asked_for(file_format: str, text: str) -> None:
    assert render("a.wav", TRANSCRIPT, file_format) == text


def test_json_holds_the_words_and_says_which_file() -> None:
    line = json_line("a.wav", TRANSCRIPT)
    document = json.loads(line)

    assert "\n" not in line
    assert json.loads(render("a.wav", TRANSCRIPT, "json")) == document
    assert document["file"] == "a.wav"
    assert document["text"] == "guten Tag"
    assert document["duration_ms"] == 1000
    assert document["utterances"][0]["words"][1]["start_ms"] == 400


def test_a_failure_is_a_line_of_json_too() -> None:
    assert json.loads(json_line("a.wav", InvalidAudioError("no sound; send some"))) == {
        "file": "a.wav",
        "error": {"code": "invalid_audio", "message": "no sound; send some", "retryable": False},
    }


@pytest.mark.parametrize(
    ("asked", "output", "chosen"),
    [
        (None, None, "txt"),
        (None, "talk.srt", "srt"),
        (None, "talk.VTT", "vtt"),
        (None, "folder/", "txt"),
        ("json", "talk.srt", "json"),
    ],
)
def test_the_name_of_the_output_says_the_format_where_none_is_asked_for(
    asked: str | None, output: str | None, chosen: str
) -> None:
    assert choose_format(asked, output) == chosen


def test_one_file_goes_where_it_is_told(tmp_path: Path) -> None:
    assert plan_outputs(["a.wav"], None, "srt") == [None]
    assert plan_outputs(["a.wav"], "b.srt", "srt") == [Path("b.srt")]
    assert plan_outputs(["a.wav"], str(tmp_path), "srt") == [tmp_path / "a.srt"]
    assert plan_outputs(["-"], "new/", "srt") == [Path("new/stdin.srt")]


def test_several_files_go_into_a_folder() -> None:
    assert plan_outputs(["x/a.wav", "b.mp3"], "out", "vtt") == [
        Path("out/a.vtt"),
        Path("out/b.vtt"),
    ]


def test_two_files_are_never_written_to_one_place() -> None:
    with pytest.raises(
        ConfigError, match=r"x/a\.wav and y/a\.mp3 would both be written to out/a\.txt"
    ):
        plan_outputs(["x/a.wav", "y/a.mp3"], "out", "txt")


def test_subtitles_of_several_files_need_a_folder() -> None:
    with pytest.raises(ConfigError, match="name a folder with -o"):
        plan_outputs(["a.wav", "b.wav"], None, "srt")


def test_folders_of_an_output_are_made(tmp_path: Path) -> None:
    write_output("größer\n", tmp_path / "new" / "a.txt")

    assert (tmp_path / "new" / "a.txt").read_bytes() == "größer\n".encode()


def test_an_output_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="choose another place with -o"):
        write_output("text", tmp_path / "file" / "a.txt")
