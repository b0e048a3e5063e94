"""Transforms and operators beside Strudel's answers (tests/data/strudel), where it means what TidalCycles means."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gapless.play.fragments import defragment
from gapless.play.pattern import Event, Pattern, fastcat, pure, slowcat, stack
from gapless.play.structure import OPERATORS
from gapless.play.time import Span
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS

ANSWERS: dict[str, list[list[Any]]] = json.loads(
    Path(__file__).parents[1].joinpath("data/strudel/transforms.json").read_text(encoding="utf-8")
)
CYCLES = 4


def lift(value: Any) -> Any:
    return value if isinstance(value, Pattern) or callable(value) else pure(value)


def seq(*steps: Any) -> Pattern[Any]:
    return fastcat([lift(step) for step in steps])


def alt(*steps: Any) -> Pattern[Any]:
    return slowcat([lift(step) for step in steps])


def chord(*notes: Any) -> Pattern[Any]:
    return stack([lift(note) for note in notes])


def do(pattern: Any, name: str, *arguments: Any) -> Pattern[Any]:
    transform = TRANSFORMS[name]
    given: list[Any] = [lift(argument) for argument in arguments]
    if transform.parameters and transform.parameters[0].many:
        given = [given]
    return transform.apply(*given, *([lift(pattern)] if transform.changes else []))


def join(left: Any, operator: str, right: Any) -> Pattern[Any]:
    return OPERATORS[operator](lift(left), lift(right))


def rev(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.rev()


def fast2(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.fast(2)


def slow2(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.slow(2)


def s(*steps: Any) -> Pattern[Any]:
    return seq(*steps).map(lambda name: {"s": name})


ABCD = seq("a", "b", "c", "d")
ABC = seq("a", "b", "c")
AB = seq("a", "b")
CROSS = alt(seq("a", "b"), seq("c", "d"))
ONE_TWO, TENS = seq(1, 2), seq(10, 20, 30)

OURS: dict[str, Pattern[Any]] = {
    "sequence('a','b','c','d').fast(sequence(1,2))": do(ABCD, "fast", seq(1, 2)),
    "sequence('a','b','c','d').fast(slowcat(1.5,3))": do(ABCD, "fast", alt(1.5, 3)),
    "sequence('a',slowcat('b','c')).slow(1.5)": do(seq("a", alt("b", "c")), "slow", 1.5),
    "sequence('a','b','c').early(sequence(0,0.25))": do(ABC, "early", seq(0, 0.25)),
    "sequence('a','b','c').late(slowcat(0.125,0.25))": do(ABC, "late", alt(0.125, 0.25)),
    "sequence('a','b',sequence('c','d')).rev()": do(seq("a", "b", seq("c", "d")), "rev"),
    "slowcat(sequence('a','b'),sequence('c','d','e')).rev()": do(alt(AB, seq("c", "d", "e")), "rev"),
    "sequence('a','b','c').palindrome()": do(ABC, "palindrome"),
    "sequence('a','b','c','d').iter(4)": do(ABCD, "iter", 4),
    "sequence('a','b','c','d').iterBack(4)": do(ABCD, "iter'", 4),
    "slowcat(sequence('a','b','c'),sequence('d','e')).iter(3)": do(alt(ABC, seq("d", "e")), "iter", 3),
    "sequence('a','b','c').ply(sequence(2,3))": do(ABC, "ply", seq(2, 3)),
    "sequence('a',slowcat('b','c')).ply(slowcat(1,4))": do(seq("a", alt("b", "c")), "ply", alt(1, 4)),
    "sequence('a','b','c','d').linger(0.25)": do(ABCD, "linger", 0.25),
    "sequence('a','b','c','d').linger(slowcat(0.5,0.25))": do(ABCD, "linger", alt(0.5, 0.25)),
    "slowcat(sequence('a','b','c','d'),sequence('e','f')).zoom(0.25,0.75)": do(alt(ABCD, seq("e", "f")), "zoom", 0.25, 0.75),
    "sequence('a','b','c','d').compress(0.25,0.75)": do(ABCD, "compress", 0.25, 0.75),
    "sequence('a','b').fastGap(sequence(2,4))": do(AB, "fastGap", seq(2, 4)),
    "sequence('a','b','c','d').inside(2,x=>x.rev())": do(ABCD, "inside", 2, rev),
    "slowcat(sequence('a','b'),sequence('c','d')).outside(2,x=>x.rev())": do(CROSS, "outside", 2, rev),
    "sequence('a','b').off(0.125,x=>x.fast(2))": do(AB, "off", 0.125, fast2),
    "sequence('a','b').off(sequence(0.25,0.125),x=>x.rev())": do(AB, "off", seq(0.25, 0.125), rev),
    "sequence('a','b').superimpose(x=>x.slow(2))": do(AB, "superimpose", slow2),
    "sequence('a','b').layer(x=>x.slow(2),x=>x.rev())": do(AB, "layer", slow2, rev),
    "sequence('a','b').struct(sequence(1,0,1,sequence(1,1)))": do(AB, "struct", seq(1, 0, 1, seq(1, 1))),
    "sequence('a','b',slowcat('c','d')).mask(sequence(1,0))": do(seq("a", "b", alt("c", "d")), "mask", seq(1, 0)),
    "sequence('a','b').mask(slowcat(1,0))": do(AB, "mask", alt(1, 0)),
    "sequence('a','b').segment(4)": do(AB, "segment", 4),
    "sequence(0,0.5,1).range(10,20)": do(seq(0, 0.5, 1), "range", 10, 20),
    "square.segment(4)": do(SIGNALS["square"], "segment", 4),
    "sequence('a','b','c').firstOf(3,x=>x.rev())": do(ABC, "every", 3, rev),
    "sequence('a','b').firstOf(slowcat(2,3),x=>x.fast(2))": do(AB, "every", alt(2, 3), fast2),
    "sequence('a','b').press()": do(AB, "press"),
    "sequence('a','b',sequence('c','d')).pressBy(slowcat(0.25,0.5))": do(seq("a", "b", seq("c", "d")), "pressBy", alt(0.25, 0.5)),
    "sequence('a','b').brak()": do(AB, "brak"),
    "sequence('a','b','c','d').chunk(4,x=>x.fast(2))": do(ABCD, "chunk", 4, fast2),
    "timecat([1,sequence('a','b')],[3,slowcat('c','d')])": TRANSFORMS["timeCat"].apply([pure(1), pure(3)], [AB, alt("c", "d")]),
    "slowcat('a',sequence('b','c'),slowcat('d','e'))": do(None, "cat", "a", seq("b", "c"), alt("d", "e")),
    "fastcat('a',sequence('b','c'),slowcat('d','e'))": do(None, "fastcat", "a", seq("b", "c"), alt("d", "e")),
    "stack('a',sequence('b','c'))": do(None, "stack", "a", seq("b", "c")),
    "sequence(1,2).add(sequence(10,20,30))": join(ONE_TWO, "|+", TENS),
    "sequence(1,2).add.in(sequence(10,20,30))": join(ONE_TWO, "|+", TENS),
    "sequence(1,2).add.out(sequence(10,20,30))": join(ONE_TWO, "+|", TENS),
    "sequence(1,2).add.mix(sequence(10,20,30))": join(ONE_TWO, "|+|", TENS),
    "sequence(1,2).sub.out(slowcat(3,sequence(4,5)))": join(ONE_TWO, "-|", alt(3, seq(4, 5))),
    "sequence(1,2).mul.in(slowcat(3,sequence(4,5)))": join(ONE_TWO, "|*", alt(3, seq(4, 5))),
    "sequence(1,2).div.mix(slowcat(4,sequence(4,2)))": join(ONE_TWO, "|/|", alt(4, seq(4, 2))),
    "sequence(1,2).set.in(sequence(10,20,30))": join(ONE_TWO, "|>", TENS),
    "sequence(1,2).set.out(sequence(10,20,30))": join(ONE_TWO, ">|", TENS),
    "sequence(1,2).keep.in(sequence(10,20,30))": join(ONE_TWO, "|<", TENS),
    "sequence(1,2).keep.out(sequence(10,20,30))": join(ONE_TWO, "<|", TENS),
    "s(sequence('a','b')).chop(2)": do(s("a", "b"), "chop", 2),
    "s(sequence('a','b')).chop(sequence(2,3))": do(s("a", "b"), "chop", seq(2, 3)),
    "s(sequence('a','b')).striate(2)": do(s("a", "b"), "striate", 2),
    "s('a').slice(4,sequence(0,2,sequence(1,3)))": do(s("a"), "slice", 4, seq(0, 2, seq(1, 3))),
    "s('a').splice(4,sequence(0,2))": do(s("a"), "splice", 4, seq(0, 2)),
    "s(sequence('a','b')).hurry(2)": do(s("a", "b"), "hurry", 2),
    "s(sequence('a','b')).jux(x=>x.rev())": do(s("a", "b"), "jux", rev),
    "s(sequence('a','b')).juxBy(0.5,x=>x.fast(2))": do(s("a", "b"), "juxBy", 0.5, fast2),
    "s(sequence('a','b')).n(sequence(1,2,3)).gain(0.5)": join(join(s("a", "b"), "#", seq({"n": 1}, {"n": 2}, {"n": 3})), "#", {"gain": 0.5}),
    "slowcat(sequence('a','b'),sequence('c','d')).chunk(2,x=>x.rev())": do(CROSS, "chunk", 2, rev),
    "slowcat(sequence('a','b'),sequence('c','d')).iterBack(2)": do(CROSS, "iter'", 2),
    "sequence('a','b','c').lastOf(3,x=>x.rev())": do(ABC, "every'", 3, 2, rev),
    "sequence('a','b').off(0.3,x=>x.off(0.2,y=>y.fast(2)))": do(AB, "off", 0.3, lambda x: do(x, "off", 0.2, fast2)),
    "sequence('a','b','c').inside(3,x=>x.firstOf(2,y=>y.fast(2)))": do(ABC, "inside", 3, lambda x: do(x, "every", 2, fast2)),
    "sequence('a','b','c','d').zoom(sequence(0,0.25),0.75)": do(ABCD, "zoom", seq(0, 0.25), 0.75),
    "sequence('a','b').compress(slowcat(0,0.25),0.5).rev()": do(AB, "compress", alt(0, 0.25), 0.5).rev(),
    "sequence('a','b','c').segment(sequence(2,5))": do(ABC, "segment", seq(2, 5)),
    "sequence('a',sequence('b','c')).struct(slowcat(1,sequence(0,1))).ply(2)": do(do(seq("a", seq("b", "c")), "struct", alt(1, seq(0, 1))), "ply", 2),
    "s(sequence('a','b')).chop(2).rev()": do(s("a", "b"), "chop", 2).rev(),
    "s(sequence('a','b')).chop(2).chop(2).fast(1.5)": do(do(s("a", "b"), "chop", 2), "chop", 2).fast(Fraction(3, 2)),
    "s('a').slice(sequence(4,8),slowcat(1,sequence(2,3)))": do(s("a"), "slice", seq(4, 8), alt(1, seq(2, 3))),
    "s('a').hurry(sequence(2,3)).speed(2)": join(do(s("a"), "hurry", seq(2, 3)), "#", {"speed": 2}),
    "note(sequence(1,2)).add(note(slowcat(12,sequence(1,2,3))))": join(seq({"note": 1}, {"note": 2}), "|+", alt({"note": 12}, seq({"note": 1}, {"note": 2}, {"note": 3}))),
    "note(sequence(1,2)).s('x').add.mix(note(sequence(1,2,3)))": join(join(seq({"note": 1}, {"note": 2}), "#", {"s": "x"}), "|+|", seq({"note": 1}, {"note": 2}, {"note": 3})),
}  # fmt: skip


def plain(value: Any) -> Any:
    """Controls that both have, in an order of their own; numbers as floats."""
    if isinstance(value, dict):
        return tuple(
            sorted((key, plain(one)) for key, one in value.items() if not key.startswith("_"))
        )
    return value if isinstance(value, str) else round(float(value), 9)


def bag(events: list[Event[Any]]) -> Counter[tuple[Any, ...]]:
    return Counter((event.whole, event.part, plain(event.value)) for event in defragment(events))


@pytest.mark.parametrize("written", OURS)
def test_plays_what_strudel_plays(written: str) -> None:
    ours = [event for cycle in range(CYCLES) for event in OURS[written].query(cycle, cycle + 1)]
    theirs = []
    for *times, value in ANSWERS[written]:
        begin, end, part_begin, part_end = map(Fraction, times if len(times) == 4 else times * 2)
        theirs.append(Event(Span(begin, end), Span(part_begin, part_end), value))
    assert theirs
    for event in ours:
        event.spans = ()
    assert bag(ours) == bag(theirs)


def test_every_answer_is_compared() -> None:
    assert set(ANSWERS) == set(OURS)
