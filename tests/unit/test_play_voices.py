from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.audio.files import write_audio
from gapless.play.controls import C4_HZ, FOR_MIDI, KNOWN, MAX_SPEED, NUMBERS, mean_speed, octaves_of
from gapless.play.pattern import Event, Place
from gapless.play.samples.library import SampleLibrary
from gapless.play.sound import trigger as t
from gapless.play.time import Span
from gapless.play.voices import TONE_LEVEL, WAVES, Voice, triggers_of

pytestmark = pytest.mark.long

RATE_HZ = 44_100
CYCLE = 2 * RATE_HZ
"""Samples, at 0.5 cycles per second."""


@pytest.fixture
def sounds() -> SampleLibrary:
    return SampleLibrary([], RATE_HZ)


def asked(
    sounds: SampleLibrary, length: Fraction | str = "1/4", at: int = 77, **controls: Any
) -> tuple[Voice | None, Any]:
    """The voice and the trigger of an event of so many cycles."""
    span = Span(Fraction(3), 3 + Fraction(length))
    out = np.zeros(1, t.TRIGGER)
    out.view(np.uint8)[:] = 0xA5  # what was there before must not be left
    event = Event(span, span, controls, (Place(2, 5, 3),))
    voice = triggers_of(
        event, at, Fraction(CYCLE), sounds, out[0], wait=True, instruments={"supersaw"}
    )
    return voice, out[0]


def value(out: Any, place: int) -> float:
    return float(out["values"][place])


def remarks(sounds: SampleLibrary) -> str:
    return "\n".join(remark.text for remark in sounds.remarks.take())


def test_a_drum_is_a_sample_as_it_was_recorded(sounds: SampleLibrary) -> None:
    voice, out = asked(sounds, s="bd")
    assert voice is not None
    assert voice.kind == out["kind"] == t.SAMPLE
    assert voice.sound is not None
    assert voice.sound is sounds.find("bd", 0)
    assert (out["sound"], out["length"]) == (voice.sound.address, voice.sound.length)
    assert (out["channels"], out["at"], out["hold"], out["cut"], out["loop"]) == (1, 77, 0, 0, 0)
    said = {place: value(out, place) for place in range(t.VALUES)}
    release = said.pop(t.RELEASE_S)
    assert release == pytest.approx(0.01)
    assert {place: number for place, number in said.items() if number} == {
        t.GAIN: 1,
        t.PAN: 0.5,
        t.SPEED: 1,
        t.SUSTAIN: 1,
        t.END: 1,
        t.WIDTH: 0.5,
    }
    assert not remarks(sounds)


@pytest.mark.parametrize(
    ("controls", "drum"),
    [({"s": "sn:2"}, ("sn", 2)), ({"s": "sn", "n": 1.9}, ("sn", 1)), ({"s": "sn:2", "n": 1}, ("sn", 1)),
     ({"s": "sn", "n": -1}, ("sn", 3)), ({"s": "kick:1"}, ("bd", 1))],
    ids=str,
)  # fmt: skip
def test_a_number_says_which_of_the_sounds(
    sounds: SampleLibrary, controls: dict[str, Any], drum: tuple[str, int]
) -> None:
    voice, _ = asked(sounds, **controls)
    assert voice is not None
    assert voice.sound is sounds.find(*drum, wait=True)


@pytest.mark.parametrize("name", WAVES)
def test_a_tone_holds_as_long_as_its_event(sounds: SampleLibrary, name: str) -> None:
    voice, out = asked(sounds, s=name, note=9)
    assert voice == Voice(t.TONE, name, None)
    assert out["kind"] == t.TONE
    assert out["wave"] == WAVES[name]
    assert value(out, t.HZ) == pytest.approx(440)
    assert out["hold"] == CYCLE // 4
    assert out["sound"] == out["length"] == out["channels"] == out["loop"] == 0


@pytest.mark.parametrize(
    ("controls", "semitones"),
    [({"n": 7}, 7), ({"n": 7, "note": 2}, 2), ({"midinote": 69}, 9), ({}, 0), ({"note": -0.5}, -0.5)],
    ids=str,
)  # fmt: skip
def test_the_pitch_of_a_tone(
    sounds: SampleLibrary, controls: dict[str, Any], semitones: float
) -> None:
    _, out = asked(sounds, s="saw", **controls)
    assert value(out, t.HZ) == pytest.approx(C4_HZ * 2 ** (semitones / 12))


