"""How a musician's mistake is shown."""

from __future__ import annotations

import pytest

from gapless.errors import GaplessError
from gapless.play.errors import WIDEST_LINE, PlayError, nearest_name, one_of
from gapless.play.pattern import Place


def test_it_shows_the_line_with_carets_under_the_mistake_and_what_to_write() -> None:
    error = PlayError(
        "'lfp' is not known", place=Place(2, 9, 3), expected=("an effect",), nearest="lpf"
    )

    assert error.shown("bpm: 120\no1: x # lfp 300\n", "beat.ph") == (
        "beat.ph:2:9: 'lfp' is not known\n"
        "    o1: x # lfp 300\n"
        "            ^^^\n"
        "expected an effect, did you mean lpf?"
    )
    assert str(error) == (
        "line 2, column 9: 'lfp' is not known: expected an effect, did you mean lpf?"
    )


def test_it_is_one_of_ours_and_a_value_error() -> None:
    error = PlayError("no", place=Place(1, 1, 1))

    assert isinstance(error, GaplessError)
    assert isinstance(error, ValueError)
    assert str(error) == "line 1, column 1: no"
    assert error.shown("x", "f") == "f:1:1: no\n    x\n    ^"


def test_tabs_before_the_mistake_stay_tabs_so_that_the_caret_is_below_it() -> None:
    assert PlayError("no", place=Place(1, 3, 1)).shown("\ta?", "f").splitlines()[-1] == "    \t ^"


@pytest.mark.parametrize("column", [1, 150, 400])
def test_a_long_line_is_cut_around_the_mistake(column: int) -> None:
    letters = [chr(ord("a") + index % 26) for index in range(400)]
    letters[column - 1] = "!"

    _, line, carets = (
        PlayError("no", place=Place(1, column, 1)).shown("".join(letters), "f").split("\n")
    )
    assert len(line) <= WIDEST_LINE + 4
    assert line[carets.index("^")] == "!"


def test_the_end_of_the_text_can_be_pointed_at() -> None:
    assert PlayError("no", place=Place(1, 4, 1)).shown("a [", "f").endswith("a [\n       ^")
    assert PlayError("no", place=Place(2, 1, 1)).shown("a\n", "f").endswith("\n    \n    ^")
    assert PlayError("no", place=Place(9, 1, 1)).shown("a\n", "f") == "f:9:1: no"


def test_carets_stay_within_the_line() -> None:
    assert PlayError("no", place=Place(1, 2, 50)).shown("abc", "f").endswith("abc\n     ^^")


def test_a_long_list_of_what_was_expected_is_cut() -> None:
    error = PlayError("no", place=Place(1, 1, 1), expected=tuple("abcdefghijkl"))

    assert error.advice() == "expected a, b, c, d, e, f, g, h or something else"


def test_names() -> None:
    assert one_of(["a"]) == "a"
    assert one_of(["a", "b", "c"]) == "a, b or c"
    assert nearest_name("revreb", ["reverb", "rev", "delay"]) == "reverb"
    assert nearest_name("xyz", ["reverb"]) is None
