"""What may be said of a voice, and how it is read.

In: the controls of an event. Out: numbers, each finite and within its bounds. Invariants: what is said wrongly is
remarked upon once and taken as if it had not been said; nothing raises for what controls hold. Thread: any.

Source: the meaning is that of TidalCycles and of SuperDirt's ``DirtEvent``, but for these: ``gain`` is linear;
``sustain`` is a level once ``decay`` is given; with ``unit "s"`` a sample lasts as many seconds as ``speed`` says.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from numbers import Real
from typing import Final, NamedTuple, final

from gapless.play.pattern import Place
from gapless.play.program import Controls
from gapless.play.remarks import Remarks
from gapless.play.sound import trigger as t

C4_HZ: Final = 440.0 * 2.0 ** (-9 / 12)
"""Note 0."""
C4_MIDI: Final = 60.0

MAX_SPEED: Final = 64.0
MIN_SPEED: Final = 1e-4
"""A slower sample is not heard: it would last for ever."""
MIN_OCTAVES: Final = -6.0
"""A speed that would fall to nothing falls to 1/64."""

SAMPLE_RELEASE_S: Final = 0.01
TONE_ATTACK_S: Final = 0.005
TONE_RELEASE_S: Final = 0.05


class Bounds(NamedTuple):
    """Of a control that is a number; what is beyond them is taken as the nearer one."""

    low: float
    high: float
    doc: str


NUMBERS: Final[Mapping[str, Bounds]] = {
    "n": Bounds(-1e6, 1e6, "number of the sound; of a tone or a bus the note, if there is no note"),
    "note": Bounds(-120, 120, "semitones above c4; of a sample, by which it is sped up"),
    "midinote": Bounds(-60, 180, "the same, 60 for c4"),
    "freq": Bounds(0.01, 1e5, "of a tone, Hz, instead of a note"),
    "gain": Bounds(0, 4, "linear; 1: as it is"),
    "pan": Bounds(0, 1, "0 left, 0.5 middle, 1 right"),
    "speed": Bounds(-64, 64, "of a sample; 2: an octave higher, negative: backwards"),
    "accelerate": Bounds(
        -1, 63, "share by which the speed grows until the end; -0.5: to half of it"
    ),
    "begin": Bounds(0, 1, "where in a sample to begin"),
    "end": Bounds(0, 1, "where in a sample to end"),
    "loop": Bounds(0, 1e4, "how many times a sample is played"),
    "legato": Bounds(0, 1e4, "length as a share of the event"),
    "attack": Bounds(0, 60, "s"),
    "decay": Bounds(0, 60, "s, from full level to that of sustain"),
    "sustain": Bounds(0, 3600, "length, s; with decay: level, 0..1, and 0 if it is not said"),
    "release": Bounds(0, 60, "s"),
    "cut": Bounds(
        -1e6, 1e6, "group in which a voice ends the one before; negative: of the same sound"
    ),
    "shape": Bounds(0, 1, "distortion"),
    "cutoff": Bounds(0, 1e5, "of a low-pass filter, Hz; 0: none"),
    "resonance": Bounds(0, 1, "of the filter"),
    "width": Bounds(0.01, 0.99, "of a pulse"),
    "midichan": Bounds(1, 16, "MIDI channel to send to"),
    "velocity": Bounds(0, 1, "of a MIDI note; 0: no note"),
    "ccn": Bounds(0, 127, "number of the MIDI controller that ccv is sent to"),
    "ccv": Bounds(0, 127, "value for that controller"),
    "progNum": Bounds(0, 127, "MIDI program, counted from 0"),
}
"""Controls that are numbers."""

FOR_MIDI: Final = frozenset({"midichan", "velocity", "ccn", "ccv", "progNum"})
"""Those of them that are read where an event is sent over MIDI only."""
KNOWN: Final = frozenset({*NUMBERS, "s", "unit", "fx"})
UNITS: Final = ("r", "c", "s", "rate")


@final
class Said:
    """The controls of one event, read with care."""

    __slots__ = ("_controls", "_remarks", "place")

    def __init__(self, controls: Controls, remarks: Remarks, place: Place | None) -> None:
        self._controls = controls
        self._remarks = remarks
        self.place = place

    def remark(self, topic: str, text: str) -> None:
        """Say something about a control, once."""
        self._remarks.say(f"control {topic}", text, self.place)

    def has(self, name: str) -> bool:
        """Whether a number is said, and is one."""
        return not math.isnan(self.number(name, math.nan))

    def number(self, name: str, default: float) -> float:
        """A control of ``NUMBERS``, within its bounds."""
        value = self._controls.get(name)
        if value is None:
            return default
        low, high, doc = NUMBERS[name]
        if value.__class__ is float and low <= value <= high:
            return value
        found = math.nan
        if isinstance(value, Real):
            try:
                found = float(value)
            except (OverflowError, ValueError):
                found = math.nan
        if not math.isfinite(found):
            self.remark(f"{name} kind", f"{name} is not a number; it is {doc}: {low:g} to {high:g}")
            return default
        if not low <= found <= high:
            self.remark(f"{name} bounds", f"{name} goes from {low:g} to {high:g}; it is {doc}")
        return min(max(found, low), high)

    def check_names(self) -> None:
        """Remark on controls that mean nothing."""
        if self._controls.keys() <= KNOWN:
            return
        for name in self._controls.keys() - KNOWN:
            shown = str(name)[:40]
            if self._remarks.said(f"control {shown}"):
                continue
            near = difflib.get_close_matches(shown, sorted(KNOWN - {"fx"}), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(NUMBERS))}"
            self.remark(shown, f"{shown} says nothing of a voice; {hint}")

    def sound(self) -> tuple[str, int]:
        """The name and the number behind it; without a name there is nothing to play."""
        text = self._controls.get("s")
        if text is None and "midichan" in self._controls:
            # It is for another machine.
            return "", 0
        if text is None:
            self.remark(
                "s", "nothing says what is to sound; add # s with a name, such as bd or saw"
            )
            return "", 0
        if not isinstance(text, str):
            self.remark("s kind", "s is not a name; name a sound, such as bd or saw")
            return "", 0
        name, _, behind = text.partition(":")
        number = 0
        if behind:
            if len(behind) <= 6 and behind.isdecimal():
                number = int(behind)
            else:
                self.remark("s number", "what follows : in s is a whole number, as in bd:3")
        return name, math.floor(self.number("n", number))

    def pitch_ratio(self, number: int) -> float:
        """By how much a tone or an instance is higher than c4."""
        fallback = self.number("n", number)
        semitones = self.number("note", self.number("midinote", fallback + C4_MIDI) - C4_MIDI)
        return float(2.0 ** (min(max(semitones, -120.0), 120.0) / 12))

    def sample_speed(self, length_s: float, length_cycles: float) -> float:
        """How fast a sample is played, negative backwards.

        Args:
            length_s: of all of it, at the speed it was recorded.
            length_cycles: the same in cycles.
        """
        speed = self.number("speed", 1.0)
        unit = self._controls.get("unit", "r")
        if unit == "c":
            speed *= length_cycles
        elif unit == "s":
            # The speed is the time that all of it takes.
            speed = math.copysign(length_s / abs(speed), speed) if speed else 0.0
        elif not (isinstance(unit, str) and unit in UNITS):
            self.remark("unit", "unit is r (rate), c (cycles) or s (seconds)")
        semitones = self.number("note", self.number("midinote", C4_MIDI) - C4_MIDI)
        speed *= 2.0 ** (semitones / 12)
        if abs(speed) > MAX_SPEED:
            self.remark("speed most", f"a sample is played at most {MAX_SPEED:g} times as fast")
        return float(min(max(speed, -MAX_SPEED), MAX_SPEED)) if abs(speed) >= MIN_SPEED else 0.0

    def hold(self, whole: float, sustain_s: float | None, rate_hz: int) -> float | None:
        """For how many samples a voice is to hold, if anything says so: ``sustain`` or ``legato``.

        Args:
            whole: samples of the event.
            sustain_s: what ``envelope`` gave.
            rate_hz: of the samples.
        """
        if sustain_s is not None:
            return max(sustain_s * rate_hz, 1.0)
        legato = self.number("legato", math.nan)
        return None if math.isnan(legato) else max(legato * whole, 1.0)

    def envelope(self, values: list[float], *, is_sample: bool) -> float | None:
        """Fill in attack, decay, sustain, release.

        Returns:
            For how long the voice holds, in seconds, if ``sustain`` says so.
        """
        values[t.ATTACK_S] = self.number("attack", 0.0 if is_sample else TONE_ATTACK_S)
        values[t.RELEASE_S] = self.number(
            "release", SAMPLE_RELEASE_S if is_sample else TONE_RELEASE_S
        )
        values[t.SUSTAIN] = 1.0
        sustain = self.number("sustain", math.nan)
        if self.has("decay"):
            values[t.DECAY_S] = self.number("decay", 0.0)
            values[t.SUSTAIN] = 0.0 if math.isnan(sustain) else min(sustain, 1.0)
            return None
        return None if math.isnan(sustain) else sustain


def octaves_of(accelerate: float) -> float:
    """Octaves by which the speed changes that grows by a share of itself."""
    return max(math.log2(1 + accelerate), MIN_OCTAVES) if accelerate > -1 else MIN_OCTAVES


def mean_speed(octaves: float) -> float:
    """Of a speed that goes evenly from 1 through so many octaves."""
    return math.expm1(octaves * math.log(2)) / (octaves * math.log(2)) if octaves else 1.0
