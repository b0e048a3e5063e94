"""Names of notes, chords and scales."""

from __future__ import annotations

import pytest

from gapless.play.mini import mini
from gapless.play.notes import (
    CHORDS,
    SCALES,
    in_scale,
    number_of,
    scale_pattern,
    semitones_of,
    tones_of,
)


@pytest.mark.parametrize(
    ("name", "semitones"),
    [
        ("c4", 0),
        ("c", 0),
        ("cs4", 1),
        ("c#4", 1),
        ("ef3", -9),
        ("a4", 9),
        ("b3", -1),
        ("cf4", -1),
        ("C5", 12),
        ("cn4", 0),
        ("c-1", -60),
        ("gss2", -15),
    ],
)
def test_a_note_is_so_many_semitones_above_c4(name: str, semitones: int) -> None:
    assert semitones_of(name) == semitones


@pytest.mark.parametrize("word", ["h", "bd", "c4e", "", "c444", "4", "ces"])
def test_other_words_are_no_notes(word: str) -> None:
    assert semitones_of(word) is None


@pytest.mark.parametrize(
    ("word", "tones"),
    [
        ("c4'min7", (0, 3, 7, 10)),
        ("f3'min7", (-7, -4, 0, 3)),
        ("c'maj", (0, 4, 7)),
        ("c'dom9", (0, 4, 7, 10, 14)),
        ("0'min", (0, 3, 7)),
        ("-12'maj", (-12, -8, -5)),
        ("e'min7'ii", (11, 14, 16, 19)),
        ("c'maj'o", (-12, -5, 4)),
        ("c'maj'5", (0, 4, 7, 12, 16)),
        ("c'min7'd1", (-2, 0, 3, 7)),
        ("c'maj'2", (0, 4)),
        ("c'i", (4, 7, 12)),
        ("e", (4,)),
        ("1.5", (1.5,)),
    ],
)
def test_a_chord_is_the_tones_above_its_root(word: str, tones: tuple[float, ...]) -> None:
    assert tones_of(word) == tones


@pytest.mark.parametrize("word", ["bd", "c'mim7", "c'maj'99", "c'maj'd9", "h'maj", "c'", "c'maj'"])
def test_other_words_are_no_chords(word: str) -> None:
    assert tones_of(word) is None


def test_every_chord_and_scale_begins_at_its_root_and_a_scale_stays_within_an_octave() -> None:
    assert {tones[0] for tones in (*CHORDS.values(), *SCALES.values())} == {0}
    assert all(list(tones) == sorted(set(tones)) for tones in SCALES.values())
    assert max(tone for tones in SCALES.values() for tone in tones) < 12


@pytest.mark.parametrize(
    ("degree", "semitones"), [(0, 0), (2, 3), (7, 12), (-1, -2), (9, 15), (0.5, 1.0), (6.5, 11.0)]
)
def test_degrees_go_on_into_other_octaves_and_between_the_tones(
    degree: float, semitones: float
) -> None:
    assert in_scale(SCALES["minor"], degree) == semitones


def test_a_pattern_of_degrees_takes_its_scale_while_it_holds() -> None:
    tones = scale_pattern(mini("<major minor>"), mini("0 2"))  # type: ignore[arg-type]

    assert [event.value for event in tones.query(0, 2)] == [0, 4, 0, 3]


def test_a_scale_that_is_not_known_leaves_nothing() -> None:
    assert scale_pattern(mini("nonsense"), mini("0 2")).query(0, 1) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), (0.5, 0.5), ("e4", 4.0), ("t", 1.0), ("false", 0.0), ("bd", None), (None, None)],
)
def test_a_value_is_a_number_if_it_can_be_one(value: object, number: float | None) -> None:
    assert number_of(value) == number
