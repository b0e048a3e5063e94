from __future__ import annotations

import msgspec
import pytest

from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.store.export import file_stem, render
from gapless.transcript import Utterance

SESSION = SessionRecord("id-1", "file", "m", 1000, name="talk.mp3")
TRANSCRIPT = StoredTranscript(
    SESSION, (Utterance("u1", "Hello.", 0, 1500), Utterance("u2", "It is < 5.", 2000, 3250))
)


def test_each_format_holds_all_that_was_said() -> None:
    assert msgspec.json.decode(render(TRANSCRIPT, "json"), type=StoredTranscript) == TRANSCRIPT
    assert render(TRANSCRIPT, "txt") == "Hello.\nIt is < 5.\n"
    assert "00:00:02,000 --> 00:00:03,250\nIt is < 5." in render(TRANSCRIPT, "srt")
    assert render(TRANSCRIPT, "vtt").startswith("WEBVTT\n")
    assert "It is &lt; 5." in render(TRANSCRIPT, "vtt")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("talk.mp3", "talk"),
        ("talk.final.mp3", "talk.final"),
        ("talk", "talk"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\talk.wav", "talk"),
        ('a"b\nc<d>.wav', "a_b_c_d_"),
        ("Äpfel 你好.wav", "Äpfel 你好"),
        ("..", "id-1"),
        (".wav", "id-1"),
        ("", "id-1"),
        (None, "id-1"),
        ("x" * 300 + ".wav", "x" * 100),
    ],
)
def test_a_file_is_named_after_what_was_heard(name: str | None, stem: str) -> None:
    assert file_stem(msgspec.structs.replace(SESSION, name=name)) == stem
