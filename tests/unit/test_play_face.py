"""The language as Python functions."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest

import gapless.play
from gapless.errors import ConfigError
from gapless.play import (
    PlayError,
    as_pattern,
    as_program,
    chain,
    every,
    fast,
    gain,
    mini,
    note,
    operate,
    rev,
    s,
    segment,
    sine,
    stack,
)
from gapless.play.pattern import Pattern
from gapless.play.time import Span
from gapless.play.transforms.registry import TRANSFORMS

pytestmark = pytest.mark.long


def heard(pattern: Pattern[Any], cycles: int = 1) -> list[tuple[Fraction, Any]]:
    """Onsets and values, by time."""
    events = [event for event in pattern.query(0, cycles) if event.has_onset]
    found = [(event.whole.begin, event.value) for event in events if event.whole is not None]
    return sorted(found, key=lambda pair: (pair[0], str(pair[1])))


def test_mini_notation_tells_wholes_parts_values_and_places() -> None:
    first, second = mini("bd <a b>").query(0, 1)

    assert first.whole == first.part == Span(Fraction(0), Fraction(1, 2))
    assert first.value == "bd"
    assert second.value == "a"
    assert second.has_onset
    assert [(place.column, place.length) for place in second.spans][-1] == (5, 1)


def test_functions_take_mini_notation_numbers_and_patterns() -> None:
    assert heard(s("bd:2 sn")) == [(0, {"s": "bd", "n": 2}), (Fraction(1, 2), {"s": "sn"})]
    assert heard(fast("<2 3>", s("bd")), 2) == heard(s("<bd*2 bd*3>"), 2)
    assert heard(fast(Fraction(3, 2), "a"), 2) == heard(mini("a*3/2"), 2)
    assert heard(fast("3%2", "a"), 2) == heard(mini("a*3/2"), 2)


def test_a_transform_without_its_pattern_is_a_function_of_one() -> None:
    expected = heard(mini("<[b a] [a b]>"), 2)

    assert heard(every(2, rev, "a b"), 2) == expected
    assert heard(every(2, rev)(mini("a b")), 2) == expected
    assert heard(every(2, fast(2), "a"), 2) == heard(mini("<a*2 a>"), 2)


def test_patterns_are_stacked_chained_and_joined() -> None:
    assert heard(stack(s("bd"), s("sn"))) == heard(stack([s("bd"), s("sn")])) == heard(s("bd,sn"))
    assert heard(chain(s("bd sn"), gain("1 0.5"), note(3))) == [
        (0, {"s": "bd", "gain": 1.0, "note": 3.0}),
        (Fraction(1, 2), {"s": "sn", "gain": 0.5, "note": 3.0}),
    ]
    assert heard(operate("|+", "0 4", 12)) == [(0, 12), (Fraction(1, 2), 16)]
    assert heard(gapless.play.timeCat([1, 3], ["a", "b"])) == heard(mini("a b@3"))


def test_a_wave_is_a_pattern() -> None:
    assert [value for _, value in heard(segment(4, sine))] == pytest.approx(
        [0.853553, 0.853553, 0.146447, 0.146447], abs=1e-6
    )


def test_chords_share_their_gain_in_a_program() -> None:
    events = as_program(chain(note("c'maj"), s("saw"))).events(0, 1)["o1"]

    assert [event.value["note"] for event in events] == [0, 4, 7]
    assert {event.value["gain"] for event in events} == {1 / math.sqrt(3)}


def test_each_pattern_of_a_program_is_an_output() -> None:
    made = as_program(s("bd"), s("sn"), cps=0.75)

    assert list(made.outputs) == ["o1", "o2"]
    assert made.cps == Fraction(3, 4)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_transform_has_a_name_that_python_can_say(name: str) -> None:
    spelt = name.replace("'", "_")

    assert spelt.isidentifier()
    assert getattr(gapless.play, spelt) is not None
    assert spelt in dir(gapless.play)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: gapless.play.evry, "did you mean every?"),
        (lambda: every(2), "every takes cycles, change, and a pattern, not 1 arguments"),
        (lambda: rev(1, 2, 3), "rev takes nothing, and a pattern, not 3 arguments"),
        (lambda: every(2, 3, "a"), "change is a function of a pattern"),
        (lambda: operate("?", 1, 2), "there is no operator"),
        (as_program, "at least one pattern"),
        (lambda: s("[bd"), "never closed"),
    ],
    ids=range(7),
)
def test_what_is_wrong_is_told(wrong: Any, message: str) -> None:
    with pytest.raises((AttributeError, TypeError, ConfigError, PlayError), match=message):
        wrong()


def test_rooms_do_not_take_the_place_of_functions_of_their_names() -> None:
    code = (
        "import gapless.play.mini, gapless.play.euclid, gapless.play.render\n"
        "from gapless.play import mini, euclid, render\n"
        "print(callable(mini), callable(euclid), callable(render))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert result.stdout.split() == ["True"] * 3


def test_importing_it_brings_neither_the_synthesiser_nor_the_language() -> None:
    code = "import gapless.play, sys\nprint('numba' in sys.modules, 'lark' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert result.stdout.split() == ["False"] * 2


def test_a_pattern_stays_what_it_is() -> None:
    pattern = mini("a")

    assert as_pattern(pattern) is pattern
