"""``chorus flanger vibrato``: delays that move.

In: a sound. Out: it, doubled, combed or bent. Invariants: delays move by at most half a sample per sample, so pitch
bends by no more than an octave down or seven semitones up; feedback is below 1. Thread: the callback's. Source:
J. Dattorro, Effect Design part 2, JAES 45 (10), 1997.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.delay_line import SHORTEST, follow, tap
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

SAMPLES: Final = 1 << 12
"""43 ms at 96 kHz."""
LINE: Final[list[tuple[Any, ...]]] = [
    ("at", "i8"),
    ("phase", "f8"),
    ("line", "f4", (SAMPLES,)),
]
SLOWEST_HZ: Final = 0.01
QUICKEST_HZ: Final = 100.0

CHORUS_S: Final = 0.015
"""The middle of the voices' delays."""
CHORUS_DEPTH_S: Final = 0.006
DEPTH_STEP: Final = 0.1
"""Samples by which the depth changes per sample, at most."""
FLANGER_S: Final = 0.0005
FLANGER_DEPTH_S: Final = 0.006
MOST: Final = 0.95
VIBRATO: Final = 256
"""Samples: the middle of the delay."""

SOUND: Final = Input("in", 0.0, "sound")
MIX: Final = Input("mix", 0.5, "0 the sound alone, 1 the effect alone")


@unit(
    "chorus",
    fields=[*LINE, ("depth", "f8")],
    inputs=[
        SOUND,
        Input("hz", 0.8, "how often the voices move, 0.01..100 Hz"),
        Input("depth", 0.4, "how far, 0..1: 6 ms"),
        MIX,
    ],
    doc="three voices about 15 ms late that move",
    tail_s=0.025,
)
def chorus(pointer: Any) -> None:
    """A third of a period lies between the voices."""
    own = carray(pointer, (1,))[0]
    sound, hz, depth, mix = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out = wire(own.outputs[0])
    line, at, phase, reach = own.line, own.at, own.phase, own.depth
    longest = SAMPLES - 4.0
    for n in range(QUANTUM):
        rate_hz = held(float(hz[n]), SLOWEST_HZ, QUICKEST_HZ)
        # No quicker than ``FASTEST`` of the delay line, whatever the rate of the movement.
        fastest = 0.5 * own.rate / (2 * math.pi * rate_hz)
        target = held(float(depth[n]), 0.0, 1.0) * CHORUS_DEPTH_S * own.rate
        reach += held(min(target, fastest) - reach, -DEPTH_STEP, DEPTH_STEP)
        x = audible(float(sound[n]))
        line[at & (SAMPLES - 1)] = np.float32(settled(x))
        middle = CHORUS_S * own.rate
        one = reach * math.sin(2 * math.pi * phase)
        across = reach * math.cos(2 * math.pi * phase) * 0.8660254037844386
        wet = tap(line, at, held(middle + one, SHORTEST, longest))
        wet += tap(line, at, held(middle - 0.5 * one + across, SHORTEST, longest))
        wet += tap(line, at, held(middle - 0.5 * one - across, SHORTEST, longest))
        out[n] = np.float32(x + held(float(mix[n]), 0.0, 1.0) * (wet / 3.0 - x))
        phase += rate_hz / own.rate
        phase -= math.floor(phase)
        at += 1
    own.at, own.phase, own.depth = at, phase, reach


@unit(
    "flanger",
    fields=[*LINE, ("now", "f8")],
    inputs=[
        SOUND,
        Input("hz", 0.3, "how often it moves, 0.01..100 Hz"),
        Input("depth", 0.5, "how far, 0..1: 6 ms"),
        Input("feedback", 0.5, "-0.95..0.95"),
        MIX,
    ],
    doc="a comb of notches that moves",
    tail_s=0.15,
)
def flanger(pointer: Any) -> None:
    """One delay of half a millisecond and more, fed back."""
    own = carray(pointer, (1,))[0]
    sound, hz, depth, feedback, mix = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out = wire(own.outputs[0])
    line, at, phase, now = own.line, own.at, own.phase, own.now
    longest = SAMPLES - 4.0
    for n in range(QUANTUM):
        share = 0.5 - 0.5 * math.cos(2 * math.pi * phase)
        reach = held(float(depth[n]), 0.0, 1.0) * FLANGER_DEPTH_S
        now = follow(now, held((FLANGER_S + reach * share) * own.rate, SHORTEST, longest))
        wet = tap(line, at, now)
        x = audible(float(sound[n]))
        line[at & (SAMPLES - 1)] = np.float32(
            settled(x + held(float(feedback[n]), -MOST, MOST) * wet)
        )
        out[n] = np.float32(x + held(float(mix[n]), 0.0, 1.0) * (wet - x))
        phase += held(float(hz[n]), SLOWEST_HZ, QUICKEST_HZ) / own.rate
        phase -= math.floor(phase)
        at += 1
    own.at, own.phase, own.now = at, phase, now


@unit(
    "vibrato",
    fields=[*LINE, ("now", "f8"), ("bend", "f8"), ("semitones", "f8")],
    inputs=[
        SOUND,
        Input("hz", 5.0, "how often it bends, 0.01..100 Hz"),
        Input("semitones", 0.3, "how far, as far as a delay of 256 samples allows"),
    ],
    doc="bends the pitch up and down",
    latency_samples=VIBRATO,
    tail_s=0.015,
)
def vibrato(pointer: Any) -> None:
    """A delay whose speed is what the pitch is bent by."""
    own = carray(pointer, (1,))[0]
    sound, hz, semitones = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    line, at, phase, now = own.line, own.at, own.phase, own.now
    bend, bent = own.bend, own.semitones
    for n in range(QUANTUM):
        asked = held(float(semitones[n]), 0.0, 12.0)
        if asked != bent:
            bent = asked
            bend = math.pow(2.0, asked / 12.0) - 1.0
        rate_hz = held(float(hz[n]), SLOWEST_HZ, QUICKEST_HZ)
        reach = min(bend * own.rate / (2 * math.pi * rate_hz), VIBRATO - SHORTEST)
        now = follow(now, VIBRATO + reach * math.sin(2 * math.pi * phase))
        line[at & (SAMPLES - 1)] = np.float32(settled(audible(float(sound[n]))))
        out[n] = np.float32(tap(line, at, now))
        phase += rate_hz / own.rate
        phase -= math.floor(phase)
        at += 1
    own.at, own.phase, own.now = at, phase, now
    own.bend, own.semitones = bend, bent


UNITS: Final = (chorus, flanger, vibrato)
