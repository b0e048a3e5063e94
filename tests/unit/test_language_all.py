"""Every transform, unit, voice parameter and tone of the references works in a program as it is written there."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gapless.play.controls import NUMBERS
from gapless.play.language.load import compile_program
from gapless.play.language.sounding import RIGHT
from gapless.play.notes import CHORDS, SCALES
from gapless.play.program import Made, Played, Signal
from gapless.play.sound.catalogue import UNITS
from gapless.play.transforms.contract import Kind
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS

PLAIN = 's "bd*2 [sn:1,hh]"'
ARGUMENTS = {
    Kind.NUMBER: "0.3",
    Kind.TIME: "0.3",
    Kind.INTEGER: "3",
    Kind.BOOLEAN: '"t f t"',
    Kind.WORD: '"down"',
    Kind.PATTERN: '(s "cp*4")',
    Kind.CHANGE: "(# speed 2)",
}
WRITTEN = {
    "zoom": "zoom 0.25 0.75",
    "compress": "compress 0.25 0.75",
    "within": "within 0 0.5 (# speed 2)",
    "fastGap": "fastGap 2",
    "every'": "every' 3 1 (# speed 2)",
    "whenmod": "whenmod 4 2 (# speed 2)",
    "swingBy": "swingBy 0.3 2",
    "euclidInv": "euclidInv 3 8",
    "choose": 'struct "t*4" $ choose [s "cp", s "sn"]',
    "wchoose": 'struct "t*4" $ wchoose [s "cp", s "sn"] [1, 3]',
}
"""Those that do nothing with the arguments above."""
IDENTITY = {"never"}


def heard(text: str) -> list[tuple[Fraction, str]]:
    """Onsets and controls over as many cycles as everything turns up in."""
    events = compile_program(text, "x.ph").events(0, 8)["o1"]
    return sorted(
        (event.whole.begin, str(sorted(event.value.items()))) for event in events if event.whole
    )


def call_of(name: str) -> str:
    given = []
    for parameter in TRANSFORMS[name].parameters:
        one = ARGUMENTS[parameter.kind]
        given.append(f"[{one}, {one}]" if parameter.many else one)
    return WRITTEN.get(name, " ".join((name, *given)))


@pytest.mark.parametrize(
    "name", [one.name for one in TRANSFORMS.values() if one.changes and one.name != "range"]
)
def test_every_transform_changes_what_is_heard(name: str) -> None:
    plain, changed = heard(f"o1: {PLAIN}"), heard(f"o1: {call_of(name)} $ {PLAIN}")

    assert changed
    assert (changed == plain) == (name in IDENTITY)
    assert heard(f"o1: {PLAIN} $ {call_of(name)}") == changed
    assert heard(f"o1: always ({call_of(name)}) $ {PLAIN}") == changed


def test_range_changes_numbers() -> None:
    assert heard('o1: s "bd*2" # n (range 2 5 "0 1")') == heard('o1: s "bd*2" # n "2.0 5.0"')


@pytest.mark.parametrize("name", [one.name for one in TRANSFORMS.values() if not one.changes])
def test_every_maker_makes_something(name: str) -> None:
    is_heard = any(one.kind is Kind.PATTERN for one in TRANSFORMS[name].parameters)
    call = call_of(name)

    assert heard(f"o1: {call}" if is_heard else f'o1: s "bd*8" # n ({call})')


@pytest.mark.parametrize("name", NUMBERS)
def test_every_voice_parameter_is_said(name: str) -> None:
    (event,) = compile_program(f'o1: s "bd" # {name} 0.25', "x.ph").events(0, 1)["o1"]

    assert event.value == {"s": "bd", name: 0.25}


@pytest.mark.parametrize("name", [one for one in NUMBERS if one not in ("n", "note")])
def test_no_voice_parameter_but_those_for_notes_takes_the_name_of_one(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name} cannot be "a"'):
        compile_program(f'o1: s "bd" # {name} "a"', "x.ph")


def units_in(signal: Signal) -> set[str]:
    if isinstance(signal, Made):
        return {signal.unit}.union(*map(units_in, signal.inputs))
    return {"voices"} if isinstance(signal, Played) else set()


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_called_by_order_and_by_name(name: str) -> None:
    shown = [one for one in UNITS[name].inputs if one.name != RIGHT]
    front, behind = "", " * 1"
    if UNITS[name].is_effect:
        front, behind, shown = "saw 110 # ", "", shown[1:]
    in_order = " ".join((name, *("2" for _ in shown)))
    by_name = " ".join((name, *(f":{one.name} 2" for one in shown)))

    # A wave's name alone may be a pattern.
    for call in (in_order, by_name):
        program = compile_program(f"o1: {front}{call}{behind}", "x.ph")
        assert name in units_in(program.outputs["o1"])


@pytest.mark.parametrize("name", SIGNALS)
def test_every_wave_is_a_pattern_once_a_cycle(name: str) -> None:
    assert len(heard(f'o1: s "bd*4" # pan {name}')) == 32


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_is_played(name: str) -> None:
    events = compile_program(f'o1: note (scale "{name}" "0 .. 4")', "x.ph").events(0, 1)["o1"]

    assert [event.value["note"] for event in events] == list(map(float, SCALES[name][:5]))


@pytest.mark.parametrize("name", CHORDS)
def test_every_chord_is_played(name: str) -> None:
    made, written, changed = (
        compile_program(f"o1: {text}", "x.ph").events(0, 1)["o1"]
        for text in (
            f'note (chord "{name}" "c4 5")',
            f"note \"c4'{name} f4'{name}\"",
            f'note ("c4 5" $ chord "{name}")',
        )
    )

    assert [one.value for one in made] == [one.value for one in written]
    assert [one.value for one in changed] == [one.value for one in written]
    assert [one.value["note"] for one in made[: len(CHORDS[name])]] == list(
        map(float, CHORDS[name])
    )


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ('note "0 4" + 12', [12.0, 16.0]),
        ('note "0 4" - "12 0"', [-12.0, 4.0]),
        ('note "1 2" * 3', [3.0, 6.0]),
        ('note (scale "minor" "0 2" + 12)', [12.0, 15.0]),
        ('scale "minor" "0 2" $ note', None),
        ('note $ scale "minor" "0 2"', [0.0, 3.0]),
    ],
)
def test_notes_are_calculated_with(text: str, notes: list[float] | None) -> None:
    if notes is None:
        with pytest.raises(ValueError, match="note"):
            compile_program(f"o1: {text}", "x.ph")
        return
    events = compile_program(f"o1: {text}", "x.ph").events(0, 1)["o1"]

    assert [event.value["note"] for event in events] == notes
