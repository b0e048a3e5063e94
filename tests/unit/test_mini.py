"""The mini-notation: values, places, limits and mistakes. What it plays is compared in test_mini_strudel.py."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gapless.play.errors import PlayError
from gapless.play.mini import mini, mini_numbers
from gapless.play.pattern import Place


def values(text: str, cycle: int = 0) -> list[object]:
    return [event.value for event in mini(text).query(cycle, cycle + 1)]


def refusal(text: str) -> PlayError:
    with pytest.raises(PlayError) as caught:
        mini(text)
    return caught.value


@pytest.mark.parametrize(
    "word",
    [
        *("bd", "bd:3", "bd:-1", "808lt", "808:3", "808bd:2", "c4", "cs4", "c#4", "ef3", "c4'min7"),
        *("c'maj'5'o", "~bass", "~808bd", "super-kick", "a.b", "a_b", "drum2", "é", "x1e3"),
    ],
)
def test_words(word: str) -> None:
    assert values(word) == [word]
    assert values(f"[{word}*2 {word}] {word}") == [word] * 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("3", 3), ("-3", -3), ("007", 7), ("1.0", 1.0), ("-0.25", -0.25), (".5", 0.5)),
        *(("1e3", 1000.0), ("2.5e-1", 0.25), ("3%8", 0.375), ("-1%4", -0.25)),
    ],
)
def test_numbers_are_whole_only_if_they_were_written_so(text: str, value: float) -> None:
    assert values(text) == [value]
    assert type(values(text)[0]) is type(value)


def test_numbers_alone_stay_exact() -> None:
    events = mini_numbers("1%3 0.1*2").query(0, 1)

    assert [event.value for event in events] == [Fraction(1, 3), Fraction(1, 10), Fraction(1, 10)]
    with pytest.raises(PlayError, match="'b' is not a number"):
        mini_numbers("1 [2 b]")


@pytest.mark.parametrize(
    "text", ["", "  ", "~", "-", "[]", "<>", "{}", "{}%4", "[,]", "~ [~, ~]*3"]
)
def test_nothing_is_silent(text: str) -> None:
    assert values(text) == []


def test_range_and_rest_beside_words_without_space() -> None:
    assert values("0..3") == [0, 1, 2, 3]
    assert values("a~[b]") == ["a", "b"]
    assert values("a~b") == ["a", "~b"]


def test_a_question_mark_takes_only_the_number_that_touches_it() -> None:
    assert values("1?0 0.5") == [1, 0.5]
    assert values("1?1 0.5") == [0.5]


def test_time_stays_exact_after_a_million_cycles() -> None:
    (event,) = mini("<a b c>/7 ~ ~").query(10**9, 10**9 + Fraction(1, 3))

    assert event.whole is not None
    assert event.whole.end - event.whole.begin == Fraction(7, 3)


@pytest.mark.parametrize(
    ("pulses", "steps", "rhythm"),
    [
        (3, 8, "x..x..x."),
        (5, 8, "x.xx.xx."),
        (4, 17, "x...x...x...x...."),
        (7, 17, "x..x.x..x.x..x.x."),
        (-3, 8, ".xx.xx.x"),
        (0, 4, "...."),
        (4, 4, "xxxx"),
        (1, 3, "x.."),
        (6, 4, "xxxxxx"),
    ],
)
def test_rhythms(pulses: int, steps: int, rhythm: str) -> None:
    onsets = {event.part.begin for event in mini(f"a({pulses},{steps})").query(0, 1)}

    slots = range(len(rhythm))
    assert "".join(".x"[Fraction(slot, len(rhythm)) in onsets] for slot in slots) == rhythm


# --- places ---


def test_every_event_says_where_it_was_written() -> None:
    text = "a [bb 0.5*2,\n c4'maj7]  ~d"
    lines = text.split("\n")

    events = mini(text).query(0, 1)
    assert len(events) == 6
    for event in events:
        line, column, length = event.spans[-1]
        assert lines[line - 1][column - 1 : column - 1 + length] == str(event.value)


def test_places_count_from_where_the_text_stands_in_its_file() -> None:
    first, second = mini("a\nb", Place(7, 20, 3)).query(0, 1)

    assert first.spans == (Place(7, 20, 1),)
    assert second.spans == (Place(8, 1, 1),)


def test_a_factor_that_changes_is_among_the_places() -> None:
    event = mini("a*<2 3>").query(1, 2)[0]

    assert event.spans == (Place(1, 6, 1), Place(1, 1, 1))


def test_a_text_is_parsed_once_for_each_place() -> None:
    assert mini("a b", Place(1, 5, 3)) is mini("a b", Place(1, 5, 3))
    assert mini("a b", Place(1, 5, 3)) is not mini("a b", Place(2, 5, 3))


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("a [b c", 3, "'[' is never closed: expected ']'"),
        ("a [b <c]", 8, "']' closes nothing: expected '>'"),
        ("a b]", 4, "']' closes nothing"),
        ("a(3,8", 2, "'(' is never closed: expected ')'"),
        ("a(3)", 4, "')' cannot stand here: expected ','"),
        ("a(3,8,1,2)", 8, "',' cannot stand here: expected ')'"),
        ("a*", 3, "the pattern ends too soon: expected a step"),
        ("a **2", 4, "'*' cannot stand here: expected a step"),
        ("a | b, c", 6, "',' cannot stand here: expected '|' or the end"),
        ("! a", 1, "'!' cannot stand here"),
        ("[_ a]", 2, "'_' cannot stand here"),
        ("a . . b", 5, "'.' cannot stand here: expected a step"),
        ("<a | b>", 4, "'|' cannot stand here"),
        ("a $b c", 3, "'$b' is not understood: expected a step"),
        ("3-2", 1, "'3-2' is not understood"),
        ("1.2.3", 1, "'1.2.3' is not understood"),
        ("a*b", 3, "'b' is not a number: expected a number"),
        ("a*[2 <3 b>]", 9, "'b' is not a number: expected a number"),
        ("a(3.5,8)", 3, "3.5 is not a whole number: expected a whole number"),
        ("a(3,8,x)", 7, "'x' is not a number"),
        ("{a b}%c", 7, "'c' is not a number"),
        ("a .. c", 1, "'a' is not a number"),
        ("0 .. 1.5", 6, "1.5 is not a whole number"),
        ("a@1e3", 2, "'@1e3' is not understood"),
        ("a!2.5", 2, "'!2.5' is not understood"),
        ("a?2", 2, "a chance of 2 is more than certain: expected a number from 0 to 1"),
        ("1%0", 1, "nothing can be divided by 0"),
        ("a@1%0", 2, "nothing can be divided by 0"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, what: str) -> None:
    error = refusal(text)

    assert error.place[:2] == (1, column)
    assert what in str(error)
    assert error.shown(text, "x.ph").startswith(f"x.ph:1:{column}: ")


def test_a_mistake_is_placed_in_the_file_that_the_text_is_from() -> None:
    with pytest.raises(PlayError) as caught:
        mini("a\nb )", Place(7, 20, 5))

    assert caught.value.place == Place(8, 3, 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a*1000000", "too many"),
        ("a/0.000001", "too many"),
        ("a!1000000", "too many"),
        ("<a!1000000>", "too many"),
        ("[[[a!100]!100]!100]", "too many"),
        ("a*100*100*100", "too many"),
        ("a*<2 1000000>", "too many"),
        ("a(1,1000000)", "too long"),
        ("a(1000000,8)", "too long"),
        ("a(<3 1000000>,8)", "too long"),
        ("[a*64](1,1024)", "too many"),
        ("~*1000000", "too many"),
        ("{a b}%1000000", "too many"),
        ("0 .. 1000000", "too many"),
        ("0 .. <1 -1000000>", "too many"),
        ("a*[0 .. 1000000]", "too many"),
        ("a/[0 .. 1]*20000", "too many"),
        ("[a,b,c,d]*10000", "too many"),
        ("a*1e30", "too many"),
        ("9" * 40, "at most 30 digits"),
        ("1e999999999", "at most 30 digits"),
        ("1%" + "9" * 40, "at most 30 digits"),
        ("[" * 33 + "a" + "]" * 33, "brackets"),
        ("a" + "*1" * 100, "one around the other"),
        ("[" * 20 + "a" + "*1*1]" * 20 + "*1" * 30, "one around the other"),
        ("a " * 5001, "too long"),
    ],
    ids=lambda text: text[:24],
)
def test_what_would_explode_is_refused_at_once(text: str, what: str) -> None:
    assert what in str(refusal(text))


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "[" * 31 + "a" + "]" * 31,
        "[" * 31 + "a b" + "]*1.1" * 31,
        "a" + "*1.01" * 60,
        "a*" + "[" * 31 + "2 3" + "]" * 31,
        "a " * 5000,
        "a*16384",
        "<a*1000 b c d>*4",
        "a@0.0001 b",
    ],
    ids=lambda text: text[:24],
)
def test_what_is_large_but_bounded_plays(text: str) -> None:
    assert mini(text).query(Fraction(1, 7), Fraction(1, 6)) is not None
    assert mini(text).query(3, 3) != []
