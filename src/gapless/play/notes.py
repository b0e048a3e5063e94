"""Note names, chords and scales, in semitones from c4.

In: a word: ``ef3``, ``c4'min7``, ``minor``. Out: semitones. Invariants: c4 is 0 and MIDI note 60; a name without an
octave lies in the fourth; what a word means depends on it alone. Thread: any (pure).

Names of chords and scales are those that TidalCycles knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from gapless.play.pattern import Pattern

MIDDLE_OCTAVE: Final = 4
MOST_TONES: Final = 16
"""Of a chord."""

_STEPS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFTS: Final = {"s": 1, "#": 1, "f": -1, "n": 0}
_NOTE = re.compile(r"([a-gA-G])([s#fn]{0,2})(-?\d{1,2})?")
_INTEGER = re.compile(r"-?\d{1,3}(?:\.\d+)?")


def _named(table: str) -> Mapping[str, tuple[int, ...]]:
    """Rows of ``names: semitones``."""
    found = {}
    for row in table.strip().splitlines():
        names, _, tones = row.partition(":")
        for name in names.split():
            found[name] = tuple(int(tone) for tone in tones.split())
    return MappingProxyType(found)


CHORDS: Final = _named(
    """
major maj M: 0 4 7
minor min m: 0 3 7
aug plus sharp5: 0 4 8
dim: 0 3 6
sus2: 0 2 7
sus4: 0 5 7
one: 0
five: 0 7
six sixby maj6 6: 0 4 7 9
min6 minor6 m6: 0 3 7 9
major7 maj7: 0 4 7 11
minor7 min7 m7: 0 3 7 10
dom7: 0 4 7 10
dim7 diminished7: 0 3 6 9
diminished9 dim9: 0 3 6 9 13
m7flat5 m7b5: 0 3 6 10
m7sharp5: 0 3 8 10
minmaj7 mmaj7: 0 3 7 11
sevenSus2 7sus2: 0 2 7 10
sevenSus4 7sus4: 0 5 7 10
nineSus4 ninesus4 9sus4: 0 5 7 10 14
sevenFlat5 7f5: 0 4 6 10
sevenSharp5 7s5: 0 4 8 10
sevenFlat9 7f9: 0 4 7 10 13
sevenSharp9 7s9: 0 4 7 10 15
sevenFlat10 7f10: 0 4 7 10 15
sixNine six9 sixby9 6by9: 0 4 7 9 14
m6by9 minSixNine: 0 3 7 9 14
add2 major2: 0 2 4 7
add4: 0 4 5 7
add9 major9add 9add: 0 4 7 14
add11 11add: 0 4 7 17
add13: 0 4 7 21
madd2: 0 2 3 7
madd4: 0 3 5 7
madd9: 0 3 7 14
madd11: 0 3 7 17
madd13: 0 3 7 21
major9 maj9: 0 4 7 11 14
minor9 min9 m9: 0 3 7 10 14
dom9 nine: 0 4 7 10 14
nineFlat5: 0 4 6 10 14
nineSharp5: 0 4 8 10 14
m9sharp5: 0 3 8 10 14
major11 maj11: 0 4 7 11 14 17
minor11 min11 m11: 0 3 7 10 14 17
eleven dom11: 0 4 7 10 14 17
elevenSharp: 0 4 7 10 14 18
m11sharp: 0 3 7 10 14 18
major13 maj13: 0 4 7 11 14 17 21
minor13 min13 m13: 0 3 7 10 14 17 21
thirteen dom13: 0 4 7 10 14 17 21
"""
)
"""Semitones above the root, by name."""

SCALES: Final = _named(
    """
