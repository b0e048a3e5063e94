"""What is said of mistakes, word by word: ``tests/data/play/mistakes.txt`` has programs and what is drawn for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.play.errors import PlayError
from gapless.play.language.load import compile_program
from gapless.play.language.mistakes import ProgramError
from gapless.testing.play_units import FAKE_UNITS

GOLDEN = Path(__file__).parents[1] / "data" / "play" / "mistakes.txt"
CASES = [case.split("\n---\n") for case in GOLDEN.read_text("utf-8").rstrip("\n").split("\n===\n")]


@pytest.mark.parametrize(("text", "shown"), CASES, ids=[text.splitlines()[-1] for text, _ in CASES])
def test_a_mistake_is_drawn_where_it_is(text: str, shown: str) -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program(text, "x.ph", FAKE_UNITS)

    assert caught.value.shown(text, "x.ph") == shown
    assert str(caught.value) == shown


def mistakes_of(text: str) -> tuple[PlayError, ...]:
    with pytest.raises(ProgramError) as caught:
        compile_program(text, "x.ph", FAKE_UNITS)
    return caught.value.mistakes


def test_all_mistakes_are_told_in_the_order_of_the_text() -> None:
    text = 'out: sinee 1\n~a: saw "x"\no1: saw (2\no2: saw 1 2\ntempo: rev'

    assert [one.place.line for one in mistakes_of(text)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "text",
    [
        "~a: saw (1\nout: ~a * 2",
        "~a: sinee 1\nout: ~a * 2",
        "@a: saw (1\nout: @a",
        '%a: "[1"\nout: s "bd" $ fast %a',
        "fn f x = (x\nout: f 2",
        '~a: sinee 1\n~b: saw ~a\nout: s "~b"',
    ],
)
def test_what_depends_on_a_mistake_is_none_of_its_own(text: str) -> None:
    assert [one.place.line for one in mistakes_of(text)] == [1]


def test_the_same_mistake_of_a_function_is_told_once() -> None:
    (mistake,) = mistakes_of("fn f x = x * sinee\no1: f 2\no2: f 3")

    assert mistake.nearest == "sine"


def test_of_many_mistakes_the_first_are_drawn_and_the_rest_is_counted() -> None:
    text = "\n".join(f"o{n}: sinee" for n in range(1, 15))

    with pytest.raises(ProgramError) as caught:
        compile_program(text, "x.ph", FAKE_UNITS)

    assert str(caught.value).count("no function called sinee") == 10
    assert str(caught.value).endswith("and 4 more")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("out: " + "(" * 30 + "1" + ")" * 30, "brackets go no deeper"),
        ("out: 1" + " + 1" * 3000, "no more than 2000 words"),
        ("out: saw 1" + " # lpf 2" * 150, "one behind the other"),
        ("\n".join(f"~b{n}: ~b{n + 1} * 2" for n in range(500)), "one behind the other"),
        ("out: 1000000000000 * 1000000000000", "too large"),
        ("out: 1e99", "too large"),
        ("tempo: " + "1" * 40, "no more than 18"),
        ("x" * 300_000, "no longer than"),
        ("out: 1\n" * 2000, "no more than 1000 statements"),
        ('out: s "bd*1000000000"', "too many"),
    ],
    ids=lambda value: value[:20],
)
def test_what_asks_for_too_much_is_refused(text: str, about: str) -> None:
    if text.startswith("~b0"):
        text += "\n~b500: saw 1\nout: ~b0"

    assert about in " ".join(one.text for one in mistakes_of(text))


def test_templates_that_grow_without_end_are_refused() -> None:
    text = "\n".join(f"@t{n}: (@t{n + 1}) + (@t{n + 1})" for n in range(20))

    mistakes = mistakes_of(f"{text}\n@t20: saw 1\nout: @t0")

    assert "more than 10000 expressions" in mistakes[0].text
