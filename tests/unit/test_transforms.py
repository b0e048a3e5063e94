"""Transforms by example: what the reference of TidalCycles says of each, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from gapless.play.pattern import Pattern, fastcat, pure, silence, slowcat, stack
from gapless.play.transforms.registry import FAMILIES, TRANSFORMS

Note = tuple[str, str, Any]


def apply(name: str, *arguments: Any) -> Pattern[Any]:
    lifted = [
        one if isinstance(one, (Pattern, list)) or callable(one) else pure(one) for one in arguments
    ]
    return TRANSFORMS[name].apply(*lifted)


def seq(words: str) -> Pattern[Any]:
    """Words of a cycle; ``~`` rests, ``a,b`` sound together, ``<a b>`` is written ``a|b``."""

    def one(word: str) -> Pattern[Any]:
        if word == "~":
            return silence()
        value: Any = int(word) if word.lstrip("-").isdigit() else word
        return pure(value)

    def step(word: str) -> Pattern[Any]:
        if "|" in word:
            return slowcat([one(each) for each in word.split("|")])
        return stack([one(each) for each in word.split(",")])

    return fastcat([step(word) for word in words.split()])


def onsets(pattern: Pattern[Any], cycle: int = 0) -> list[Note]:
    """Of the events that begin in a cycle: begin and end from its start, and value."""
    found = [event for event in pattern.query(cycle, cycle + 1) if event.has_onset]
    rows = []
    for event in found:
        assert event.whole is not None
        rows.append((event.whole.begin - cycle, event.whole.end - cycle, event.value))
    rows.sort(key=lambda row: (row[0], str(row[2]), row[1]))
    return [(str(begin), str(end), value) for begin, end, value in rows]


def line(pattern: Pattern[Any], cycle: int = 0) -> str:
    """The same, short: values with their onsets."""
    return " ".join(f"{value}@{begin}" for begin, _, value in onsets(pattern, cycle))


def louder(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.map(lambda value: str(value).upper())


def fast2(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.fast(2)


ABCD = seq("a b c d")
ALTERNATING = seq("a|b c|d")

EXAMPLES: list[tuple[str, Pattern[Any], dict[int, str]]] = [
    ("fast", apply("fast", 2, seq("a b")), {0: "a@0 b@1/4 a@1/2 b@3/4"}),
    ("fast-patterned", apply("fast", seq("1 2"), ABCD), {0: "a@0 b@1/4 a@1/2 b@5/8 c@3/4 d@7/8"}),
    ("fast-zero", apply("fast", 0, ABCD), {0: ""}),
    ("fast-negative", apply("fast", -2, seq("a b")), {0: "b@0 a@1/4 b@1/2 a@3/4"}),
    ("slow", apply("slow", 2, ABCD), {0: "a@0 b@1/2", 1: "c@0 d@1/2"}),
    ("slow-float", apply("slow", 0.5, seq("a b")), {0: "a@0 b@1/4 a@1/2 b@3/4"}),
    ("fastGap", apply("fastGap", 2, seq("a b")), {0: "a@0 b@1/4"}),
    ("early", apply("early", 0.25, ABCD), {0: "b@0 c@1/4 d@1/2 a@3/4"}),
    ("late", apply("late", 0.25, ABCD), {0: "d@0 a@1/4 b@1/2 c@3/4"}),
    ("rotL", apply("rotL", 0.5, ABCD), {0: "c@0 d@1/4 a@1/2 b@3/4"}),
    ("rotR", apply("rotR", 0.25, ABCD), {0: "d@0 a@1/4 b@1/2 c@3/4"}),
    ("nudge", apply("nudge", seq("0 0"), seq("a b")), {0: "a@0 b@1/2"}),
    ("inside", apply("inside", 2, lambda p: p.rev(), ABCD), {0: "b@0 a@1/4 d@1/2 c@3/4"}),
    ("outside", apply("outside", 2, lambda p: p.rev(), ALTERNATING), {0: "d@0 b@1/2", 1: "c@0 a@1/2"}),
    ("zoom", apply("zoom", 0.25, 0.75, ABCD), {0: "b@0 c@1/2"}),
    ("compress", apply("compress", 0.25, 0.75, seq("a b")), {0: "a@1/4 b@1/2"}),
    ("trunc", apply("trunc", 0.75, ABCD), {0: "a@0 b@1/4 c@1/2"}),
    ("linger", apply("linger", 0.25, ABCD), {0: "a@0 a@1/4 a@1/2 a@3/4"}),
    ("linger-end", apply("linger", -0.5, ABCD), {0: "c@0 d@1/4 c@1/2 d@3/4"}),
    ("linger-cycles", apply("linger", 0.5, ALTERNATING), {0: "a@0 a@1/2", 1: "b@0 b@1/2"}),
    ("rev", apply("rev", seq("a b ~ d")), {0: "d@0 b@1/2 a@3/4"}),
    ("palindrome", apply("palindrome", seq("a b c")), {0: "a@0 b@1/3 c@2/3", 1: "c@0 b@1/3 a@2/3"}),
    ("iter", apply("iter", 4, ABCD), {0: "a@0 b@1/4 c@1/2 d@3/4", 1: "b@0 c@1/4 d@1/2 a@3/4", 3: "d@0 a@1/4 b@1/2 c@3/4"}),
    ("iter'", apply("iter'", 4, ABCD), {1: "d@0 a@1/4 b@1/2 c@3/4", 2: "c@0 d@1/4 a@1/2 b@3/4"}),
    ("rot", apply("rot", 1, seq("a ~ b c")), {0: "b@0 c@1/2 a@3/4"}),
    ("rot-negative", apply("rot", -1, seq("a ~ b c")), {0: "c@0 a@1/2 b@3/4"}),
    ("within", apply("within", 0, 0.5, fast2, ABCD), {0: "a@0 b@1/8 c@1/4 d@3/8 c@1/2 d@3/4"}),
    ("chunk", apply("chunk", 4, louder, ABCD), {0: "A@0 b@1/4 c@1/2 d@3/4", 1: "a@0 B@1/4 c@1/2 d@3/4", 3: "a@0 b@1/4 c@1/2 D@3/4"}),
    ("chunk'", apply("chunk'", 4, louder, ABCD), {0: "a@0 b@1/4 c@1/2 D@3/4", 1: "a@0 b@1/4 C@1/2 d@3/4"}),
    ("every", apply("every", 3, louder, seq("a")), {0: "A@0", 1: "a@0", 2: "a@0", 3: "A@0"}),
    ("every-patterned", apply("every", seq("2|3"), louder, seq("a")), {0: "A@0", 1: "a@0", 2: "A@0", 3: "A@0", 4: "A@0"}),
    ("every'", apply("every'", 3, 2, louder, seq("a")), {0: "a@0", 1: "a@0", 2: "A@0", 5: "A@0"}),
    ("foldEvery", apply("foldEvery", [pure(2), pure(3)], fast2, seq("a")), {0: "a@0 a@1/4 a@1/2", 1: "a@0", 2: "a@0 a@1/2", 3: "a@0 a@1/2"}),
    ("whenmod", apply("whenmod", 4, 2, louder, seq("a")), {0: "a@0", 1: "a@0", 2: "A@0", 3: "A@0", 4: "a@0"}),
    ("brak", apply("brak", seq("a b")), {0: "a@0 b@1/2", 1: "a@1/4 b@1/2"}),
    ("always", apply("always", louder, seq("a")), {0: "A@0"}),
    ("never", apply("never", louder, seq("a")), {0: "a@0"}),
    ("ply", apply("ply", 3, seq("a ~ b")), {0: "a@0 a@1/9 a@2/9 b@2/3 b@7/9 b@8/9"}),
    ("ply-patterned", apply("ply", seq("2 3"), seq("a b")), {0: "a@0 a@1/4 b@1/2 b@2/3 b@5/6"}),
    ("press", apply("press", seq("a b")), {0: "a@1/4 b@3/4"}),
    ("pressBy", apply("pressBy", seq("0|1"), seq("a b")), {0: "a@0 b@1/2", 1: "a@0 b@1/2"}),
    ("swingBy", apply("swingBy", Fraction(1, 3), 2, ABCD), {0: "a@0 b@5/12 c@1/2 d@11/12"}),
    ("swing", apply("swing", 2, ABCD), {0: "a@0 b@5/12 c@1/2 d@11/12"}),
    ("arp-up", apply("arp", "up", seq("a,b,c,d")), {0: "a@0 b@1/4 c@1/2 d@3/4"}),
    ("arp-down", apply("arp", "down", seq("a,b")), {0: "b@0 a@1/2"}),
    ("arp-updown", apply("arp", "updown", seq("a,b,c")), {0: "a@0 b@1/4 c@1/2 b@3/4"}),
    ("arp-downup", apply("arp", "downup", seq("a,b,c")), {0: "c@0 b@1/4 a@1/2 b@3/4"}),
    ("arp-up&down", apply("arp", "up&down", seq("a,b")), {0: "a@0 b@1/4 b@1/2 a@3/4"}),
    ("arp-converge", apply("arp", "converge", seq("a,b,c,d")), {0: "a@0 d@1/4 b@1/2 c@3/4"}),
    ("arp-diverge", apply("arp", "diverge", seq("a,b,c,d")), {0: "c@0 b@1/4 d@1/2 a@3/4"}),
    ("arp-disconverge", apply("arp", "disconverge", seq("a,b,c")), {0: "a@0 c@1/5 b@2/5 c@3/5 a@4/5"}),
    ("arp-pinkyup", apply("arp", "pinkyup", seq("a,b,c")), {0: "a@0 c@1/4 b@1/2 c@3/4"}),
    ("arp-pinkyupdown", apply("arp", "pinkyupdown", seq("a,b,c")), {0: "a@0 c@1/6 b@1/3 c@1/2 b@2/3 c@5/6"}),
    ("arp-thumbup", apply("arp", "thumbup", seq("a,b,c")), {0: "a@0 b@1/4 a@1/2 c@3/4"}),
    ("arp-alone", apply("arp", "updown", seq("a")), {0: "a@0"}),
    ("rolled", apply("rolled", seq("a,b")), {0: "a@0 b@1/8"}),
    ("rolledBy", apply("rolledBy", -1, seq("a,b")), {0: "b@0 a@1/2"}),
    ("superimpose", apply("superimpose", louder, seq("a")), {0: "A@0 a@0"}),
    ("off", apply("off", 0.125, louder, seq("a b")), {0: "a@0 A@1/8 b@1/2 B@5/8"}),
    ("layer", apply("layer", [louder, fast2], seq("a")), {0: "A@0 a@0 a@1/2"}),
    ("stutter", apply("stutter", 3, Fraction(1, 8), seq("a")), {0: "a@0 a@1/8 a@1/4"}),
    ("struct", apply("struct", seq("1 0 1 1"), seq("a b")), {0: "a@0 b@1/2 b@3/4"}),
    ("struct-words", apply("struct", seq("t f t f"), seq("a")), {0: "a@0 a@1/2"}),
    ("mask", apply("mask", seq("1 0"), ABCD), {0: "a@0 b@1/4"}),
    ("euclid", apply("euclid", 3, 8, seq("a")), {0: "a@0 a@3/8 a@3/4"}),
    ("euclid-negative", apply("euclid", -3, 8, seq("a")), {0: "a@1/8 a@1/4 a@1/2 a@5/8 a@7/8"}),
    ("euclidInv", apply("euclidInv", 3, 4, seq("a")), {0: "a@3/4"}),
    ("euclidInv-none", apply("euclidInv", 0, 2, seq("a")), {0: "a@0 a@1/2"}),
    ("euclidFull", apply("euclidFull", 3, 4, seq("a"), seq("b")), {0: "a@0 a@1/4 a@1/2 b@3/4"}),
    ("euclidOff", apply("euclidOff", 3, 8, 2, seq("a")), {0: "a@1/8 a@1/2 a@3/4"}),
    ("segment", apply("segment", 4, seq("a b")), {0: "a@0 a@1/4 b@1/2 b@3/4"}),
    ("run", apply("run", 4), {0: "0@0 1@1/4 2@1/2 3@3/4"}),
    ("run-patterned", apply("run", seq("4 3")), {0: "0@0 1@1/4 1@1/2 2@2/3"}),
    ("scan", apply("scan", 3), {0: "0@0", 1: "0@0 1@1/2", 2: "0@0 1@1/3 2@2/3", 3: "0@0"}),
    ("stack", apply("stack", [seq("a"), seq("b c")]), {0: "a@0 b@0 c@1/2"}),
    ("cat", apply("cat", [seq("a"), ALTERNATING]), {0: "a@0", 1: "a@0 c@1/2", 3: "b@0 d@1/2"}),
    ("slowcat", apply("slowcat", [seq("a"), seq("b c")]), {0: "a@0", 1: "b@0 c@1/2"}),
    ("fastcat", apply("fastcat", [seq("a"), seq("b c")]), {0: "a@0 b@1/2 c@3/4"}),
    ("ncat", apply("ncat", [pure(2), pure(1)], [seq("a|b"), seq("c")]), {0: "a@0", 1: "b@0", 2: "c@0", 3: "a@0"}),
    ("ncat-goes-on", apply("ncat", [pure(2), pure(1)], [seq("a|b|c"), seq("x")]), {0: "a@0", 1: "b@0", 2: "x@0", 3: "c@0", 4: "a@0"}),
    ("timeCat", apply("timeCat", [pure(1), pure(3)], [seq("a"), seq("b c d")]), {0: "a@0 b@1/4 c@1/2 d@3/4"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "cycles"),
    [(pattern, cycles) for _, pattern, cycles in EXAMPLES],
    ids=[name for name, _, _ in EXAMPLES],
)
def test_plays_what_the_reference_says(pattern: Pattern[Any], cycles: dict[int, str]) -> None:
    assert {cycle: line(pattern, cycle) for cycle in cycles} == cycles


def test_events_keep_their_lengths() -> None:
    assert onsets(apply("off", 0.25, louder, seq("a"))) == [("0", "1", "a"), ("1/4", "5/4", "A")]
    assert onsets(apply("rolled", seq("a,b"))) == [("0", "1", "a"), ("1/8", "1", "b")]
    assert onsets(apply("press", seq("a b"))) == [("1/4", "1/2", "a"), ("3/4", "1", "b")]


def test_mask_keeps_the_whole_and_cuts_the_part() -> None:
    events = apply("mask", seq("0 1"), seq("a")).query(0, 1)
    assert [(str(e.whole), str(e.part)) for e in events] == [
        (str(seq("a").query(0, 1)[0].whole), str(seq("x y").query(0, 1)[1].part))
    ]
    assert not events[0].has_onset


def test_nudge_moves_each_event_by_what_holds_at_its_onset() -> None:
    amounts = fastcat([pure(0.0), pure(0.125), pure(0.0), pure(-0.125)])
    assert line(apply("nudge", amounts, ABCD)) == "a@0 b@3/8 c@1/2 d@5/8"


def test_press_by_is_patterned() -> None:
    shares = slowcat([pure(Fraction(0)), pure(Fraction(1, 4))])
    assert line(apply("pressBy", shares, seq("a b")), 1) == "a@1/8 b@5/8"


@pytest.mark.parametrize("cycle", range(6))
def test_shuffle_is_a_permutation_and_scramble_is_made_of_the_parts(cycle: int) -> None:
    order = [value for _, _, value in onsets(apply("shuffle", 4, ABCD), cycle)]
    assert sorted(order) == list("abcd")
    picked = onsets(apply("scramble", 4, ABCD), cycle)
    assert [begin for begin, _, _ in picked] == ["0", "1/4", "1/2", "3/4"]
    assert {value for _, _, value in picked} <= set("abcd")


def test_shuffle_and_scramble_differ_between_cycles() -> None:
    for name in ("shuffle", "scramble"):
        assert len({line(apply(name, 4, ABCD), cycle) for cycle in range(20)}) > 10


def test_randcat_plays_all_of_them_and_one_a_cycle() -> None:
    pattern = apply("randcat", [seq("a"), seq("b"), seq("c")])
    heard = [line(pattern, cycle) for cycle in range(60)]
    assert set(heard) == {"a@0", "b@0", "c@0"}


def test_choose_and_wchoose_are_continuous() -> None:
    event = apply("choose", [seq("a"), seq("b")]).query(0, 1)[0]
    assert event.whole is None
    sampled = apply("segment", 64, apply("choose", [seq("a"), seq("b")]))
    assert {value for _, _, value in onsets(sampled)} == {"a", "b"}
    weighted = apply("wchoose", [seq("a"), seq("b")], [pure(1), pure(0)])
    assert {value for _, _, value in onsets(apply("segment", 64, weighted))} == {"a"}


def test_sometimes_changes_some_events_and_keeps_the_others() -> None:
    many = seq(" ".join(["a"] * 64))
    heard = onsets(apply("sometimesBy", 0.25, louder, many))
    assert [begin for begin, _, _ in heard] == [begin for begin, _, _ in onsets(many)]
    changed = sum(value == "A" for _, _, value in heard)
    assert 4 <= changed <= 28
    shares = [
        sum(value == "A" for _, _, value in onsets(apply(name, louder, many)))
        for name in ("almostNever", "rarely", "sometimes", "often", "almostAlways")
    ]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_degrade_and_undegrade_part_the_events() -> None:
    many = seq(" ".join(str(k) for k in range(64)))
    kept, lost = onsets(apply("degradeBy", 0.3, many)), onsets(apply("undegradeBy", 0.3, many))
    assert sorted(kept + lost) == sorted(onsets(many))
    assert len(kept) > len(lost) > 0
    assert len(onsets(apply("degrade", many))) + len(onsets(apply("undegrade", many))) == 64


def test_some_cycles_by_changes_whole_cycles() -> None:
    pattern = apply("someCyclesBy", 0.5, louder, seq("a b"))
    heard = {line(pattern, cycle) for cycle in range(30)}
    assert heard == {"a@0 b@1/2", "A@0 B@1/2"}


@pytest.mark.parametrize("name", ["rand", "perlin"])
def test_chance_is_continuous_and_within_bounds(name: str) -> None:
    pattern = apply("segment", 32, apply(name))
    values = [value for cycle in range(4) for _, _, value in onsets(pattern, cycle)]
    assert all(0 <= value < 1 for value in values)
    assert len(set(values)) == len(values)
    assert values == [value for cycle in range(4) for _, _, value in onsets(pattern, cycle)]


def test_perlin_is_smooth() -> None:
    values = [
        event.value
        for k in range(512)
        for event in apply("perlin").query(Fraction(k, 128), Fraction(k, 128))
    ]
    steps = [abs(b - a) for a, b in pairwise(values)]
    # The smoother step is at most 15/8 times as steep as a line.
    assert max(steps) <= 15 / 8 / 128 + 1e-9


def test_irand_is_whole_and_below() -> None:
    values = {value for _, _, value in onsets(apply("segment", 64, apply("irand", 5)))}
    assert values == {0, 1, 2, 3, 4}


def test_range_keeps_the_structure_of_the_pattern() -> None:
    assert onsets(apply("range", seq("1 5"), 9, seq("0 1 0"))) == [
        ("0", "1/3", 1.0),
        ("1/3", "2/3", 9.0),
        ("2/3", "1", 5.0),
    ]


def test_every_name_is_given_once_and_documented() -> None:
    names = [transform.name for transform in FAMILIES]
    assert len(names) == len(set(names))
    for transform in FAMILIES:
        assert transform.doc.endswith(".")
        assert "\n" not in transform.doc


BAD: list[Any] = [0, -1, -2.5, 10**30, -(10**30), 1e-300, float("nan"), float("inf"), "x", None, {}]


def _arguments(name: str, value: Any) -> list[Any]:
    filled: list[Any] = []
    for parameter in TRANSFORMS[name].parameters:
        one: Any = louder if parameter.kind.name == "CHANGE" else pure(value)
        filled.append([one, one] if parameter.many else one)
    return filled


@pytest.mark.long
@pytest.mark.parametrize("name", [transform.name for transform in FAMILIES])
def test_wrong_values_neither_raise_nor_run_away(name: str) -> None:
    transform = TRANSFORMS[name]
    controls = fastcat([pure({"s": "bd", "n": 1}), pure({"s": "sn", "gain": 0.5})])
    for value in BAD:
        arguments = _arguments(name, value)
        pattern = transform.apply(*arguments, *([controls] if transform.changes else []))
        assert len(pattern.query(Fraction(1, 3), Fraction(5, 8))) <= 8 * 1024


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: apply("ply", 10**9, seq("a")), 1024),
        (lambda: apply("chop", 10**9, pure({"s": "a"})), 1024),
        (lambda: apply("segment", 10**9, seq("a")), 1024),
        (lambda: apply("stutter", 10**9, 0, seq("a")), 1024),
        (lambda: apply("striate", 10**9, pure({"s": "a"})), 1024),
    ],
    ids=["ply", "chop", "segment", "stutter", "striate"],
)
def test_counts_are_bounded(make: Callable[[], Pattern[Any]], most: int) -> None:
    assert len(make().query(0, 1)) == most
