"""Kept transcripts as files: JSON, text and subtitles.

In: a transcript of the store. Out: the text of a file, and a name for it. Invariants: a name is one name of at most 100
characters, whatever the recording was called. Thread: any (pure functions).
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.transcript import to_srt, to_text, to_vtt

Format: TypeAlias = Literal["json", "txt", "srt", "vtt"]

NOT_IN_FILE_NAMES: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\ufffd]')
"""Control characters, and what Windows refuses."""

MAX_STEM_CHARS: Final = 100


def render(transcript: StoredTranscript, shape: Format) -> str:
    """A transcript as the whole text of a file."""
    if shape == "json":
        return msgspec.json.encode(transcript).decode()
    to_shape = {"txt": to_text, "srt": to_srt, "vtt": to_vtt}[shape]
    return to_shape(transcript.utterances)


def file_stem(session: SessionRecord) -> str:
    """The name of what was heard, without folders and extension; the session's id if there is none."""
    last = re.split(r"[/\\]", session.name or "")[-1]
    head, dot, _ = last.rpartition(".")
    stem = NOT_IN_FILE_NAMES.sub("_", head if dot else last).strip(" .")
    return stem[:MAX_STEM_CHARS] or session.id
