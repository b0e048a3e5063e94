"""Transforms of controls by example, and the operators between patterns."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from gapless.play.pattern import Pattern, fastcat, pure, stack
from gapless.play.structure import OPERATORS
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS


def apply(name: str, *arguments: Any) -> Pattern[Any]:
    lifted = [one if isinstance(one, Pattern) or callable(one) else pure(one) for one in arguments]
    return TRANSFORMS[name].apply(*lifted)


def rows(pattern: Pattern[Any], cycle: int = 0) -> list[tuple[Fraction, Any]]:
    found = []
    for event in pattern.query(cycle, cycle + 1):
        if event.has_onset:
            assert event.whole is not None
            found.append((event.whole.begin - cycle, event.value))
    return sorted(found, key=lambda row: (row[0], str(row[1])))


def numbers(*values: Any) -> Pattern[Any]:
    return fastcat([pure(value) for value in values])


BD = pure({"s": "bd"})
HALF = Fraction(1, 2)


def test_chop_cuts_each_event_in_place() -> None:
    assert rows(apply("chop", 2, fastcat([BD, BD]))) == [
        (Fraction(0), {"s": "bd", "begin": 0.0, "end": 0.5}),
        (Fraction(1, 4), {"s": "bd", "begin": 0.5, "end": 1.0}),
        (HALF, {"s": "bd", "begin": 0.0, "end": 0.5}),
        (Fraction(3, 4), {"s": "bd", "begin": 0.5, "end": 1.0}),
    ]


def test_chop_narrows_what_was_cut_before() -> None:
    twice = apply("chop", 2, apply("chop", 2, BD))
    assert [(v["begin"], v["end"]) for _, v in rows(twice)] == [
        (0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0),
    ]  # fmt: skip


def test_striate_plays_the_first_pieces_of_all_first() -> None:
    two = fastcat([BD, pure({"s": "sn"})])
    assert [(v["s"], v["begin"]) for _, v in rows(apply("striate", 2, two))] == [
        ("bd", 0.0), ("sn", 0.0), ("bd", 0.5), ("sn", 0.5),
    ]  # fmt: skip


def test_slice_takes_its_structure_from_the_index() -> None:
    assert rows(apply("slice", 4, numbers(2, 5), BD)) == [
        (Fraction(0), {"s": "bd", "begin": 0.5, "end": 0.75}),
        (HALF, {"s": "bd", "begin": 0.25, "end": 0.5}),
    ]


def test_splice_fills_the_events() -> None:
    assert rows(apply("splice", 4, numbers(0, 1), pure({"s": "bd", "speed": 2}))) == [
        (Fraction(0), {"s": "bd", "begin": 0.0, "end": 0.25, "speed": 1.0, "unit": "c"}),
        (HALF, {"s": "bd", "begin": 0.25, "end": 0.5, "speed": 1.0, "unit": "c"}),
    ]


def test_loop_at_is_slow_and_as_fast_as_fits() -> None:
    assert rows(apply("loopAt", 2, BD)) == [(Fraction(0), {"s": "bd", "speed": 0.5, "unit": "c"})]
    assert rows(apply("loopAt", 2, BD), 1) == []


def test_hurry_speeds_samples_up_too() -> None:
    assert rows(apply("hurry", 2, pure({"s": "bd", "speed": 3}))) == [
        (Fraction(0), {"s": "bd", "speed": 6.0}),
        (HALF, {"s": "bd", "speed": 6.0}),
    ]


def test_jux_pans_to_both_sides() -> None:
    assert rows(apply("jux", lambda p: p.fast(2), BD)) == [
        (Fraction(0), {"s": "bd", "pan": 0.0}),
        (Fraction(0), {"s": "bd", "pan": 1.0}),
        (HALF, {"s": "bd", "pan": 1.0}),
    ]
    assert [v["pan"] for _, v in rows(apply("juxBy", 0.5, lambda p: p, BD))] == [0.25, 0.75]


def test_echo_and_stut_fade() -> None:
    eighth = Fraction(1, 8)
    assert rows(apply("echo", 3, eighth, 0.5, pure({"gain": 0.8}))) == [
        (Fraction(0), {"gain": 0.8}),
        (eighth, {"gain": 0.4}),
        (2 * eighth, {"gain": 0.2}),
    ]
    gains = [v.get("gain") for _, v in rows(apply("stut", 4, 0.0, eighth, BD))]
    assert gains == [None, 0.75, 0.5, 0.25]


def test_ghost_adds_three_faint_copies() -> None:
    heard = rows(apply("ghost", BD))
    assert [begin for begin, _ in heard] == [0, Fraction(3, 16), Fraction(5, 16), HALF]
    assert heard[1][1] == {"s": "bd", "gain": 0.7, "end": 0.2, "speed": 1.25}
    assert heard[3][1]["gain"] == pytest.approx(0.49)


def test_legato_is_patterned_and_keeps_the_structure() -> None:
    assert [v["legato"] for _, v in rows(apply("legato", numbers(1, 2), BD.fast(4)))] == [
        1,
        1,
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("|+", {0: 11, Fraction(1, 2): 22}),
        ("+|", {0: 11, Fraction(1, 3): 21, Fraction(2, 3): 32}),
        ("+", {0: 11, Fraction(1, 3): 21, Fraction(1, 2): 22, Fraction(2, 3): 32}),
        ("|+|", {0: 11, Fraction(1, 3): 21, Fraction(1, 2): 22, Fraction(2, 3): 32}),
        ("|-", {0: -9, Fraction(1, 2): -18}),
        ("|*", {0: 10, Fraction(1, 2): 40}),
        ("|/", {0: 0.1, Fraction(1, 2): 0.1}),
        ("|>", {0: 10, Fraction(1, 2): 20}),
        ("#", {0: 10, Fraction(1, 2): 20}),
        ("|<", {0: 1, Fraction(1, 2): 2}),
        ("<|", {0: 1, Fraction(1, 3): 1, Fraction(2, 3): 2}),
        (">|", {0: 10, Fraction(1, 3): 20, Fraction(2, 3): 30}),
    ],
)
def test_operators_take_structure_where_the_bar_is(operator: str, expected: Any) -> None:
    # Where an onset of one falls within an event of the other, its first piece is what matters.
    left, right = numbers(1, 2), numbers(10, 20, 30)
    assert dict(rows(OPERATORS[operator](left, right))) == expected


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("#", {"s": "bd", "n": 1}, {"n": 2, "gain": 1}, {"s": "bd", "n": 2, "gain": 1}),
        ("|<", {"s": "bd", "n": 1}, {"n": 2, "gain": 1}, {"s": "bd", "n": 1, "gain": 1}),
        ("|+", {"n": 1}, {"n": 2, "pan": 1}, {"n": 3, "pan": 1}),
        ("|-", {"n": 1}, {"n": 2, "pan": 1}, {"n": -1, "pan": -1}),
        ("|*", {"speed": 3}, {"speed": 2}, {"speed": 6}),
        ("|/", {"speed": 3}, {"speed": 2, "gain": 4}, {"speed": 1.5, "gain": 0.25}),
        ("|/", {"speed": 3}, {"speed": 0}, {"speed": 0}),
        ("|+", {"s": "bd"}, {"s": "x"}, {"s": "bdx"}),
        ("|*", {"s": "bd"}, {"s": "x"}, {"s": "bd"}),
        ("|+", {"note": 1, "n": 5}, 12, {"note": 13, "n": 5}),
        ("|+", {"s": "bd"}, 2, {"s": "bd", "n": 2}),
        ("|-", 10, {"note": 4}, {"note": 6}),
        ("|+", "a", "b", "ab"),
        ("|+", "a", 1, "a"),
        ("|/", 1, 0, 0),
    ],
)
def test_operators_unite_controls(operator: str, left: Any, right: Any, expected: Any) -> None:
    before = dict(left) if isinstance(left, dict) else left
    assert [v for _, v in rows(OPERATORS[operator](pure(left), pure(right)))] == [expected]
    assert left == before


def test_all_operators_of_the_language_are_there() -> None:
    bars = {f"{a}{sign}{b}" for sign in "+-*/><" for a in ("|", "") for b in ("|", "") if a or b}
    assert set(OPERATORS) == bars | {"+", "-", "*", "/", "#"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("saw", [0, 0.25, 0.5, 0.75]),
        ("isaw", [1, 0.75, 0.5, 0.25]),
        ("tri", [0, 0.5, 1, 0.5]),
        ("square", [0, 0, 1, 1]),
        ("sine", [0.5, 1, 0.5, 0]),
        ("cosine", [0, 0.5, 1, 0.5]),
    ],
)
def test_waves_at_the_quarters(name: str, values: list[float]) -> None:
    heard = [SIGNALS[name].query(7 + k * HALF / 2, 7 + k * HALF / 2)[0].value for k in range(4)]
    assert heard == pytest.approx(values)


def test_a_signal_beside_a_structure_is_sampled_by_it() -> None:
    heard = rows(OPERATORS["|+"](numbers(1, 2), SIGNALS["saw"]))
    assert heard == [(Fraction(0), 1.25), (HALF, 2.75)]
    assert rows(OPERATORS["#"](stack([BD]), SIGNALS["saw"].map(lambda v: {"pan": v}))) == [
        (Fraction(0), {"s": "bd", "pan": 0.5})
    ]
