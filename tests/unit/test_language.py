"""Programs of the play language: what they play, and of what their sounds are made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ConfigError, NotFoundError
from gapless.play.language.load import compile_program, load
from gapless.play.pattern import Event, Place
from gapless.play.program import Bus, Made, Number, Played, Program, Signal, Stepped, Transport
from gapless.testing.play_units import FAKE_UNITS

PROGRAMS = Path(__file__).parents[1] / "data" / "play"


def program(text: str) -> Program:
    return compile_program(text, "x.ph", FAKE_UNITS)


def played(text: str, output: str = "out", cycles: int = 1) -> list[tuple[Any, ...]]:
    """Onset and controls of each voice, in the order of time."""
    events = program(text).events(0, cycles)[output]
    return sorted(((begin(event), tuple(sorted(event.value.items()))) for event in events), key=str)


def begin(event: Event[Any]) -> Fraction:
    assert event.whole is not None
    return event.whole.begin


def values(text: str, name: str, cycles: int = 1) -> list[Any]:
    """One control of each voice, by onset."""
    events = program(text).events(0, cycles)["out"]
    return [event.value.get(name) for event in sorted(events, key=begin)]


def drawn(signal: Signal) -> str:
    """A signal in one line: patterns as their first cycle."""
    match signal:
        case Number(value):
            return f"{value:g}"
        case Stepped(pattern):
            steps = sorted(pattern.query(0, 1), key=begin)
            return '"' + " ".join(f"{event.value:g}" for event in steps) + '"'
        case Made(unit, inputs):
            return f"({' '.join((unit, *map(drawn, inputs)))})"
        case Bus(name):
            return f"~{name}"
        case Played():
            events = sorted(signal.pattern.query(0, 1), key=begin)
            said = [event.value.get("s", "?") for event in events if event.has_onset]
            return f"<{' '.join(said)}>"


def sound(text: str, output: str = "out") -> str:
    return drawn(program(text).outputs[output])


# --- the program that the whole is shown by ---


def test_the_three_outputs_play_at_the_euclidean_places() -> None:
    made = load(PROGRAMS / "three_outputs.ph", units=FAKE_UNITS)
    events = made.events(0, 1)
    places = {name: sorted({begin(event) * 17 for event in events[name]}) for name in events}

    assert 1 / made.cps == 2
    assert {name: len(found) for name, found in events.items()} == {"o1": 28, "o2": 4, "o3": 4}
    assert places == {
        "o1": [0, 3, 5, 8, 10, 13, 15],
        "o2": [0, 4, 8, 12],
        "o3": [2, 6, 10, 15],
    }


def test_its_chords_have_four_tones_of_half_the_gain_and_change_in_the_middle() -> None:
    events = load(PROGRAMS / "three_outputs.ph", units=FAKE_UNITS).events(0, 1)["o1"]
    tones: dict[Fraction, list[float]] = {}
    for event in events:
        tones.setdefault(begin(event) * 17, []).append(event.value["note"])

    assert tones[Fraction(0)] == [0, 3, 7, 10]
    assert tones[Fraction(15)] == [-7, -4, 0, 3]
    assert {event.value["gain"] for event in events} == {0.5}
    assert {event.value["s"] for event in events} == {"~x"}


def test_its_sounds_are_made_as_they_are_written() -> None:
    made = load(PROGRAMS / "three_outputs.ph", units=FAKE_UNITS)

    assert drawn(made.outputs["o2"]) == "<bd bd bd bd>"
    assert drawn(made.buses["x"]).startswith('(lpf (saw 440) "800 300 800')
    assert drawn(made.outputs["o1"]).startswith("(reverb (delay <~x")
    assert drawn(made.outputs["o1"]).endswith("> 0.334 0.3 0.5) 0 0.9 0.1)")


def test_every_event_knows_the_characters_that_made_it() -> None:
    event = program('out: s "bd sn" # note "0 7"').events(0, 1)["out"][1]

    assert event.spans == (Place(1, 12, 2), Place(1, 26, 1))


# --- statements ---


@pytest.mark.parametrize(
    ("setting", "cps"),
    [
        ("tempo: 2", 2),
        ("tempo 2.0", 2),
        ("cps: 0.1", Fraction(1, 10)),
        ("cps: 1/3", Fraction(1, 3)),
        ("bpm: 120", Fraction(1, 2)),
        ('bpm: 90 "3/4"', Fraction(1, 2)),
        ("bpm: 60 + 60  # a comment", Fraction(1, 2)),
    ],
)
def test_the_tempo_is_exact(setting: str, cps: Fraction) -> None:
    assert program(f"{setting}\nout: 0").cps == cps


def test_lines_that_lie_deeper_go_on_and_comments_are_passed_over() -> None:
    text = (
        "# a comment\n"
        'out: s "bd"  -- another\n'
        "\n"
        "  -- and another\n"
        "    # gain 0.5\n"
        "# out: s is no statement\n"
        "    # pan 1\n"
        "-- the end"
    )

    assert played(text) == [(0, (("gain", 0.5), ("pan", 1.0), ("s", "bd")))]


def test_a_program_may_be_indented_as_a_whole_and_close_its_brackets_at_the_margin() -> None:
    text = '    out: stack [\n        s "bd",\n        s "sn"\n    ]\n    o2: s "hh"'

    assert list(program(text).events(0, 1)) == ["out", "o2"]
    assert len(played(text)) == 2


@pytest.mark.parametrize("written", ["out: {}", "out $ {}", "out = {}", "out:{}"])
def test_an_output_is_written_in_several_ways(written: str) -> None:
    assert sound(written.format("saw 110")) == "(saw 110)"


@pytest.mark.parametrize("name", ["o1", "d1", "out1", "o01"])
def test_numbered_outputs_have_one_name(name: str) -> None:
    assert list(program(f"{name}: saw 1").outputs) == ["o1"]


def test_names_may_be_used_before_they_are_set() -> None:
    assert drawn(program("out: ~a * 2\n~a: saw 1").buses["a"]) == "(saw 1)"


def test_of_a_name_that_is_set_twice_the_last_holds_and_a_remark_tells() -> None:
    made = program(
        "out: saw 1\n~a: saw 2\nd1: saw 3\nout: saw 4\no1: ~a\n~a: saw 5\ncps: 1\nbpm: 3"
    )

    assert {name: drawn(signal) for name, signal in made.outputs.items()} == {
        "out": "(saw 4)",
        "o1": "~a",
    }
    assert drawn(made.buses["a"]) == "(saw 5)"
    assert made.cps == Fraction(1, 80)
    assert [(one.text.partition(";")[0], one.place and one.place.line) for one in made.remarks] == [
        ("out is set twice, in lines 1 and 4", 4),
        ("o1 is set twice, in lines 3 and 5", 5),
        ("~a is set twice, in lines 2 and 6", 6),
        ("bpm is set twice, in lines 7 and 8", 8),
    ]


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("~master: saw 1\n~out: saw 2\n~d1: saw 3", {"out": "~master"}),
        ("~out: saw 2\n~d1: saw 3", {"out": "~out"}),
        ("~d1: saw 3\n~d2: saw 4\n~drums: saw 5", {"d1": "~d1", "d2": "~d2"}),
        ("~master: saw 1\no1: saw 2", {"o1": "(saw 2)"}),
        ("hush", {}),
    ],
)
def test_where_nothing_is_named_out_the_buses_are_heard(text: str, outputs: dict[str, str]) -> None:
    made = program(text).outputs

    assert {name: drawn(signal) for name, signal in made.items()} == outputs


@pytest.mark.parametrize(
    ("commands", "hushed"),
    [
        ("hush", {"out", "o1", "o2"}),
        ("hush2", {"o2"}),
        ("hush\nunhush1", {"out", "o2"}),
        ("hush\nunhush", set()),
        ("panic", {"out", "o1", "o2"}),
        ("hush7", set()),
    ],
)
def test_outputs_are_hushed(commands: str, hushed: set[str]) -> None:
    assert program(f"out: saw 1\nd1: saw 2\no2: saw 3\n{commands}").hushed == hushed


def test_hushing_what_is_not_there_is_remarked_upon() -> None:
    assert "no output o7" in program("out: saw 1\nhush7").remarks[0].text


def test_what_is_to_happen_to_the_time_is_told_in_order() -> None:
    made = program("out: 0\nresetCycles\nsetCycle 4\nnudge -0.1\npanic")

    assert made.transport == (
        Transport("resetCycles", Fraction(0), Place(2, 1, 11)),
        Transport("setCycle", Fraction(4), Place(3, 1, 8)),
        Transport("nudge", Fraction(-1, 10), Place(4, 1, 5)),
        Transport("panic", Fraction(0), Place(5, 1, 5)),
    )


@pytest.mark.parametrize("mix", ["none", "gain", "sqrt", "tanh", "hard"])
def test_outputs_are_summed_as_it_says(mix: str) -> None:
    assert program(f"outmix: {mix}\nout: 0").outmix == mix


# --- signals ---


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("saw 110", "(saw 110)"),
        ("saw", "(saw 440)"),
        ("noise", "(noise)"),
        ('saw "110 220"', '(saw "110 220")'),
        ("saw 110 # lpf 300", "(lpf (saw 110) 300 0.7)"),
        ("saw 110 # lpf(500, 0.8)", "(lpf (saw 110) 500 0.8)"),
        ("saw 110 # lpf (500, 0.8)", "(lpf (saw 110) 500 0.8)"),
        ("saw 110 # lpf :q 0.8", "(lpf (saw 110) 1000 0.8)"),
        ("saw 110 # lpf :q 0.8 300", "(lpf (saw 110) 300 0.8)"),
        ("lpf (saw 110) 300 0.8", "(lpf (saw 110) 300 0.8)"),
        ("lpf(saw(110), 300)", "(lpf (saw 110) 300 0.7)"),
        ("lpf 300 $ saw 110", "(lpf (saw 110) 300 0.7)"),
        (
            "saw 110 # lpf (sine 1 * 200 + 300) 0.8",
            "(lpf (saw 110) (add (mul (sine 1 0) 200) 300) 0.8)",
        ),
        ('saw 110 # lpf ("1 2" $ fast 2)', '(lpf (saw 110) "1 2 1 2" 0.7)'),
        ('saw 110 # lpf (fast 2 $ "1 2")', '(lpf (saw 110) "1 2 1 2" 0.7)'),
        ('saw 110 # lpf "1 2" $ fast 2', '(lpf (saw 110) "1 2 1 2" 0.7)'),
        ('saw "1 2" $ rev', '(saw "2 1")'),
        ("saw 1 + saw 2 * 3 - 4", "(sub (add (saw 1) (mul (saw 2) 3)) 4)"),
        ("(saw 1 + saw 2) * 3", "(mul (add (saw 1) (saw 2)) 3)"),
        ("saw 3 - 1 * 2", "(sub (saw 3) 2)"),
        ("saw (3 -1)", "(saw 2)"),
        ("saw (1/8)", "(saw 0.125)"),
        ("-(saw 1)", "(neg (saw 1))"),
        ("saw 1 # lpf 2 * 0.5", "(mul (lpf (saw 1) 2 0.7) 0.5)"),
        ("saw 1 # gain 0.5", "(mul (saw 1) 0.5)"),
        ("saw 1 # pan 1", "(pan2 (saw 1) (sub (mul 1 2) 1))"),
        ("saw 1 # crush 4", "(bitcrush (saw 1) 4)"),
        ("saw 1 # reverb 0.9 0.1", "(reverb (saw 1) 0 0.9 0.1)"),
        ("range 200 2000 (sine 1)", "(range (sine 1 0) 200 2000)"),
        ("sine 1 # range 1 2", "(range (sine 1 0) 1 2)"),
        ("sine 1 $ range 1 2", "(range (sine 1 0) 1 2)"),
        ("stack [saw 1, saw 2, saw 3]", "(add (add (saw 1) (saw 2)) (saw 3))"),
        ('s "bd sn" # lpf 300', "(lpf <bd sn> 300 0.7)"),
        ('s "bd" * 0.5', "(mul <bd> 0.5)"),
        ('s "bd" * "1 0"', '(mul <bd> "1 0")'),
        ('s "bd" + s "sn"', "(add <bd> <sn>)"),
        ('s "bd" # gain (sine 4)', "(mul <bd> (sine 4 0))"),
        ('s "bd" # lpf 300 # note 1 # delay', "(delay (lpf <bd> 300 0.7) 0.25 0.3 0.5)"),
        ('fast 2 $ (s "bd" # lpf 300)', "(lpf <bd bd> 300 0.7)"),
        ('(s "bd" # lpf 300) * 2 $ fast 2', "(mul (lpf <bd bd> 300 0.7) 2)"),
        ('((s "bd" # lpf 300) * 2) $ fast 2', "(mul (lpf <bd bd> 300 0.7) 2)"),
    ],
)
def test_an_expression_is_a_graph_of_units(expression: str, made: str) -> None:
    assert sound(f"out: {expression}") == made


# --- functions, templates, buses ---


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("fn f x y = x * y\nout: f (saw 1) 2", "(mul (saw 1) 2)"),
        ("fn f x y = x * y\nout: f(saw 1, 2)", "(mul (saw 1) 2)"),
        ("fn f x y = x * y\nout: f :y 2 (saw 1)", "(mul (saw 1) 2)"),
        ("fn f x y = x * y\nout: saw 1 # f 2", "(mul (saw 1) 2)"),
        ("fn f x = g x x\nfn g x y = x + y\nout: f (saw 1)", "(add (saw 1) (saw 1))"),
        ("~f x y $ x # lpf y\nout: ~f (saw 1) 2", "(lpf (saw 1) 2 0.7)"),
        ("~f x y $ x # lpf y\nout: saw 1 # ~f 2", "(lpf (saw 1) 2 0.7)"),
        ("@a: lpf 300 # gain 0.5\nout: saw 1 # @a", "(mul (lpf (saw 1) 300 0.7) 0.5)"),
        ("@a: saw 1\nout: @a # lpf 300", "(lpf (saw 1) 300 0.7)"),
        ('@a: fast 2\nout: s "bd" $ @a', "<bd bd>"),
        ("~a # lpf 300 # gain 0.5\nout: saw 1 # ~a", "(mul (lpf (saw 1) 300 0.7) 0.5)"),
        ('~a: fast 2 . rev\nout: ~a $ s "bd sn"', "<sn bd sn bd>"),
        ("~a: 110\nout: saw ~a", "(saw 110)"),
        ('~a: "110 220"\nout: saw ~a', '(saw "110 220")'),
        ("~a: saw 1\nout: ~a # lpf 2", "(lpf ~a 2 0.7)"),
        ('~a: s "bd"\nout: ~a * 0.5', "(mul ~a 0.5)"),
        ('~a: s "bd"\nout: ~a # lpf 2', "(lpf ~a 2 0.7)"),
        ('~a: s "bd" # lpf 1\nout: fast 2 $ ~a', "(lpf <bd bd> 1 0.7)"),
        ('~a: note "c e"\nout: s "saw*4" # ~a', "<saw saw saw saw>"),
        ('%a: "<2 3>"\nout: fast %a $ s "bd"', "<bd bd>"),
        ('%a: 2\nout: fast %a $ s "bd"', "<bd bd>"),
        ('~b: "2"\n%a: ~b\nout: fast %a $ s "bd"', "<bd bd>"),
        ('out: s $ fast 2 $ "bd sn"', "<bd sn bd sn>"),
    ],
)
def test_names_stand_for_what_they_were_given(text: str, made: str) -> None:
    assert sound(text) == made


def test_a_bus_that_refers_to_itself_is_fed_back() -> None:
    made = program("~a: saw 1 + ~b * 0.5\n~b: ~a # delay\nout: ~a")

    assert {name: drawn(signal) for name, signal in made.buses.items()} == {
        "a": "(add (saw 1) (mul ~b 0.5))",
        "b": "(delay ~a 0.25 0.3 0.5)",
    }


def test_only_buses_that_are_heard_are_kept() -> None:
    text = '~a: saw 1\n~b: ~a\n~c: saw ~d\n~d: saw 2\n~i: saw 3\nout: ~b\no2: s "~i"'

    assert set(program(text).buses) == {"a", "b", "i"}


# --- patterns ---


def test_a_voice_takes_what_is_said_of_it_when_it_begins() -> None:
    assert played('out: s "bd:3 sn" # n "<1>" # gain "1 0.5" # speed -1') == [
        (0, (("gain", 1.0), ("n", 1.0), ("s", "bd"), ("speed", -1.0))),
        (Fraction(1, 2), (("gain", 0.5), ("n", 1.0), ("s", "sn"), ("speed", -1.0))),
    ]


def test_a_number_behind_a_name_chooses_the_sample() -> None:
    assert played('out: s "bd:3"') == [(0, (("n", 3.0), ("s", "bd")))]


@pytest.mark.parametrize(
    ("expression", "name", "said"),
    [
        ('note "c e" # s "saw"', "note", [0, 4]),
        ('note ("0 4" + "<12>") # s "saw"', "note", [12, 16]),
        ('note ("0 4" |+ "1 2 3") # s "saw"', "note", [1, 6]),
        ('note (scale "minor" "2 7") # s "saw"', "note", [3, 12]),
        ('note ("2 7" $ scale "minor") # s "saw"', "note", [3, 12]),
        ('(s "saw*2" # note 1) |+| note "12 0"', "note", [13, 1]),
        ('s "saw*2" # note 1 |+| note "12 0"', "note", [13, 1]),
        ('s "bd*2" # speed (range 1 3 square)', "speed", [1, 3]),
        ('s "bd*2" # speed (square * 2 + 1)', "speed", [1, 3]),
        ('s "bd*2" # pan (slow 2 saw)', "pan", [0.125, 0.375]),
        ('s "bd*2" # n (run 2)', "n", [0, 1]),
        ('s "bd*2" # n (-1)', "n", [-1, -1]),
        ('s "bd*2" $ (# n 5)', "n", [5, 5]),
        ('s "bd*2" $ every 1 (|+| n 5)', "n", [5, 5]),
        ('s "bd*2" :n 7 :gain 0.5', "n", [7, 7]),
        ('s "bd*2" # unit "c"', "unit", ["c", "c"]),
        ('superimpose (# n 2) $ (s "bd" # n 1)', "n", [1, 2]),
        ('layer [(# n 1), (# n 2)] $ s "bd"', "n", [1, 2]),
        ('stack [s "bd" # n 1, s "sn" # n 2]', "n", [1, 2]),
        ('stack (s "bd" # n 1) (s "sn" # n 2)', "n", [1, 2]),
        ('fastcat [s "bd" # n 1, s "sn" # n 2]', "n", [1, 2]),
        ('timeCat [1, 3] [s "bd" # n 1, s "sn" # n 2]', "n", [1, 2]),
        ('s "bd sn" $ every 1 rev', "s", ["sn", "bd"]),
        ('every 1 (rev . fast 2) $ s "bd sn"', "s", ["sn", "bd", "sn", "bd"]),
        ('every 1 (rev $ fast 2) $ s "bd sn"', "s", ["sn", "bd", "sn", "bd"]),
        ('s "bd sn" $ fast 2 $ rev', "s", ["sn", "bd", "sn", "bd"]),
        ('fast "<2 3>" (s "bd")', "s", ["bd", "bd"]),
        ('s "bd" $ rotL -1', "s", ["bd"]),
        ('s "bd cp" $ legato 0.5', "legato", [0.5, 0.5]),
        ('s "bd cp" # legato 0.5', "legato", [0.5, 0.5]),
        ('struct "t f t t" $ s "bd"', "s", ["bd", "bd", "bd"]),
        ('s "bd" $ ply "1%2"', "s", ["bd"]),
    ],
)
def test_patterns_are_changed_and_joined(expression: str, name: str, said: list[Any]) -> None:
    assert values(f"out: {expression}", name) == said


def test_a_chord_shares_its_gain_among_its_tones() -> None:
    made = played('out: note "c\'min7" # s "saw" # gain 0.8')

    assert [dict(controls)["note"] for _, controls in made] == [0, 10, 3, 7]
    assert {dict(controls)["gain"] for _, controls in made} == {0.4}


def test_time_is_exact_after_a_million_cycles() -> None:
    (event,) = program('out: s "~ bd ~" $ late 0.1').events(1_000_000, 1_000_001)["out"]

    assert begin(event) == 1_000_000 + Fraction(1, 3) + Fraction(1, 10)


# --- effects of some events ---


def test_an_effect_within_a_transform_is_chosen_by_the_events_that_go_through_it() -> None:
    made = program('out: s "bd" $ every 2 (# lpf 300 # crush 4) $ off 0.5 (# gain 0.5 # delay)')
    out = made.outputs["out"]
    assert isinstance(out, Played)

    assert [drawn(effect.apply(Number(0.0))) for effect in out.effects] == [
        "(bitcrush (lpf 0 300 0.7) 4)",
        "(delay 0 0.25 0.3 0.5)",
    ]
    assert [
        (begin(event), event.value.get("gain"), event.value.get("fx"))
        for event in sorted(made.events(0, 2)["out"], key=begin)
    ] == [
        (0, None, (0,)),
        (Fraction(1, 2), 0.5, (0, 1)),
        (1, None, None),
        (Fraction(3, 2), 0.5, (1,)),
    ]


def test_effects_within_a_stack_belong_to_their_own_voices() -> None:
    made = program('out: stack [s "bd" # lpf 300, s "sn", s "hh" # delay] # reverb')
    out = made.outputs["out"]
    assert isinstance(out, Made)
    voices = out.inputs[0]
    assert isinstance(voices, Played)

    assert {event.value["s"]: event.value.get("fx") for event in made.events(0, 1)["out"]} == {
        "bd": (0,),
        "sn": None,
        "hh": (1,),
    }


def test_a_stack_of_more_effects_than_a_pattern_can_have_is_a_sum() -> None:
    layers = ", ".join(f's "a{n}" # lpf {n}' for n in range(5))

    assert sound(f"out: stack [{layers}]").startswith("(add (add (add (add (lpf <a0> 0 0.7)")


# --- files ---


def test_a_program_comes_from_a_path_or_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.ph"
    path.write_text("out: saw 1\n", "utf-8")

    for source in (path, str(path), "out: saw 1", "out $ saw 1"):
        assert drawn(load(source, units=FAKE_UNITS).outputs["out"]) == "(saw 1)"


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.ph").write_bytes(b"\xff\xfe")

    with pytest.raises(NotFoundError, match=r"there is no file .*b\.ph"):
        load(tmp_path / "b.ph")
    with pytest.raises(ConfigError, match="give a text file in UTF-8"):
        load(tmp_path / "a.ph")


def test_every_form_at_once_is_understood_and_played() -> None:
    made = load(PROGRAMS / "everything.ph", units=FAKE_UNITS)
    counts = {name: len(found) for name, found in made.events(0, 4).items()}

    assert not made.remarks
    assert made.outmix == "tanh"
    assert made.hushed == {"o6"}
    assert counts == {
        "o1": 16,
        "o2": 20,
        "o3": 40,
        "o4": 12,
        "o5": 0,
        "o6": 0,
        "o7": 4,
        "o8": 12,
    }
