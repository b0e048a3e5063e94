"""Whatever is written, a program or a ``PlayError`` comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapless.play.errors import PlayError
from gapless.play.language.load import compile_program
from gapless.testing.play_units import FAKE_UNITS

pytestmark = pytest.mark.long

PROGRAMS = sorted((Path(__file__).parents[1] / "data" / "play").glob("*.ph"))
TEXTS = [path.read_text("utf-8") for path in PROGRAMS]
PIECES = [
    *[
        "~x",
        "@t",
        "%p",
        "s",
        '"bd',
        'sn"',
        '"<1',
        '2>"',
        '"c\'min7"',
        '"~x"',
        "note",
        "gain",
        "lpf",
        "saw",
        "sine",
        "rev",
        "fast",
        "every",
        "off",
        "stack",
    ],
    *[
        "(",
        ")",
        "[",
        "]",
        ",",
        "#",
        "$",
        ".",
        ":",
        "=",
        "+",
        "-",
        "*",
        "/",
        "|+|",
        "|>",
        "<|",
        "-1",
        "0.5",
        "1/8",
        "4",
        "440",
        ":q",
        "fn",
        "out:",
        "o1:",
        "hush",
        "tempo",
    ],
    *("(# lpf 300)", "\n", "\n  ", "--", "'", '"', "range", "scale", "pan", "\t", "é", "\x0b"),
]


def understood_or_refused(text: str) -> None:
    mistake: PlayError | None = None
    try:
        program = compile_program(text, "x.ph", FAKE_UNITS)
    except PlayError as error:
        mistake = error
    else:
        program.events(0, 2)
    assert mistake is None or (mistake.shown(text, "x.ph") and mistake.place.line >= 1)


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_any_characters(text: str) -> None:
    understood_or_refused(text)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
@settings(max_examples=150)
def test_any_words_of_the_language(text: str) -> None:
    understood_or_refused(text)
    understood_or_refused("out: " + text)


@given(
    text=st.sampled_from(TEXTS),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from(["", *PIECES])), max_size=4
    ),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_edits_of_a_program(text: str, edits: list[tuple[float, int, str]]) -> None:
    for where, length, piece in edits:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + length :]

    understood_or_refused(text)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_programs_that_are_edited_are_understood(path: Path) -> None:
    assert compile_program(path.read_text("utf-8"), path.name, FAKE_UNITS).outputs
