"""``superkick supersnare superhat``: drums, struck when ``trig`` rises.

In: a trigger. Out: about -1 to 1. Invariants: struck again while they sound, they go on without a step; silent ones
cost next to nothing. Thread: the callback's.

A kick is a sine whose frequency falls; a snare two modes of a skin and high noise; a hat six square waves that are no
harmonics of each other, and noise, both above a high-pass filter. After what is known of the TR-808's circuits: K.
Werner, J. Abel, J. Smith, "A Physically-Informed, Circuit-Bendable, Digital Model of the Roland TR-808 Bass Drum
Circuit", DAFx 2014; K. Werner, "The TR-808 Cymbal: a Physically-Informed, Circuit-Bendable, Digital Model", ICMC 2014.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import audible, rises, samples_of, step_of, turned, within, wrapped
from gapless.play.sound.oscillators.tables import LENGTH, level_of
from gapless.play.sound.oscillators.waves import pulse_at, use_saws
from gapless.play.sound.random import ONE, RANDOM, draw, seeded
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.native import samples_view
from gapless.realtime.zone import zone

TRIG: Final = Input("trig", 1.0, "strikes when it rises above 0")
SILENT: Final = 1e-6
"""Level below which a drum has ended."""
FALL_60_DB: Final = -6.907755278982137
"""The natural logarithm of a thousandth."""
SWEEP_S: Final = 0.12
"""In which a kick's frequency falls by 60 dB of its excess."""
CLICK_S: Final = 0.02
SNAP_SHARE: Final = 0.8
"""Of a snare's decay, for its noise."""
SECOND_MODE: Final = 1.78
SQUARES_HZ: Final = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])
"""Of the six oscillators in the 808's hats and cymbals."""
SQUARES: Final = len(SQUARES_HZ)

# Behind what is theirs alone: Numba takes a record that begins like another one for that one.
STRUCK: Final[list[tuple[Any, ...]]] = [
    *RANDOM,
    ("trig", "f8"),
    ("phase", "f8"),
    ("level", "f8"),
    ("quick", "f8"),  # the level of what falls faster
    (
        "left",
        "f8",
    ),  # of what sounded before it was struck again: it dies away in a millisecond or two
    ("given", "f8"),
]


@zone
def _falls(seconds: float, rate: float) -> float:
    """What a level is multiplied by in a sample, to fall by 60 dB in a time."""
    return math.exp(FALL_60_DB / samples_of(seconds, rate))


@zone
def _give(own: Record, sound: float) -> np.float32:
    """A sample, with what is left of the sound before the last stroke."""
    own.given = sound + own.left
    own.left = audible(0.95 * own.left)
    return np.float32(own.given)


@zone
def _strike(own: Record) -> None:
    own.left = own.given
    own.phase = 0.0
    own.level = own.quick = 1.0


@zone
def _still(own: Record, trig: npt.NDArray[np.float32]) -> bool:
    """Whether there is nothing to be heard in this quantum."""
    struck = False
    last = own.trig
    for n in range(QUANTUM):
        struck |= rises(last, trig[n])
        last = trig[n]
    still: bool = not struck and own.level < SILENT and abs(own.left) < SILENT
    if still:
        own.trig = last
        own.level = own.quick = own.left = own.given = 0.0
    return still


@unit(
    "superkick",
    fields=[("clicks", "f8"), *STRUCK],
    inputs=[
        Input("hz", 50.0, "frequency at the end, Hz"),
        Input("sweep", 4.0, "by how many times hz it is higher at the start"),
        Input("decay", 0.4, "time in which it falls by 60 dB, s; heard 64 samples at a time"),
        Input("click", 0.1, "how much noise there is at the start, 0 to 1"),
        TRIG,
    ],
    doc="a bass drum",
    scaled=["hz"],
    prepare=seeded,
)
def superkick(pointer: Any) -> None:
    """A falling sine, and a click."""
    own = carray(pointer, (1,))[0]
    hz, sweep, decay, click, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    if _still(own, trig):
        for n in range(QUANTUM):
            out[n] = np.float32(0.0)
        return
    falls = _falls(decay[0], own.rate)
    sweeps, clicks = _falls(SWEEP_S, own.rate), _falls(CLICK_S, own.rate)
    for n in range(QUANTUM):
        if rises(own.trig, trig[n]):
            _strike(own)
            own.clicks = 1.0
        own.trig = trig[n]
        higher = 1 + own.quick * within(sweep[n], 0.0, 100.0, 0.0)
        body = own.level * turned(own.phase)
        noise = own.clicks * within(click[n], 0.0, 1.0, 0.0) * draw(own.seed, own.drawn)
        own.drawn += ONE
        out[n] = _give(own, body + noise)
        step = step_of(hz[n] * higher, inverse_rate)
        own.phase = wrapped(own.phase + (step if step < 0.5 else 0.0))
        own.level *= falls
        own.quick = audible(own.quick * sweeps)
        own.clicks = audible(own.clicks * clicks)


