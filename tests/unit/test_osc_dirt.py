"""Events as SuperDirt takes them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from gapless.play.language.load import compile_program
from gapless.play.osc.dirt import play_message
from gapless.play.pattern import Event
from gapless.play.schedule import Heard
from gapless.play.time import Span

RATE_HZ = 48_000
ADDED = {"_id_", "cps", "cycle", "delta", "orbit"}


def heard(value: dict[str, Any], output: str = "o1", begin: Fraction = Fraction(3, 4)) -> Heard:
    span = Span(begin, begin + Fraction(1, 8))
    return Heard(output, Event(span, span, value), 72_000, 84_000)


def sent(value: dict[str, Any], output: str = "o1") -> dict[str, Any]:
    message = play_message(heard(value, output), 0.5, RATE_HZ)
    assert message is not None
    assert message.address == "/dirt/play"
    names, values = message.arguments[::2], message.arguments[1::2]
    return {str(name): one for name, one in zip(names, values, strict=True)}


def test_an_event_says_what_and_when() -> None:
    assert sent({"s": "bd", "n": 2.0, "note": -3, "gain": Fraction(3, 4)}) == {
        "_id_": "1",
        "cps": 0.5,
        "cycle": 0.75,
        "delta": 0.25,
        "orbit": 0,
        "s": "bd",
        "n": 2.0,
        "note": -3.0,
        "gain": 0.75,
    }


def test_numbers_are_floats_and_the_orbit_is_an_integer() -> None:
    values = sent({"s": "bd", "n": 2, "cut": 1})
    assert {name: type(one) for name, one in values.items() if not isinstance(one, str)} == {
        "cps": float,
        "cycle": float,
        "delta": float,
        "orbit": int,
        "n": float,
        "cut": float,
    }


def test_names_are_in_order() -> None:
    message = play_message(heard({"s": "bd", "pan": 0.5, "gain": 1}), 0.5, RATE_HZ)
    assert message is not None
    assert all(str(one) < str(two) for one, two in pairwise(message.arguments[::2]))


@pytest.mark.parametrize(
    ("output", "name", "orbit"),
    [("o1", "1", 0), ("o4", "4", 3), ("o13", "13", 0), ("out", "out", 0)],
)
def test_outputs_have_orbits(output: str, name: str, orbit: int) -> None:
    values = sent({"s": "bd"}, output)
    assert (values["_id_"], values["orbit"]) == (name, orbit)


@pytest.mark.parametrize(
    ("value", "sound", "number"),
    [
        ({"s": "bd:3"}, "bd", 3.0),
        ({"s": "bd:3", "n": 1.0}, "bd", 1.0),
        ({"s": "bd:x"}, "bd", None),
        ({"s": "bd"}, "bd", None),
    ],
    ids=["behind the name", "n wins", "no number", "none"],
)
def test_a_name_and_its_number_are_two(
    value: dict[str, Any], sound: str, number: float | None
) -> None:
    values = sent(value)
    assert (values["s"], values.get("n")) == (sound, number)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 1e39, 10**400, None, object(), (1, 2)],
    ids=["NaN", "infinite", "beyond a float", "beyond a double", "nothing", "thing", "two"],
)
def test_a_value_that_cannot_be_sent_is_left_out(value: object) -> None:
    assert sent({"s": "bd", "pan": value}).keys() == {*ADDED, "s"}


def test_what_only_we_understand_is_left_out() -> None:
    assert "fx" not in sent({"s": "bd", "fx": (0,)})
    assert "fx" not in sent({"s": "bd", "fx": "0"})


@pytest.mark.parametrize("value", [{}, {"note": 3.0}, {"s": ""}, {"s": 3.0}])
def test_what_has_no_sound_is_not_sent(value: dict[str, Any]) -> None:
    assert play_message(heard(value), 0.5, RATE_HZ) is None


def test_the_events_of_a_program_can_be_sent() -> None:
    program = compile_program(
        """o1: every 2 (# lpf 300) $ s "bd:3 <sn ~x>(3,8)" # note "c'maj e" # unit "c" # speed -1
~x: saw 220
"""
    )
    found = [
        sent(event.value, output)
        for output, events in program.events(0, 4).items()
        for event in events
    ]
    assert {one["s"] for one in found} == {"bd", "sn", "~x"}
    assert {one["note"] for one in found} == {0.0, 4.0, 7.0}
    assert {one["unit"] for one in found} == {"c"}
