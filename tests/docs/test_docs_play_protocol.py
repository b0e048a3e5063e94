"""The page on the play protocol is written by hand; here it is held to the messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct
from msgspec.structs import fields

from gapless.serve.document.play_operations import PLAY_OPERATIONS
from gapless.serve.play.messages import (
    MAX_TEXT,
    PlayClientMessage,
    PlayEvent,
    PlayOptions,
    PlayRemark,
    PlayServerMessage,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "play-protocol.md").read_text("utf-8")

MESSAGES: list[type[Struct]] = [*get_args(PlayClientMessage), *get_args(PlayServerMessage)]


def tag(message: type[Struct]) -> str:
    """The ``type`` of a message on the wire."""
    return str(message.__struct_config__.tag)


def rows(first: str) -> list[list[str]]:
    """Rows of the page's tables whose first cell is this code, as the code words in each cell."""
    lines = [line for line in PAGE.splitlines() if line.startswith(f"| `{first}` |")]
    return [
        [" ".join(re.findall(r"`([^`]+)`", cell)) for cell in line.split("|")[1:]] for line in lines
    ]


@pytest.mark.parametrize("message", MESSAGES, ids=tag)
def test_every_message_is_on_the_page_with_exactly_its_fields(message: type[Struct]) -> None:
    (row,) = rows(tag(message))
    assert set(row[1].split()) == {field.encode_name for field in fields(message)}


def test_every_option_has_a_row_with_its_bounds() -> None:
    for field in fields(PlayOptions):
        (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{field.name}` |")]
        (bounds,) = get_args(field.type)[1:]
        assert f"| {bounds.ge} to {bounds.le} | {field.default} |" in line


@pytest.mark.parametrize("part", [PlayEvent, PlayRemark])
def test_the_parts_of_messages_are_named(part: type[Struct]) -> None:
    assert all(f"`{field.encode_name}`" in PAGE for field in fields(part))


def test_the_longest_program_is_named() -> None:
    assert f"{MAX_TEXT:,} characters" in PAGE


def test_every_close_code_is_explained() -> None:
    (operation,) = PLAY_OPERATIONS
    assert operation.socket is not None
    named = {int(code) for code in re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)}
    assert named == set(operation.socket.close_codes)
