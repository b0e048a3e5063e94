"""What holds for every text of the mini-notation."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gapless.play.errors import PlayError
from gapless.play.mini import mini
from gapless.play.mini.cost import MOST_EVENTS
from gapless.play.pattern import Event, Pattern, Place
from gapless.play.time import Span

pytestmark = pytest.mark.long

CYCLES = 3
ALPHABET = "ab~3.5 \n[]<>{}(),|*/@_!?%-:'"

LEAVES = st.sampled_from(["a", "bd:3", "c4'maj7", "~x", "7", "-0.5", "~"])
FACTORS = st.sampled_from(["2", "3", "1.5", "2%3", "<2 3>", "[1 <2 3>]", "{1 2 3}%2"])
MARKS = st.sampled_from(["", "", "@2", "@1.5", "!2", " !", " _", "?", "?0.3"])
RHYTHMS = st.sampled_from(["(3,8)", "(3,8,2)", "(<3 -2>,<8 5>,<0 1>)", "(5 2,8)"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(st.tuples(inner, MARKS).map("".join), min_size=1, max_size=3).map(" ".join)
    several = st.lists(sequences, min_size=2, max_size=3)
    return st.one_of(
        sequences.map("[{}]".format),
        sequences.map("<{}>".format),
        several.map(lambda layers: f"[{', '.join(layers)}]"),
        several.map(lambda layers: f"[{' | '.join(layers)}]"),
        several.map(lambda feet: f"[{' . '.join(feet)}]"),
        st.tuples(several, FACTORS).map(lambda it: "{" + ", ".join(it[0]) + "}%" + it[1]),
        st.tuples(inner, st.sampled_from("*/"), FACTORS).map("".join),
        st.tuples(inner, RHYTHMS).map("".join),
        st.just("[0 .. <2 -3>]"),
    )


TEXTS = st.recursive(LEAVES, grown, max_leaves=6)
TIMES = st.fractions(min_value=0, max_value=CYCLES, max_denominator=24)


class Piece(NamedTuple):
    """What is seen of an event; its places do not count."""

    whole: Span
    value: object
    begin: Fraction
    end: Fraction


def pattern_of(text: str) -> Pattern[Any]:
    """What a text describes, if it asks for no more than it may."""
    try:
        return mini(text)
    except PlayError as error:
        assume("too many" not in str(error))
        raise


def joined(events: list[Event[Any]]) -> Counter[Piece]:
    """The pieces of each event that touch made one."""
    pieces: list[Piece] = []
    for event in sorted(events, key=lambda one: (str(one.value), one.whole or (), one.part)):
        assert event.whole is not None
        piece = Piece(event.whole, event.value, *event.part)
        for index, other in enumerate(pieces):
            if other[:2] == piece[:2] and other.end == piece.begin:
                pieces[index] = other._replace(end=piece.end)
                break
        else:
            pieces.append(piece)
    return Counter(pieces)


@given(text=TEXTS, times=st.lists(TIMES, max_size=3))
def test_questions_that_are_split_anywhere_join_to_the_same_events(
    text: str, times: list[Fraction]
) -> None:
    pattern = pattern_of(text)
    cuts = [Fraction(0), *sorted(times), Fraction(CYCLES)]

    pieces = [
        event for begin, end in pairwise(cuts) if begin < end for event in pattern.query(begin, end)
    ]
    assert joined(pieces) == joined(pattern.query(0, CYCLES))


@given(text=TEXTS, begin=TIMES, length=TIMES)
def test_a_piece_lies_in_its_event_and_in_the_question(
    text: str, begin: Fraction, length: Fraction
) -> None:
    for event in pattern_of(text).query(begin, begin + length):
        assert event.whole is not None
        assert event.whole.begin <= event.part.begin <= event.part.end <= event.whole.end
        assert begin <= event.part.begin
        assert event.part.end <= begin + length


@given(text=TEXTS, time=TIMES)
def test_a_moment_holds_the_events_that_hold_there(text: str, time: Fraction) -> None:
    pattern = pattern_of(text)
    around = [
        event for event in pattern.query(0, CYCLES + 1) if event.part.begin <= time < event.part.end
    ]

    seen = Counter((event.whole, event.value) for event in pattern.query(time, time))
    assert seen == Counter((event.whole, event.value) for event in around)


@given(text=TEXTS, factor=st.sampled_from(["2", "3", "1.5", "<4>", "7%3"]))
def test_fast_then_slow_is_as_before(text: str, factor: str) -> None:
    expected = joined(pattern_of(f"[{text}]").query(0, CYCLES))
    # Chance knows a place by what stands there.
    assume("?" not in text)
    assume("|" not in text)

    assert joined(pattern_of(f"[{text}]*{factor}/{factor}").query(0, CYCLES)) == expected
    assert joined(pattern_of(f"[{text}]/{factor}*{factor}").query(0, CYCLES)) == expected


@given(text=TEXTS)
def test_parsed_anew_it_is_the_same_with_its_chances(text: str) -> None:
    before = pattern_of(text).query(0, CYCLES)
    mini.cache_clear()

    assert mini(text).query(0, CYCLES) == before


@given(text=TEXTS)
def test_what_an_event_was_read_from_stands_where_it_says(text: str) -> None:
    for event in pattern_of(text).query(0, CYCLES):
        place = event.spans[-1]
        read = text[place.column - 1 : place.column - 1 + place.length]
        if isinstance(event.value, str):
            assert read == event.value
        elif "0 .." not in text:
            assert float(read) == event.value


@given(text=TEXTS, cycle=st.integers(-3, 50))
def test_no_cycle_holds_more_than_the_limit(text: str, cycle: int) -> None:
    assert len(pattern_of(text).query(cycle, cycle + 1)) <= MOST_EVENTS


@given(text=st.text(ALPHABET, max_size=30), column=st.integers(1, 50))
@example(text="[\n3.", column=2)
@example(text="a\x00", column=1)
def test_any_text_plays_or_is_a_mistake_that_can_be_shown(text: str, column: int) -> None:
    source = " " * (column - 1) + text
    try:
        mini(text, Place(1, column, len(text))).query(0, Fraction(1, 3))
    except PlayError as error:
        place, shown = error.place, error.shown(source, "x.ph")
    else:
        return
    assert 1 <= place.line <= text.count("\n") + 1
    assert 1 <= place.column <= len(source.split("\n")[place.line - 1]) + 1
    assert shown.startswith(f"x.ph:{place.line}:{place.column}: ")