def test_a_frequency_is_as_it_is_said_up_to_half_the_rate(sounds: SampleLibrary) -> None:
    assert value(asked(sounds, s="sine", freq=1234, note=5)[1], t.HZ) == 1234
    assert value(asked(sounds, s="sine", freq=30_000)[1], t.HZ) == RATE_HZ / 2


@pytest.mark.parametrize("name", ["~x", "supersaw"])
def test_a_bus_or_an_instrument_is_an_instance_scaled_by_its_note(
    sounds: SampleLibrary, name: str
) -> None:
    voice, out = asked(sounds, s=name, note=12, speed=1.5)
    assert voice == Voice(t.INSTANCE, name, None)
    assert value(out, t.SPEED) == pytest.approx(3)
    assert out["hold"] == CYCLE // 4


def test_a_folder_wins_over_a_tone(tmp_path: Path) -> None:
    (tmp_path / "saw").mkdir()
    write_audio(tmp_path / "saw" / "a.wav", [np.zeros(100, np.float32)], RATE_HZ)
    voice, _ = asked(SampleLibrary([tmp_path], RATE_HZ), s="saw")
    assert voice is not None
    assert voice.kind == t.SAMPLE


def length_of(sounds: SampleLibrary) -> int:
    sound = sounds.find("bd", 0, wait=True)
    assert sound is not None
    return int(sound.length)


@pytest.mark.parametrize(
    ("controls", "speed"),
    [
        ({"speed": 2}, 2),
        ({"speed": -0.5}, -0.5),
        ({"note": 12}, 2),
        ({"speed": -1, "note": -12}, -0.5),
        ({"unit": "r", "speed": 3}, 3),
        ({"speed": 1000}, MAX_SPEED),
        ({"speed": -60, "note": 24}, -MAX_SPEED),
    ],
    ids=str,
)
def test_the_speed_of_a_sample(
    sounds: SampleLibrary, controls: dict[str, Any], speed: float
) -> None:
    assert value(asked(sounds, s="bd", **controls)[1], t.SPEED) == pytest.approx(speed)


def test_units_of_speed(sounds: SampleLibrary) -> None:
    length = length_of(sounds)
    half = value(asked(sounds, s="bd", unit="c", speed=2)[1], t.SPEED)
    assert length / half == pytest.approx(CYCLE / 2)
    seconds = value(asked(sounds, s="bd", unit="s", speed=-0.2)[1], t.SPEED)
    assert length / seconds == pytest.approx(-0.2 * RATE_HZ)


@pytest.mark.parametrize("speed", [0, 1e-9, -1e-300])
def test_a_sample_that_stands_still_is_not_played(sounds: SampleLibrary, speed: float) -> None:
    assert asked(sounds, s="bd", speed=speed)[0] is None


def test_the_length_of_a_sample(sounds: SampleLibrary) -> None:
    length = length_of(sounds)
    assert asked(sounds, s="bd", legato=0.5)[1]["hold"] == CYCLE // 8
    assert asked(sounds, s="bd", sustain=0.1)[1]["hold"] == pytest.approx(4410, abs=1)
    assert asked(sounds, s="bd", legato=0)[1]["hold"] == 1
    once = asked(sounds, s="bd", loop=1)[1]
    assert (once["hold"], once["loop"]) == (0, 0)
    three = asked(sounds, s="bd", loop=3, speed=-2, begin=0.25, end=0.75)[1]
    assert three["hold"] == pytest.approx(3 * length / 4, abs=2)
    assert three["loop"] == 1
    held = asked(sounds, s="bd", loop=1, legato=8)[1]
    assert (held["hold"], held["loop"]) == (2 * CYCLE, 1)