@unit(
    "supersnare",
    fields=[("second", "f8"), ("low", "f8"), *STRUCK],
    inputs=[
        Input("hz", 180.0, "frequency of the skin, Hz"),
        Input("snappy", 0.5, "how much noise there is, 0 to 1"),
        Input("decay", 0.25, "time in which it falls by 60 dB, s; heard 64 samples at a time"),
        TRIG,
    ],
    doc="a snare drum",
    scaled=["hz"],
    prepare=seeded,
)
def supersnare(pointer: Any) -> None:
    """Two sines, and noise above 1 kHz."""
    own = carray(pointer, (1,))[0]
    hz, snappy, decay, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    if _still(own, trig):
        for n in range(QUANTUM):
            out[n] = np.float32(0.0)
        return
    falls = _falls(decay[0], own.rate)
    snaps = _falls(SNAP_SHARE * within(decay[0], 0.0, 100.0, 0.0), own.rate)
    follows = 1 - math.exp(-2 * math.pi * 1000.0 * inverse_rate)
    for n in range(QUANTUM):
        if rises(own.trig, trig[n]):
            _strike(own)
            own.second = 0.0
        own.trig = trig[n]
        share = within(snappy[n], 0.0, 1.0, 0.0)
        white = draw(own.seed, own.drawn)
        own.drawn += ONE
        own.low += follows * (white - own.low)
        skin = 0.6 * turned(own.phase) + 0.3 * turned(own.second)
        sound = (1 - 0.5 * share) * own.level * skin + share * own.quick * (white - own.low)
        out[n] = _give(own, sound)
        # The skin is tenser just after the stroke.
        tense = 1 + 0.3 * own.level * own.level * own.level
        step, second = (
            step_of(hz[n] * tense, inverse_rate),
            step_of(SECOND_MODE * hz[n] * tense, inverse_rate),
        )
        own.phase = wrapped(own.phase + (step if step < 0.5 else 0.0))
        own.second = wrapped(own.second + (second if second < 0.5 else 0.0))
        own.level *= falls
        own.quick = audible(own.quick * snaps)


def _prepare_hat(record: npt.NDArray[np.void], rate_hz: float) -> None:
    seeded(record, rate_hz)
    use_saws(record, rate_hz)


@unit(
    "superhat",
    fields=[
        ("copies", "i8"),
        ("phases", "f8", (SQUARES,)),
        ("levels", "i8", (SQUARES,)),
        ("mixed", "f8", (SQUARES,)),
        ("low", "f8", (2,)),
        *STRUCK,
    ],
    inputs=[
        Input("bright", 0.5, "noise rather than metal, and a higher filter, 0 to 1"),
        Input("decay", 0.1, "time in which it falls by 60 dB, s; heard 64 samples at a time"),
        TRIG,
    ],
    doc="a hi-hat",
    prepare=_prepare_hat,
)
def superhat(pointer: Any) -> None:
    """Squares and noise, high-passed twice."""
    own = carray(pointer, (1,))[0]
    bright, decay, trig = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    if _still(own, trig):
        for n in range(QUANTUM):
            out[n] = np.float32(0.0)
        return
    copies = samples_view(own.copies, LENGTH)
    falls = _falls(decay[0], own.rate)
    corner = 5000.0 + 4000.0 * within(bright[0], 0.0, 1.0, 0.5)
    follows = 1 - math.exp(-2 * math.pi * corner * inverse_rate)
    for k in range(SQUARES):
        own.levels[k], own.mixed[k] = level_of(SQUARES_HZ[k] * inverse_rate)
    for n in range(QUANTUM):
        if rises(own.trig, trig[n]):
            _strike(own)
        own.trig = trig[n]
        share = within(bright[n], 0.0, 1.0, 0.5)
        metal = 0.0
        for k in range(SQUARES):
            metal += pulse_at(copies, own.levels[k], own.mixed[k], own.phases[k], 0.5)
            own.phases[k] = wrapped(own.phases[k] + SQUARES_HZ[k] * inverse_rate)
        sound = 0.4 * (1 - share) * metal + share * draw(own.seed, own.drawn)
        own.drawn += ONE
        for k in range(2):
            own.low[k] += follows * (sound - own.low[k])
            sound -= own.low[k]
        out[n] = _give(own, 3.0 * own.level * sound)
        own.level *= falls


UNITS: Final = (superkick, supersnare, superhat)