major ionian: 0 2 4 5 7 9 11
minor aeolian: 0 2 3 5 7 8 10
dorian: 0 2 3 5 7 9 10
phrygian: 0 1 3 5 7 8 10
lydian: 0 2 4 6 7 9 11
mixolydian: 0 2 4 5 7 9 10
locrian: 0 1 3 5 6 8 10
harmonicMinor: 0 2 3 5 7 8 11
harmonicMajor: 0 2 4 5 7 8 11
melodicMinor: 0 2 3 5 7 9 11
majPent major_pentatonic: 0 2 4 7 9
minPent minor_pentatonic: 0 3 5 7 10
blues: 0 3 5 6 7 10
whole whole_tone wholetone: 0 2 4 6 8 10
chromatic: 0 1 2 3 4 5 6 7 8 9 10 11
diminished: 0 2 3 5 6 8 9 11
augmented: 0 3 4 7 8 11
hungarianMinor: 0 2 3 6 7 8 11
romanianMinor: 0 2 3 6 7 9 10
neapolitanMinor: 0 1 3 5 7 8 11
spanish: 0 1 4 5 7 8 10
enigmatic: 0 1 4 6 8 10 11
ritusen: 0 2 5 7 9
egyptian: 0 2 5 7 10
hirajoshi: 0 2 3 7 8
iwato: 0 1 5 6 10
kumai: 0 2 3 7 9
pelog: 0 1 3 7 8
prometheus: 0 2 4 6 9 10
"""
)
"""Semitones of an octave, by name."""


def semitones_of(word: str) -> int | None:
    """How far a note lies above c4; None: it is no note.

    ``c`` ``cs`` ``c#`` ``cf`` ``cn``, with an octave or without.
    """
    match = _NOTE.fullmatch(word)
    if match is None:
        return None
    letter, signs, octave = match.groups()
    above = 12 * (int(octave) - MIDDLE_OCTAVE) if octave else 0
    return _STEPS[letter.lower()] + sum(_SHIFTS[sign] for sign in signs) + above


def tones_of(word: str) -> tuple[float, ...] | None:
    """The tones of a note or a chord, in semitones from c4; None: it is neither.

    A chord is a root and, behind quotes, its name and what is done to it: ``c4'min7``, ``0'maj``, ``e'min7'ii`` (turned
    over twice), ``c'maj'o`` (wide), ``c'maj'5`` (so many tones).
    """
    root, *parts = word.split("'")
    if _INTEGER.fullmatch(root):
        base: float = float(root)
    else:
        semitones = semitones_of(root)
        if semitones is None:
            return None
        base = semitones
    if not parts:
        return (float(base),)
    tones = list(CHORDS["major"])
    if parts[0] in CHORDS:
        tones = list(CHORDS[parts.pop(0)])
    for part in parts:
        changed = _changed(tones, part)
        if changed is None:
            return None
        tones = changed
    return tuple(float(base + tone) for tone in tones)


def _changed(tones: list[int], how: str) -> list[int] | None:
    """A chord turned over (``i``), opened (``o``), dropped (``d1``), or with as many tones as a number says."""
    found: list[int] | None = None
    if how and set(how) == {"i"} and len(how) <= MOST_TONES:
        found = tones
        for _ in how:
            found = [*found[1:], found[0] + 12]
    elif how == "o" and len(tones) > 2:
        found = [tones[0] - 12, tones[2] - 12, tones[1], *tones[3:]]
    elif how.startswith("d") and how[1:].isdecimal() and 1 <= int(how[1:3]) <= len(tones):
        place = len(tones) - int(how[1:3])
        found = [tones[place] - 12, *tones[:place], *tones[place + 1 :]]
    elif how.isdecimal() and 1 <= int(how[:3]) <= MOST_TONES:
        found = [tones[n % len(tones)] + 12 * (n // len(tones)) for n in range(int(how[:3]))]
    return found


def in_scale(scale: tuple[int, ...], degree: float) -> float:
    """The semitones of a degree of a scale, 0 being its root; between degrees what is between."""
    below = int(degree // 1)
    octave, place = divmod(below, len(scale))
    tone = scale[place] + 12 * octave
    part = degree - below
    if not part:
        return tone
    octave, place = divmod(below + 1, len(scale))
    return tone + part * (scale[place] + 12 * octave - tone)


def number_of(value: object) -> float | None:
    """A value as a number: itself, the semitones of a note's name, 1 and 0 for true and false; None: it is none."""
    if isinstance(value, int | float | Fraction):
        return float(value)
    if isinstance(value, str):
        note = semitones_of(value)
        if note is not None:
            return float(note)
        if value in ("t", "true", "false"):
            return float(value != "false")
    return None


def scale_pattern(names: Pattern[str], degrees: Pattern[object]) -> Pattern[float]:
    """Degrees of a scale as semitones; a scale that is not known leaves nothing."""

    def join(degree: object, name: str) -> float | None:
        number = number_of(degree)
        scale = SCALES.get(name)
        return None if number is None or scale is None else in_scale(scale, number)

    found: Pattern[float | None] = degrees.left(names, join)
    return found.keep(lambda event: event.value is not None).map(lambda tone: tone or 0.0)
