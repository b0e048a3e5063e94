"""Transcripts as lines of JSON, to be kept elsewhere and read back.

In: transcripts, or the lines of a file. Out: lines, or transcripts. Invariants: what is read is what was written; a
file that was cut off or is none of ours is told from one that is whole; nothing is held but one transcript at a time.
Thread: any.

    {"format": "gapless-transcripts", "version": 1, "exported_at_ms": ...}
    {"session": {...}, "utterances": [...]}                                   one line a transcript
    {"end": true, "transcripts": 2}
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase, BufferedReader
from typing import Final, Literal

import msgspec

from gapless.errors import StoreError
from gapless.store.contract import StoredTranscript

VERSION: Final = 1

MAX_LINE_BYTES: Final = 1024 * 1024 * 1024
"""The longest transcript; a line without an end would fill the memory."""

GZIP_MAGIC: Final = b"\x1f\x8b"

END_BEGINS: Final = b'{"end":'


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    format: Literal["gapless-transcripts"]
    version: int
    exported_at_ms: int
    """Unix time in milliseconds."""


class End(msgspec.Struct, frozen=True):
    """The last line."""

    end: Literal[True]
    transcripts: int


def archive_lines(transcripts: Iterable[StoredTranscript], *, now_ms: int) -> Iterator[bytes]:
    """The lines of an archive, each with its line feed."""
    yield msgspec.json.encode(Header("gapless-transcripts", VERSION, now_ms)) + b"\n"
    count = 0
    for transcript in transcripts:
        yield msgspec.json.encode(transcript) + b"\n"
        count += 1
    yield msgspec.json.encode(End(end=True, transcripts=count)) + b"\n"


def read_archive(file: BufferedReader, name: str) -> Iterator[StoredTranscript]:
    """The transcripts of an archive, packed by gzip or not, as they are read.

    Args:
        file: stands at its beginning.
        name: of the file, for messages.

    Raises:
        StoreError: the file is no archive, or is damaged or cut off; what came before was given out.
    """
    number = 0
    try:
        lines = _lines(file, name)
        for number, line in enumerate(lines, start=1):
            if number == 1:
                _check_header(line, name)
            elif line.startswith(END_BEGINS):
                end = msgspec.json.decode(line, type=End)
                if end.transcripts != number - 2:
                    raise StoreError(
                        f"{name} holds {number - 2} of {end.transcripts} transcripts; export them again"
                    )
                return
            else:
                yield msgspec.json.decode(line, type=StoredTranscript)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"line {number} of {name} is no transcript ({error}); what came before it was read, mend or export it again"
        ) from error
    except (EOFError, OSError, zlib.error) as error:
        raise StoreError(
            f"{name} cannot be read behind line {number} ({error}); what came before was read, export it again"
        ) from error
    raise StoreError(
        f"{name} was cut off behind line {number}; what came before was read, export it again"
    )


def _lines(file: BufferedReader, name: str) -> Iterator[bytes]:
    lines: BufferedIOBase = file
    if file.peek(2)[:2] == GZIP_MAGIC:
        lines = gzip.GzipFile(fileobj=file)
    while line := lines.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise StoreError(
                f"{name} has a line of more than {MAX_LINE_BYTES} bytes; it is no archive, choose another file"
            )
        yield line


def _check_header(line: bytes, name: str) -> None:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{name} is no archive of transcripts; make one with `gapless store export --all -f jsonl`"
        ) from error
    if header.version > VERSION:
        raise StoreError(
            f"{name} was written by a newer Gapless (version {header.version}, known here: {VERSION}); upgrade Gapless"
        )
