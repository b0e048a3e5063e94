"""However little is written, no program costs more than it may: it is refused where it goes too far."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.play.errors import PlayError
from gapless.play.language.allowance import DEEPEST, MOST_WORK, allowance, change, gated
from gapless.play.language.load import compile_program
from gapless.play.mini import mini
from gapless.play.pattern import Pattern, Place
from gapless.play.program import Program
from gapless.play.transforms.registry import TRANSFORMS
from gapless.testing.play_units import FAKE_UNITS

pytestmark = pytest.mark.long

HERE = Place(1, 1, 1)
MUCH = "too many events"
DEEP = f"more than {DEEPEST} transforms"


def compiled(text: str) -> Program:
    return compile_program(text, "x.ph", FAKE_UNITS)


def doubled(first: str, following: str, times: int, last: str) -> str:
    """Definitions each of which uses the one before."""
    lines = [following.replace("NEXT", str(n + 1)).replace("N", str(n)) for n in range(times)]
    return "\n".join([first, *lines, last.replace("N", str(times))])


REFUSED = {
    "a long row of transforms": ("o1: " + "rev $ " * 400 + 's "bd"', DEEP),
    "transforms of a signal": ("o1: saw (" + "rev $ " * 400 + '"1 2")', DEEP),
    "a long row of parameters": ('o1: s "bd"' + ' # gain "1 2"' * 500, DEEP),
    "a long sum": ("o1: note (" + " + ".join(['"1"'] * 500) + ")", DEEP),
    "many buses": (doubled('~a0: s "bd"', "~aNEXT: cat [~aN, ~aN]", 300, "o1: ~aN"), DEEP),
    "changes of changes": (
        doubled("~c0: (rev . rev)", "~cNEXT: (~cN . rev)", 500, 'o1: ~cN $ s "bd"'),
        DEEP,
    ),
    "a change within a change": (
        doubled("~c0: (fast 1)", "~cNEXT: every 2 ~cN", 300, 'o1: ~cN $ s "bd"'),
        DEEP,
    ),
    "a transform that nests by itself": (
        f'o1: foldEvery [{", ".join(map(str, range(1, 300)))}] rev $ s "bd"',
        DEEP,
    ),
    "a change twice": (
        doubled("~c0: (fast 1)", "~cNEXT: (~cN . ~cN)", 30, 'o1: ~cN $ s "bd"'),
        MUCH,
    ),
    "layers of layers": (
        doubled("~c0: (fast 1)", "~cNEXT: layer [~cN, ~cN]", 30, 'o1: ~cN $ s "bd"'),
        MUCH,
    ),
    "stacks of stacks": (doubled('~a0: s "bd"', "~aNEXT: stack [~aN, ~aN]", 30, "o1: ~aN"), MUCH),
    "stacks of rests": (doubled('~a0: s "~"', "~aNEXT: stack [~aN, ~aN]", 30, "o1: ~aN"), MUCH),
    "sums of sums": (doubled('%p0: "1"', "%pNEXT: %pN + %pN", 30, "o1: note %pN"), MUCH),
    "products of products": (doubled('%p0: "9"', "%pNEXT: %pN * %pN", 30, "o1: note %pN"), MUCH),
    "words of words": (doubled('%p0: "a"', "%pNEXT: %pN + %pN", 40, "o1: s %pN"), MUCH),
    "faster and faster": ("o1: " + "fast 1000 $ " * 6 + 's "bd"', MUCH),
    "inside and inside": ('o1: inside 1e9 (inside 1e9 (inside 1e9 rev)) $ s "bd"', MUCH),
    "ply": ('o1: ply 9999 $ ply 9999 $ s "bd"', MUCH),
    "ply of a signal": ('o1: saw ("1 2" $ ply 1000 $ ply 1000)', MUCH),
    "chop": ('o1: chop "1000" $ chop 1000 $ s "bd"', MUCH),
    "striate": ('o1: striate 1e9 $ striate 1e9 $ striate 1e9 $ s "bd"', MUCH),
    "echoes": ("o1: " + "echo 1000 0.001 0.9 $ " * 4 + 's "bd"', MUCH),
    "stutter": ("o1: " + "stutter 1000 0.001 $ " * 3 + 's "bd"', MUCH),
    "ghosts": ("o1: " + "ghost $ " * 20 + 's "bd"', MUCH),
    "a parameter for a long event": ('o1: slow 1000000 $ s "bd" # n "0 1"', MUCH),
    "events compared": ('o1: note ("1*9000" + "1*9000")', MUCH),
    "arguments compared": ('o1: zoom "0*9000" "1*9000" $ s "bd"', MUCH),
    "many outputs": ("\n".join(f'o{n}: ply 90 $ ply 90 $ s "bd"' for n in range(1, 60)), MUCH),
    "sounds of sounds": (
        doubled("@t0: saw 1", "@tNEXT: f (@tN)", 14, "fn f x = x + x\no1: @tN"),
        "more than 5000 units",
    ),
    "effects of effects": (
        doubled("~m0 # lpf 100 # lpf 200", "~mNEXT # ~mN # ~mN", 30, "o1: saw 1 # ~mN"),
        "effects and parameters",
    ),
}
"""Programs, and why they are."""


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_never_end_is_refused(case: str) -> None:
    text, about = REFUSED[case]

    with pytest.raises(PlayError) as caught:
        compiled(text)

    assert about in caught.value.text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('o1: fast 2 $ ply 1000 $ ply 1000 $ s "bd"', Place(1, 14, 8)),
        ("o1: " + "rev $ " * 60 + 's "bd"', Place(1, 287, 3)),
        ('o1: s "bd"\n    # gain ("1*9000" + "1*9000")', Place(2, 24, 8)),
    ],
    ids=["ply", "rev", "sum"],
)
def test_it_is_refused_where_it_goes_too_far(text: str, place: Place) -> None:
    with pytest.raises(PlayError) as caught:
        compiled(text)

    assert caught.value.place == place


@pytest.mark.parametrize(
    "text",
    [
        "o1: " + "rev $ " * 40 + 's "bd"',
        'o1: fast 1000000 $ s "bd"',
        'o1: ply 1000 $ s "bd"',
        'o1: chop 8 $ s "bd*128"',
        'o1: s "bd*2000" # gain "1*2000" # pan sine',
        'o1: striate 1e9 $ s "bd"',
        'o1: (off 0.1 (# gain 0.5) . ghost . chop 4) $ s "bd*16 [sn, hh*4]"',
        '~a: ~b + 1\n~b: ~a + 1\no1: ~a + (s "bd")',
    ],
    ids=lambda text: text[:30],
)
def test_what_is_much_but_ends_is_played(text: str) -> None:
    assert compiled(text).events(0, 1)["o1"]


def test_what_explodes_in_a_later_cycle_is_an_error_when_it_is_asked() -> None:
    program = compiled('o1: ply "<1 1000>" $ ply "<1 1000>" $ s "bd"')

    assert len(program.events(0, 1)["o1"]) == 1
    with pytest.raises(PlayError, match=MUCH):
        program.events(1, 2)
    assert len(program.events(2, 3)["o1"]) == 1


def test_many_cycles_may_be_asked_for_at_once() -> None:
    assert len(compiled('o1: s "bd*16" # n "0 .. 3"').events(0, 500)["o1"]) == 8000


def test_numbers_and_words_of_patterns_do_not_grow_without_end() -> None:
    program = compiled(doubled('%p0: "9"', "%pNEXT: %pN * %pN", 8, "o1: note %pN"))
    words = compiled(doubled('%p0: "a"', "%pNEXT: %pN + %pN", 9, "o1: s %pN"))

    assert program.events(0, 1)["o1"][0].value["note"] == pytest.approx(9.0**256)
    assert len(words.events(0, 1)["o1"][0].value["s"]) == 256


# --- the account ---


def nested(levels: int) -> Pattern[str | int | float]:
    pattern = mini("bd")
    for _ in range(levels):
        pattern = gated(pattern, HERE)
    return pattern


def test_as_deep_as_is_allowed_and_no_deeper() -> None:
    assert len(nested(DEEPEST).query(0, 1)) == 1
    with pytest.raises(PlayError, match="transforms and operators"):
        nested(DEEPEST + 1).query(0, 1)
    assert len(nested(DEEPEST).query(0, 1)) == 1


def test_every_question_and_every_thread_has_an_account_of_its_own() -> None:
    pattern = gated(mini("bd*4000"), HERE)
    found: list[int] = []

    def ask() -> None:
        found.extend(len(pattern.query(cycle, cycle + 1)) for cycle in range(5))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [4000] * 10


def test_a_change_outside_of_a_question_owes_nothing_for_what_went_too_far_before() -> None:
    layers = mini("bd*16000")
    for _ in range(8):
        layers = gated(layers, HERE)
    with pytest.raises(PlayError, match=MUCH):
        layers.query(0, 1)

    with change(HERE):
        assert len(gated(mini("bd*4"), HERE).query(0, 1)) == 4


def test_what_is_done_together_is_charged_together() -> None:
    pattern = gated(mini("bd*16000"), HERE)

    with allowance(HERE):
        for _ in range(MOST_WORK // 17000):
            pattern.query(0, 1)
        with pytest.raises(PlayError, match=MUCH):
            pattern.query(0, 2)


def test_events_may_be_weighed() -> None:
    pattern = gated(mini("bd*100"), HERE, lambda count: count * MOST_WORK)

    with pytest.raises(PlayError, match=MUCH):
        pattern.query(0, 1)


def test_what_goes_deeper_than_python_is_an_error_like_others() -> None:
    def endless(*_: object) -> list[object]:
        return endless()

    with pytest.raises(PlayError, match="transforms and operators"):
        gated(Pattern(endless), HERE).query(0, 1)  # type: ignore[arg-type]
    with pytest.raises(PlayError, match="transforms and operators"), allowance(HERE):
        endless()


def test_changes_outside_of_an_account_are_free() -> None:
    for _ in range(MOST_WORK):
        with change(HERE):
            pass


# --- whatever is put together ---

BIG = st.sampled_from(["0", "1", "2", "1000", "1000000000", "(-1000)", "0.0001", '"<1 1000>"'])


@st.composite
def calls(draw: st.DrawFn, depth: int = 0) -> str:
    """A transform with arguments that are too large, and changes that are some more."""
    transform = draw(
        st.sampled_from([one for one in TRANSFORMS.values() if one.changes]), label="transform"
    )
    given = []
    for parameter in transform.parameters:
        match parameter.kind.name:
            case "CHANGE":
                one = f"({draw(calls(depth + 1)) if depth < 3 else 'rev'})"
            case "PATTERN":
                one = '(s "cp*16")'
            case "WORD":
                one = '"thumbup"'
            case "BOOLEAN":
                one = '"t*1000"'
            case _:
                one = draw(BIG)
        given.append(f"[{one}, {one}]" if parameter.many else one)
    return " ".join((transform.name, *given))


@pytest.mark.long
@given(st.lists(calls(), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_transforms_with_any_factors_end(rows: list[str]) -> None:
    text = f'o1: {" $ ".join(rows)} $ s "bd*4 sn"'

    try:
        found = compiled(text).events(1, 2)["o1"]
    except PlayError:
        return
    assert len(found) <= MOST_WORK