def test_begin_and_end(sounds: SampleLibrary) -> None:
    _, out = asked(sounds, s="bd", begin=0.25, end=0.5)
    assert (value(out, t.BEGIN), value(out, t.END)) == (0.25, 0.5)
    assert value(out, t.ATTACK_S) == pytest.approx(0.001)
    assert value(asked(sounds, s="bd", begin=0.25, attack=0)[1], t.ATTACK_S) == 0
    assert value(asked(sounds, s="bd", end=0.5)[1], t.ATTACK_S) == 0
    assert value(asked(sounds, s="bd", end=0.5, speed=-1)[1], t.ATTACK_S) == pytest.approx(0.001)
    assert not remarks(sounds)
    assert asked(sounds, s="bd", begin=0.5, end=0.5)[0] is None
    assert "swap them" in remarks(sounds)


def test_accelerate_is_a_share_of_the_speed_in_octaves(sounds: SampleLibrary) -> None:
    assert value(asked(sounds, s="bd", accelerate=1)[1], t.ACCELERATE) == 1
    assert value(asked(sounds, s="bd", accelerate=-0.5)[1], t.ACCELERATE) == -1
    assert octaves_of(-1) == -6
    course = 2 ** np.linspace(0, 3, 100_001)
    assert mean_speed(3.0) == pytest.approx(course.mean(), rel=1e-4)
    assert mean_speed(0.0) == 1
    assert mean_speed(1e-12) == pytest.approx(1)


def test_the_envelope_of_a_tone(sounds: SampleLibrary) -> None:
    places = (t.ATTACK_S, t.DECAY_S, t.SUSTAIN, t.RELEASE_S)

    def envelope(**controls: Any) -> list[float]:
        return [round(value(asked(sounds, s="saw", **controls)[1], p), 6) for p in places]

    assert envelope() == [0.005, 0, 1, 0.05]
    assert envelope(attack=0.1, decay=0.2, sustain=0.3, release=0.4) == [0.1, 0.2, 0.3, 0.4]
    assert envelope(decay=0.2) == [0.005, 0.2, 0, 0.05]
    # Without decay it is a length, as in Tidal.
    _, out = asked(sounds, s="saw", sustain=0.5)
    assert out["hold"] == RATE_HZ // 2
    assert value(out, t.SUSTAIN) == 1
    assert asked(sounds, s="saw", decay=0.1, sustain=0.5)[1]["hold"] == CYCLE // 4
    assert asked(sounds, s="saw", legato=2)[1]["hold"] == CYCLE // 2


def test_groups_that_cut(sounds: SampleLibrary) -> None:
    def group(**controls: Any) -> int:
        return round(float(asked(sounds, **controls)[1]["cut"]))

    assert group(s="bd", cut=3) == group(s="sn", cut=3) == 3
    same = group(s="bd", cut=-1)
    assert same < 0
    assert same == group(s="bd:0", cut=-1)
    assert len({same, group(s="sn", cut=-1), group(s="bd:1", cut=-1), group(s="bd", cut=-2)}) == 4


def test_the_rest_goes_where_it_belongs(sounds: SampleLibrary) -> None:
    _, out = asked(
        sounds, s="pulse", gain=0.7, pan=0.25, shape=0.3, cutoff=900, resonance=0.4, width=0.2
    )
    found = [value(out, p) for p in (t.GAIN, t.PAN, t.SHAPE, t.CUTOFF_HZ, t.RESONANCE, t.WIDTH)]
    assert found == pytest.approx([0.7 * TONE_LEVEL, 0.25, 0.3, 900, 0.4, 0.2])


@pytest.mark.parametrize("name", sorted(NUMBERS.keys() - FOR_MIDI))
def test_numbers_are_bounded_and_said_so_once(sounds: SampleLibrary, name: str) -> None:
    low, high, _ = NUMBERS[name]
    controls: dict[str, Any]
    for beyond in (high * 2 + 1, low * 2 - 1, 10.0**300):
        for sound in ("bd", "saw"):
            controls = {"s": sound, name: beyond}
            asked(sounds, **controls)
    assert remarks(sounds).count(f"{name} goes from") == 1


