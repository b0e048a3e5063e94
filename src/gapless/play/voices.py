"""What an event says of a voice, as the order that starts it.

In: events of controls. Out: ``TRIGGER``s. Invariants: every number in a trigger is finite and within its bounds;
nothing raises for what controls hold: see ``controls``. Thread: the scheduler's, or that of an offline rendering.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from gapless.play.controls import C4_HZ, Said, mean_speed, octaves_of
from gapless.play.pattern import Event
from gapless.play.program import Controls
from gapless.play.samples.library import SampleLibrary
from gapless.play.samples.sound import Sound
from gapless.play.sound import trigger as t

WAVES: Final[Mapping[str, int]] = {
    "sine": t.SINE,
    "saw": t.SAW,
    "square": t.SQUARE,
    "tri": t.TRIANGLE,
    "triangle": t.TRIANGLE,
    "pulse": t.PULSE,
    "noise": t.NOISE,
}
"""Tones, by the names that ``s`` may say."""

TONE_LEVEL: Final = 0.3
"""Of a tone whose gain is 1: full waves that go on are louder than drums that pass, and chords have several."""
MAX_HOLD_S: Final = 86_400.0
MAX_RATIO: Final = 1024.0
"""By which the frequencies of an instance are scaled."""
SOFT_S: Final = 0.001
"""Attack of a sample that does not begin where it was recorded to."""


class Voice(NamedTuple):
    """Who is to play a trigger."""

    kind: int
    """``SAMPLE``, ``TONE`` or ``INSTANCE``."""
    name: str
    """Of the sound or the wave; of an instance that of the instrument, of a bus with its ``~``."""
    sound: Sound | None = None
    """To be held for as long as the trigger waits or its voice sounds."""


def triggers_of(
    event: Event[Controls],
    at: int,
    samples_per_cycle: Fraction | float,
    sounds: SampleLibrary,
    out: Any,
    *,
    wait: bool = False,
    instruments: Collection[str] = (),
) -> Voice | None:
    """Fill in the order that starts an event's voice.

    A name means, in this order: a bus (``~x``), a folder of sounds, a tone, an instrument, a drum of the kit.

    Args:
        event: its value says what to play.
        at: sample in which it begins.
        samples_per_cycle: above 0.
        sounds: where samples are found; its ``remarks`` take what is wrong.
        out: an element of an array of ``TRIGGER``, all of which is written if there is a voice.
        wait: load a sound that is not there yet, instead of leaving the event out.
        instruments: names that are played as instances.

    Returns:
        None: nothing is to be played.
    """
    said = Said(event.value, sounds.remarks, event.spans[0] if event.spans else None)
    said.check_names()
    name, number = said.sound()
    kind = kind_of(name, sounds, instruments)
    if kind is None:
        if name:
            sounds.remark_unknown(name, said.place, (*WAVES, *instruments))
        return None
    cycles = event.part if event.whole is None else event.whole
    values = [0.0] * t.VALUES
    values[t.GAIN] = said.number("gain", 1.0)
    values[t.PAN] = said.number("pan", 0.5)
    values[t.SHAPE] = said.number("shape", 0.0)
    values[t.CUTOFF_HZ] = min(said.number("cutoff", 0.0), sounds.rate_hz / 2)
    values[t.RESONANCE] = said.number("resonance", 0.0)
    values[t.WIDTH] = said.number("width", 0.5)
    values[t.ACCELERATE] = octaves_of(said.number("accelerate", 0.0))
    values[t.END] = 1.0
    hold = said.hold(
        float((cycles.end - cycles.begin) * samples_per_cycle),
        said.envelope(values, is_sample=kind == t.SAMPLE),
        sounds.rate_hz,
    )

    sound = None
    loop = False
    if kind == t.SAMPLE:
        sound = sounds.find(name, number, wait=wait, place=said.place)
        once = sound and fill_sample(said, sound, sounds.rate_hz, float(samples_per_cycle), values)
        if not once:
            return None
        times = said.number("loop", 0.0)
        if hold is None:
            hold = times * once if times > 1 else 0.0
        # Where the length is given, any loop goes on until then.
        loop = times > 0 and hold > 0
    else:
        fill_pitch(said, number, sounds.rate_hz, values, is_instance=kind == t.INSTANCE)
        if kind == t.TONE:
            values[t.GAIN] *= TONE_LEVEL
        if hold is None:
            hold = float((cycles.end - cycles.begin) * samples_per_cycle)
        hold = max(hold, 1.0)

    out["at"], out["kind"], out["loop"], out["wave"] = at, kind, loop, WAVES.get(name, 0)
    out["hold"] = math.ceil(min(hold, MAX_HOLD_S * sounds.rate_hz))
    out["cut"] = cut_group(int(said.number("cut", 0.0)), name, number)
    out["sound"], out["length"], out["channels"] = (
        (0, 0, 0) if sound is None else (sound.address, sound.length, sound.channels)
    )
    out["values"] = values
    return Voice(kind, name, sound)


def kind_of(name: str, sounds: SampleLibrary, instruments: Collection[str]) -> int | None:
    """What plays a name; None: nobody."""
    if name.startswith("~"):
        return t.INSTANCE if len(name) > 1 else None
    if sounds.has_folder(name):
        return t.SAMPLE
    if name in WAVES:
        return t.TONE
    if name in instruments:
        return t.INSTANCE
    return t.SAMPLE if sounds.knows(name) else None


def fill_sample(
    said: Said, sound: Sound, rate_hz: int, samples_per_cycle: float, values: list[float]
) -> float:
    """Fill in which part of a sample is played, and how fast.

    Returns:
        How many samples that takes; 0: nothing is to be heard.
    """
    speed = said.sample_speed(sound.length / rate_hz, sound.length / samples_per_cycle)
    begin, end = said.number("begin", 0.0), said.number("end", 1.0)
    if begin >= end:
        said.remark("begin", "begin is not before end, so that nothing is heard; swap them")
        return 0.0
    values[t.SPEED], values[t.BEGIN], values[t.END] = speed, begin, end
    if not said.has("attack") and (begin > 0 if speed > 0 else end < 1):
        values[t.ATTACK_S] = SOFT_S
    pace = abs(speed) * mean_speed(values[t.ACCELERATE])
    return (end - begin) * sound.length / pace if pace > 0 else 0.0


def fill_pitch(
    said: Said, number: int, rate_hz: int, values: list[float], *, is_instance: bool
) -> None:
    """Fill in the frequency of a tone, and by how much those of an instance are scaled."""
    ratio = said.pitch_ratio(number)
    values[t.HZ] = min(said.number("freq", C4_HZ * ratio), rate_hz / 2)
    if is_instance:
        ratio *= abs(said.number("speed", 1.0))
    values[t.SPEED] = min(max(ratio, 1 / MAX_RATIO), MAX_RATIO)


def cut_group(cut: int, name: str, number: int) -> int:
    """The group of a ``cut``: a negative one is another for every sound."""
    return cut if cut >= 0 else -1 - zlib.crc32(f"{cut} {name}:{number}".encode(errors="replace"))
