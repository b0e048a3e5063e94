"""The mini-notation beside Strudel's answers (tests/data/strudel), and where TidalCycles differs from Strudel."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gapless.play.mini import mini

pytestmark = pytest.mark.long

ANSWERS: dict[str, list[list[Any]]] = json.loads(
    Path(__file__).parents[1].joinpath("data/strudel/mini.json").read_text(encoding="utf-8")
)
CYCLES = 4


class Seen(NamedTuple):
    """An event, or a piece of one."""

    begin: Fraction
    end: Fraction
    value: Any
    part_begin: Fraction
    part_end: Fraction


def ours(text: str) -> list[Seen]:
    return [
        Seen(event.whole.begin, event.whole.end, event.value, event.part.begin, event.part.end)
        for cycle in range(CYCLES)
        for event in mini(text).query(cycle, cycle + 1)
        if event.whole is not None
    ]


def theirs(text: str) -> list[Seen]:
    return [
        Seen(Fraction(begin), Fraction(end), event[-1], Fraction(event[-3]), Fraction(event[-2]))
        for event in ANSWERS[text]
        for begin, end in [event[:2]]
    ]


def joined(seen: list[Seen]) -> Counter[Seen]:
    """As a multiset. Pieces of one event that touch are one: where to cut is nobody's meaning."""
    begins: dict[tuple[Any, ...], list[Fraction]] = {}
    for piece in sorted(seen, key=lambda one: one.part_begin):
        event = piece[:3]
        open_since = begins.get((*event, piece.part_begin), [])
        begin = open_since.pop() if open_since else piece.part_begin
        begins.setdefault((*event, piece.part_end), []).append(begin)
    return Counter(
        Seen(event[0], event[1], event[2], begin, event[3])
        for event, since in begins.items()
        for begin in since
    )


def test_it_plays_what_strudel_plays() -> None:
    different = [text for text in ANSWERS if joined(ours(text)) != joined(theirs(text))]

    assert len(ANSWERS) > 750
    assert different == []


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        pytest.param(
            "a(3,8,2)", "~ a ~ ~ a ~ a ~", id="a rhythm turns to the left, there to the right"
        ),
        pytest.param("a(3,8,-1)", "~ a ~ ~ a ~ ~ a", id="and to the right for less than 0"),
        pytest.param(
            "[a b](3,8)", "[a b] ~ ~ [a b] ~ ~ [a b] ~", id="each pulse plays the whole group"
        ),
        pytest.param("a*2(3,8)", "a*2 ~ ~ a*2 ~ ~ a*2 ~", id="each pulse plays the whole step"),
        pytest.param("a(9,8)", "a*9", id="more pulses than steps, there an error"),
        pytest.param("a(3 5,8)", "a([3 5],8)", id="arguments are sequences, there an error"),
        pytest.param("a@3!2 b", "a@3 a@3 b", id="weight and copies are independent"),
        pytest.param("a@0 b", "b", id="no weight is none, there it is 1"),
        pytest.param("a!0 b", "b", id="no copies are none, there one"),
        pytest.param("[a b]*-1", "b a", id="backwards, there nothing"),
        pytest.param("0 .. 3*2", "0 .. [3 3]", id="the end of a range has its own operators"),
        pytest.param("a/0 b", "~ b", id="infinitely slow is silent, there an error"),
        pytest.param("<a . b c>", "<a [b c]>", id="feet in any bracket, there an error"),
        pytest.param("{a b . c d e}%2", "[a b] [c d e]", id="feet are the steps of a polymeter"),
        pytest.param("[] a", "~ a", id="an empty group is a rest, there an error"),
        pytest.param("a*3%2", "a*1.5", id="a ratio, there a word"),
    ],
)
def test_where_tidal_differs_it_is_as_in_tidal(text: str, same_as: str) -> None:
    assert text not in ANSWERS
    assert joined(ours(text)) == joined(ours(same_as))