@pytest.mark.parametrize(
    "wrong",
    ["loud", math.nan, math.inf, 10**400, [1], 1j, b"1", np.zeros(1), object()],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_number_is_as_if_it_were_not_said(sounds: SampleLibrary, wrong: Any) -> None:
    voice, out = asked(sounds, s="bd", gain=wrong, cut=wrong, n=wrong)
    assert voice is not None
    assert (value(out, t.GAIN), out["cut"]) == (1, 0)
    said = remarks(sounds)
    assert said.count("gain is not a number") == 1
    assert said.count("n is not a number; ") >= 1


@pytest.mark.parametrize("right", [True, Fraction(1, 2), np.float32(0.5), np.int64(1)], ids=repr)
def test_numbers_of_any_kind_are_numbers(sounds: SampleLibrary, right: Any) -> None:
    assert value(asked(sounds, s="bd", gain=right)[1], t.GAIN) == float(right)
    assert not remarks(sounds)


def test_what_means_nothing_is_remarked_upon_once_with_the_nearest(sounds: SampleLibrary) -> None:
    for _ in range(3):
        voice, _ = asked(sounds, s="bd", gian=1, fx=(0, 1))
        assert voice is not None
    (remark,) = sounds.remarks.take()
    assert "gian" in remark.text
    assert "did you mean gain?" in remark.text
    assert remark.place == Place(2, 5, 3)


def test_a_name_that_nobody_has_is_remarked_upon(sounds: SampleLibrary) -> None:
    assert asked(sounds, s="supersaww")[0] is None
    assert "supersaw" in remarks(sounds)
    assert asked(sounds, s="squar")[0] is None
    assert "square" in remarks(sounds)


@pytest.mark.parametrize("controls", [{}, {"s": 3}, {"s": ""}, {"s": "~"}, {"s": ":3"}], ids=str)
def test_without_a_name_nothing_is_played(sounds: SampleLibrary, controls: dict[str, Any]) -> None:
    assert asked(sounds, **controls)[0] is None


def test_live_a_sound_that_is_not_there_is_left_out(sounds: SampleLibrary) -> None:
    span = Span(Fraction(0), Fraction(1))
    out = np.zeros(1, t.TRIGGER)
    event = Event(span, span, {"s": "bd"})
    assert triggers_of(event, 0, CYCLE, sounds, out[0]) is None
    assert sounds.missed == 1
    sounds.find("bd", 0, wait=True)
    assert triggers_of(event, 0, CYCLE, sounds, out[0]) is not None
    sounds.close()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.fractions(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=2),
    st.just(10**400),
    st.sampled_from([*WAVES, "bd", "sn:3", "~x", "c", "s", "r", "supersaw", -0.0, 1e-320]),
)
NAMES = st.one_of(st.sampled_from(sorted(KNOWN)), st.text(max_size=8), st.integers())
SHARED = SampleLibrary([], RATE_HZ)


@given(
    st.dictionaries(NAMES, ODD, max_size=12),
    st.sampled_from(["bd", "saw", "~x", "supersaw", "sn:1", None]),
    st.fractions(0, 10_000, max_denominator=1000),
)
def test_whatever_is_said_the_trigger_is_finite_and_bounded(
    controls: dict[Any, Any], name: str | None, length: Fraction
) -> None:
    if name is not None:
        controls = {**controls, "s": name}
    span = Span(Fraction(0), length)
    out = np.zeros(1, t.TRIGGER)
    event: Event[dict[Any, Any]] = Event(span, span, controls)
    voice = triggers_of(event, 5, CYCLE, SHARED, out[0], wait=True, instruments={"supersaw"})
    if voice is None:
        return
    assert np.isfinite(out["values"]).all()
    values = out["values"][0]
    assert 0 <= values[t.GAIN] <= 4
    assert 0 <= values[t.PAN] <= 1
    assert 0 < abs(values[t.SPEED]) <= 1024
    assert 0 <= values[t.BEGIN] < values[t.END] <= 1
    assert 0 <= values[t.HZ] <= RATE_HZ / 2
    assert 0 <= values[t.SUSTAIN] <= 1
    assert 0 <= out["hold"][0] <= 86_400 * RATE_HZ
    assert out["at"][0] == 5
    assert out["kind"][0] == voice.kind
    assert (out["length"][0] > 0) == (voice.kind == t.SAMPLE)
