"""The page on the native stream is written by hand; here it is held to the messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from msgspec import Struct
from msgspec.structs import fields

from gapless.serve.stream import close
from gapless.serve.stream.messages import (
    ClientMessage,
    HearingOptions,
    Limits,
    ServerMessage,
    StreamOptions,
    WarningMessage,
    WordTime,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "stream.md").read_text("utf-8")

EVERYWHERE = {"seq", "session"}
"""Fields that all messages of the server have, and that the page names once."""

MESSAGES: list[type[Struct]] = [*get_args(ClientMessage), *get_args(ServerMessage)]


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
    named = {frozenset(row[1].split()) for row in rows(tag(message))}
    names = {field.encode_name for field in fields(message)}
    if message in get_args(ServerMessage):
        names -= EVERYWHERE
    elif names == set(StreamOptions.__struct_fields__):
        names = set()  # the page says "all options above"

    assert frozenset(names) in named


@pytest.mark.parametrize("option", StreamOptions.__struct_fields__)
def test_every_option_has_a_row(option: str) -> None:
    # Name, values, default and meaning; a message of the same name has a row of three cells.
    cells = [len(row) - 1 for row in rows(option)]
    assert cells.count(4) == 1


def test_the_options_that_may_change_are_those_of_configure() -> None:
    assert [row[1].split() for row in rows("configure")] == [list(HearingOptions.__struct_fields__)]


@pytest.mark.parametrize("part", [Limits, WordTime])
def test_the_parts_of_messages_are_named(part: type[Struct]) -> None:
    assert all(f"`{field.encode_name}`" in PAGE for field in fields(part))


def test_every_warning_is_explained() -> None:
    codes = get_args(get_type_hints(WarningMessage)["code"])

    assert codes
    assert all(len(rows(code)) == 1 for code in codes)


def test_every_close_code_is_explained() -> None:
    sent = {
        value
        for name, value in vars(close).items()
        if name.isupper() and isinstance(value, int) and value != close.LOST
    }

    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)} == sent
