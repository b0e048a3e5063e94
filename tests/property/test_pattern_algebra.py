"""Laws of patterns: what must hold for any pattern, any argument and any span that is asked for."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.play.euclid import bjorklund
from gapless.play.fragments import defragment
from gapless.play.pattern import (
    Event,
    Pattern,
    Place,
    fastcat,
    pure,
    silence,
    slowcat,
    stack,
    timecat,
)
from gapless.play.structure import OPERATORS
from gapless.play.time import Span
from gapless.play.transforms.registry import TRANSFORMS

pytestmark = pytest.mark.long

EXAMPLES = settings(max_examples=15, deadline=None)

times = st.fractions(min_value=-3, max_value=3, max_denominator=12)
factors = st.fractions(min_value=Fraction(1, 4), max_value=4, max_denominator=6)
counts = st.integers(1, 5)
atoms: st.SearchStrategy[Pattern[Any]] = st.integers(0, 5).map(pure) | st.just(silence())


def _grown(inner: st.SearchStrategy[Pattern[Any]]) -> st.SearchStrategy[Pattern[Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    weighted = st.lists(st.tuples(st.integers(1, 3), inner), min_size=1, max_size=3)
    return st.one_of(
        several.map(fastcat),
        several.map(slowcat),
        several.map(stack),
        weighted.map(timecat),
        st.tuples(inner, factors).map(lambda pair: pair[0].fast(pair[1])),
        st.tuples(inner, times).map(lambda pair: pair[0].early(pair[1])),
        inner.map(lambda one: one.rev()),
    )


patterns = st.recursive(atoms, _grown, max_leaves=4)
spans = st.tuples(times, st.fractions(0, 2, max_denominator=8)).map(
    lambda pair: Span(pair[0], pair[0] + pair[1])
)


def apply(name: str, *arguments: Any) -> Pattern[Any]:
    lifted = [
        one if isinstance(one, (Pattern, list)) or callable(one) else pure(one) for one in arguments
    ]
    return TRANSFORMS[name].apply(*lifted)


def key(event: Event[Any]) -> tuple[Any, ...]:
    return event.whole, event.part, repr(event.value), event.spans


def bag(events: list[Event[Any]]) -> Counter[tuple[Any, ...]]:
    """Events as a multiset, however they came in pieces."""
    return Counter(key(event) for event in defragment(events))


def same(left: Pattern[Any], right: Pattern[Any], span: Span) -> None:
    assert bag(left.ask(span)) == bag(right.ask(span))


@EXAMPLES
@given(patterns, factors, spans)
def test_fast_then_slow_is_identity(pattern: Pattern[Any], by: Fraction, span: Span) -> None:
    same(pattern.fast(by).slow(by), pattern, span)
    same(apply("slow", by, apply("fast", by, pattern)), pattern, span)


@EXAMPLES
@given(patterns, times, spans)
def test_early_then_late_is_identity(pattern: Pattern[Any], by: Fraction, span: Span) -> None:
    same(apply("late", by, apply("early", by, pattern)), pattern, span)


@EXAMPLES
@given(patterns, spans)
def test_rev_twice_is_identity(pattern: Pattern[Any], span: Span) -> None:
    same(pattern.rev().rev(), pattern, span)


@EXAMPLES
@given(patterns, patterns, spans)
def test_stack_commutes_as_a_multiset(one: Pattern[Any], other: Pattern[Any], span: Span) -> None:
    assert Counter(map(key, stack([one, other]).ask(span))) == Counter(
        map(key, stack([other, one]).ask(span))
    )


@EXAMPLES
@given(patterns, factors, spans)
def test_inside_and_outside_undo_each_other(
    pattern: Pattern[Any], by: Fraction, span: Span
) -> None:
    same(apply("inside", by, lambda p: p, pattern), pattern, span)
    turned = apply("outside", by, lambda p: apply("inside", by, lambda q: q.rev(), p), pattern)
    same(turned, pattern.rev(), span)


@EXAMPLES
@given(patterns, spans)
def test_changes_that_change_nothing(pattern: Pattern[Any], span: Span) -> None:
    for neutral in (
        apply("degradeBy", 0, pattern),
        apply("every", 0, lambda p: p.rev(), pattern),
        apply("every", 1, lambda p: p, pattern),
        apply("sometimesBy", 0, lambda p: p.rev(), pattern),
        apply("sometimesBy", 0.5, lambda p: p, pattern),
        apply("never", lambda p: p.rev(), pattern),
        apply("zoom", 0, 1, pattern),
        apply("trunc", 1, pattern),
        apply("iter", 1, pattern),
        apply("within", 0, 1, lambda p: p, pattern),
        apply("chunk", 1, lambda p: p, pattern),
        apply("nudge", 0, pattern),
        apply("rolledBy", 0, pattern),
        apply("off", 0, lambda _: silence(), pattern),
        apply("mask", 1, pattern),
        apply("shuffle", 1, pattern),
        apply("superimpose", lambda _: silence(), pattern),
    ):
        same(neutral, pattern, span)
    assert apply("degradeBy", 1, pattern).ask(span) == []
    assert apply("undegradeBy", 0, pattern).ask(span) == []
    same(apply("every", 1, lambda p: p.rev(), pattern), pattern.rev(), span)
    same(apply("always", lambda p: p.rev(), pattern), pattern.rev(), span)
    same(apply("sometimesBy", 1, lambda p: p.rev(), pattern), pattern.rev(), span)


@EXAMPLES
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), counts, st.integers(-3, 3))
def test_what_repeats_after_its_cycles(values: list[int], steps: int, cycle: int) -> None:
    pattern = fastcat([pure(value) for value in values])

    def line(one: Pattern[Any], at: int) -> Counter[tuple[Any, ...]]:
        return bag(one.early(at).query(0, 1))

    for name in ("iter", "iter'"):
        turned = apply(name, steps, pattern)
        assert line(turned, cycle * steps) == bag(pattern.query(0, 1))
        assert line(turned, cycle) == line(turned, cycle + steps)
    forth_and_back = apply("palindrome", pattern)
    assert line(forth_and_back, 2 * cycle) == bag(pattern.query(0, 1))
    assert line(forth_and_back, 2 * cycle + 1) == bag(pattern.rev().query(0, 1))


def _onsets(pattern: Pattern[Any], cycle: int) -> list[Event[Any]]:
    return [event for event in pattern.query(cycle, cycle + 1) if event.has_onset]


@EXAMPLES
@given(patterns, counts, st.integers(-2, 2))
def test_counts_of_events(pattern: Pattern[Any], many: int, cycle: int) -> None:
    # Events that cross the end of the cycle give some of their pieces to the next.
    for name in ("ply", "chop"):
        pieces = bag(apply(name, many, pattern).query(cycle, cycle + 1))
        assert all(whole is not None for whole, _, _, _ in pieces)
        total = sum((part.end - part.begin) * n for (_, part, _, _), n in pieces.items())
        heard = bag(pattern.query(cycle, cycle + 1))
        assert total == sum((part.end - part.begin) * n for (_, part, _, _), n in heard.items())
    assert len(_onsets(apply("segment", many, pure(0)), cycle)) == many
    assert len(_onsets(apply("ply", many, fastcat([pure(0), pure(1)])), cycle)) == 2 * many
    assert len(_onsets(apply("striate", many, pure({"s": "a"})), cycle)) == many
    assert len(_onsets(apply("run", many), cycle)) == many


@EXAMPLES
@given(st.integers(1, 6), st.integers(-50, 50))
def test_shuffle_permutes_the_parts(parts: int, cycle: int) -> None:
    pattern = fastcat([pure(k) for k in range(parts)])
    shuffled = _onsets(apply("shuffle", parts, pattern), cycle)
    assert sorted(event.value for event in shuffled) == list(range(parts))
    scrambled = _onsets(apply("scramble", parts, pattern), cycle)
    assert [event.whole for event in sorted(scrambled, key=lambda e: e.part)] == [
        event.whole for event in _onsets(pattern, cycle)
    ]


@EXAMPLES
@given(patterns, st.integers(-4, 4), st.integers(-2, 2))
def test_rot_keeps_the_times_and_the_values(pattern: Pattern[Any], steps: int, cycle: int) -> None:
    before = defragment(pattern.query(cycle, cycle + 1))
    after = apply("rot", steps, pattern).query(cycle, cycle + 1)
    assert Counter((e.whole, e.part) for e in after) == Counter((e.whole, e.part) for e in before)
    assert Counter(e.value for e in after) == Counter(e.value for e in before)


def backwards(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.rev()


SPLIT: list[tuple[str, list[Any]]] = [
    ("arp", ["updown"]),
    ("brak", []),
    ("chop", [3]),
    ("chunk", [3, backwards]),
    ("chunk'", [3, backwards]),
    ("compress", [Fraction(1, 4), Fraction(2, 3)]),
    ("degradeBy", [0.4]),
    ("early", [Fraction(1, 3)]),
    ("euclid", [3, 5]),
    ("euclidFull", [3, 5, pure(9)]),
    ("every", [fastcat([pure(2), pure(3)]), backwards]),
    ("every'", [3, 1, backwards]),
    ("fast", [slowcat([pure(2), pure(Fraction(2, 3))])]),
    ("fastGap", [2]),
    ("hurry", [2]),
    ("inside", [2, backwards]),
    ("iter", [3]),
    ("linger", [Fraction(1, 3)]),
    ("linger", [Fraction(-1, 4)]),
    ("mask", [fastcat([pure(1), pure(0), pure(1)])]),
    ("nudge", [fastcat([pure(0), pure(Fraction(1, 3)), pure(Fraction(-2, 5))])]),
    ("off", [Fraction(1, 8), backwards]),
    ("palindrome", []),
    ("ply", [fastcat([pure(2), pure(3)])]),
    ("ply", [Fraction(3, 2)]),
    ("pressBy", [Fraction(1, 3)]),
    ("rev", []),
    ("rolledBy", [Fraction(-1, 2)]),
    ("rot", [2]),
    ("scramble", [4]),
    ("segment", [3]),
    ("shuffle", [4]),
    ("slow", [Fraction(3, 2)]),
    ("sometimesBy", [0.5, backwards]),
    ("striate", [2]),
    ("struct", [fastcat([pure(1), pure(0), pure(1)])]),
    ("stutter", [3, Fraction(1, 8)]),
    ("swingBy", [Fraction(1, 3), 2]),
    ("trunc", [Fraction(2, 3)]),
    ("whenmod", [3, 2, backwards]),
    ("within", [Fraction(1, 4), Fraction(2, 3), backwards]),
    ("zoom", [Fraction(1, 4), Fraction(3, 4)]),
]


@pytest.mark.parametrize(
    ("name", "arguments"), SPLIT, ids=[f"{k}-{name}" for k, (name, _) in enumerate(SPLIT)]
)
@settings(max_examples=4, deadline=None)
@given(pattern=patterns, span=spans, at=st.fractions(0, 1, max_denominator=16))
def test_questions_in_pieces_give_the_pieces(
    name: str, arguments: list[Any], pattern: Pattern[Any], span: Span, at: Fraction
) -> None:
    changed = apply(name, *arguments, pattern)
    if span.begin == span.end:
        return
    middle = span.begin + (span.end - span.begin) * at
    pieces = [Span(span.begin, middle), Span(middle, span.end)]
    joined = [event for piece in pieces if piece.begin < piece.end for event in changed.ask(piece)]
    assert bag(joined) == bag(changed.ask(span))


@pytest.mark.parametrize(
    ("name", "arguments"), SPLIT, ids=[f"{k}-{name}" for k, (name, _) in enumerate(SPLIT)]
)
@settings(max_examples=4, deadline=None)
@given(pattern=patterns, span=spans)
def test_parts_lie_in_the_span_and_in_their_wholes(
    name: str, arguments: list[Any], pattern: Pattern[Any], span: Span
) -> None:
    for event in apply(name, *arguments, pattern).ask(span):
        assert span.begin <= event.part.begin <= event.part.end <= span.end
        assert event.whole is not None
        assert event.whole.begin <= event.part.begin
        assert event.part.end <= event.whole.end


@pytest.mark.parametrize(
    ("name", "arguments"), SPLIT, ids=[f"{k}-{name}" for k, (name, _) in enumerate(SPLIT)]
)
@settings(max_examples=4, deadline=None)
@given(pattern=patterns, at=times)
def test_a_point_gives_what_holds_there(
    name: str, arguments: list[Any], pattern: Pattern[Any], at: Fraction
) -> None:
    changed = apply(name, *arguments, pattern)
    there = Counter((event.whole, repr(event.value)) for event in changed.query(at, at))
    after = defragment(changed.query(at, at + Fraction(1, 10**9)))
    assert there == Counter((e.whole, repr(e.value)) for e in after if e.part.begin == at)


@EXAMPLES
@given(patterns, patterns, spans)
def test_operators_mirror_each_other(left: Pattern[Any], right: Pattern[Any], span: Span) -> None:
    def mirrored(one: str, other: str) -> None:
        assert bag(OPERATORS[one](left, right).ask(span)) == bag(
            OPERATORS[other](right, left).ask(span)
        )

    mirrored("|+", "+|")
    mirrored("|*", "*|")
    mirrored("|>", "<|")
    mirrored("|<", ">|")
    mirrored("|+|", "+")
    same(OPERATORS["#"](left, right), OPERATORS["|>"](left, right), span)
    same(OPERATORS["|-"](OPERATORS["|+"](left, pure(7)), pure(7)), left, span)


@EXAMPLES
@given(st.integers(0, 20), st.integers(1, 20), st.integers(-30, 30))
def test_bjorklund_has_its_pulses_and_turns(pulses: int, steps: int, rotation: int) -> None:
    rhythm = bjorklund(pulses, steps)
    assert sum(rhythm) == pulses
    assert len(rhythm) == max(steps, pulses)
    assert bjorklund(pulses, steps, rotation + len(rhythm)) == bjorklund(pulses, steps, rotation)
    turned = bjorklund(pulses, steps, 1)
    assert turned == rhythm[1:] + rhythm[:1]
    if pulses:
        assert [not step for step in rhythm] == list(bjorklund(-pulses, steps))
    gaps = [len(gap) for gap in "".join("x" if s else "." for s in rhythm * 2).split("x")[1:-1]]
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("arguments", "rhythm"),
    [
        # G. Toussaint's table, from which the order of TidalCycles differs in none of these.
        ((2, 5), "x.x.."),
        ((3, 4), "x.xx"),
        ((3, 7), "x.x.x.."),
        ((3, 8), "x..x..x."),
        ((4, 11), "x..x..x..x."),
        ((5, 8), "x.xx.xx."),
        ((5, 16), "x..x..x..x..x..."),
    ],
)
def test_bjorklund_makes_the_known_rhythms(arguments: tuple[int, int], rhythm: str) -> None:
    found = "".join("x" if step else "." for step in bjorklund(*arguments))
    # (3, 4) alone begins elsewhere: "xxx." is the same rhythm turned.
    assert rhythm in found * 2
    assert found[0] == "x"


@EXAMPLES
@given(patterns, factors, spans)
def test_places_of_arguments_and_events_are_both_kept(
    pattern: Pattern[Any], by: Fraction, span: Span
) -> None:
    number, word = Place(1, 6, 1), Place(1, 9, 1)
    written = pattern.at(word)
    constant = apply("fast", pure(by, number), written)
    moving = apply("fast", slowcat([pure(by, number), pure(by, number)]), written)
    for event in constant.ask(span):
        assert event.spans == (number, word)
    assert bag(constant.ask(span)) == bag(moving.ask(span))


@EXAMPLES
@given(patterns, spans)
def test_a_million_cycles_later_all_is_where_it_was(pattern: Pattern[Any], span: Span) -> None:
    changed = pattern.early(1_000_000)
    far = Span(span.begin - 1_000_000, span.end - 1_000_000)
    moved = [event.with_time(lambda t: t + 1_000_000) for event in changed.ask(far)]
    assert bag(moved) == bag(pattern.ask(span))
