"""Where transcripts go and in which format.

In: transcripts of files. Out: text, JSON, SRT or WebVTT on standard output or in files.
Invariants: no two files of one call write to the same place. Thread: any.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gapless.errors import ConfigError, GaplessError, StoreError
from gapless.transcript import Transcript, Utterance, to_srt, to_text, to_vtt

FORMATS: Final = ("txt", "json", "srt", "vtt")

STDIN: Final = "-"
"""The name that stands for standard input."""


class FileTranscript(msgspec.Struct, frozen=True):
    """A transcript as ``--format json`` and ``--json`` print it."""

    file: str
    text: str
    duration_ms: int
    model: str
    language: str | None
    utterances: tuple[Utterance, ...]


class FileError(msgspec.Struct, frozen=True):
    """Why a file has no transcript."""

    code: str
    message: str
    retryable: bool


class FileFailure(msgspec.Struct, frozen=True):
    """A file without a transcript, as ``--json`` prints it."""

    file: str
    error: FileError


def render(file: str, transcript: Transcript, file_format: str) -> str:
    """A transcript as the whole text of a file."""
    match file_format:
        case "json":
            return msgspec.json.format(json_line(file, transcript)) + "\n"
        case "srt":
            return to_srt(transcript.utterances)
        case "vtt":
            return to_vtt(transcript.utterances)
        case _:
            return to_text(transcript.utterances)


def json_line(file: str, outcome: Transcript | GaplessError) -> str:
    """What became of a file, as one line of JSON."""
    record: FileTranscript | FileFailure
    if isinstance(outcome, GaplessError):
        record = FileFailure(file, FileError(outcome.code, str(outcome), outcome.retryable))
    else:
        record = FileTranscript(
            file,
            outcome.text,
            outcome.duration_ms,
            outcome.model,
            outcome.language,
            outcome.utterances,
        )
    return msgspec.json.encode(record).decode()


def choose_format(asked: str | None, output: str | None) -> str:
    """The format that was asked for, or that the name of the output says, or plain text."""
    named = Path(output).suffix[1:].lower() if output is not None else ""
    return asked or (named if named in FORMATS else "txt")


def plan_outputs(files: Sequence[str], output: str | None, file_format: str) -> list[Path | None]:
    """Where each file's transcript is to be written; None is standard output.

    ``output`` is a folder if it is one already, if it ends with a slash, or if there are several files.

    Raises:
        ConfigError: two files would be written to one place, or several subtitles to standard output.
    """
    if output is None:
        if len(files) > 1 and file_format in ("srt", "vtt"):
            raise ConfigError(
                f"subtitles of {len(files)} files do not fit on standard output; name a folder with -o",
                param="output",
            )
        return [None] * len(files)
    folder = Path(output)
    if len(files) == 1 and not output.endswith(("/", os.sep)) and not folder.is_dir():
        return [folder]
    written_by: dict[Path, str] = {}
    for file in files:
        place = folder / f"{'stdin' if file == STDIN else Path(file).stem}.{file_format}"
        if place in written_by:
            raise ConfigError(
                f"{written_by[place]} and {file} would both be written to {place}; "
                "transcribe them into two folders",
                param="output",
            )
        written_by[place] = file
    return list(written_by)


def write_output(text: str, place: Path) -> None:
    """Write a file and the folders it lies in.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written ({error.strerror}); choose another place with -o"
        ) from error
