"""``pluck``: a plucked string.

In: a trigger. Out: about -1 to 1. Invariants: in tune at any rate, for what makes the loop's delay is known exactly;
bounded, because nothing in the loop is ever louder than what it came from. Thread: the callback's.

A burst of noise, one period long, goes round a delay line whose loop softens it a little each time. What softens is a
filter of three taps, whose delay is one sample at all frequencies; the rest of the delay, with its fraction, is read
between the samples by Lagrange's polynomial through four of them.

Source: K. Karplus, A. Strong, "Digital Synthesis of Plucked-String and Drum Timbres", CMJ 1983; D. Jaffe, J. Smith,
"Extensions of the Karplus-Strong Plucked-String Algorithm", CMJ 1983; T. Laakso et al., "Splitting the Unit
Delay", IEEE SPM 1996.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import audible, rises, samples_of, within
from gapless.play.sound.random import ONE, RANDOM, draw, seeded
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

LINE: Final = 16_384
"""Samples of the delay line, a power of two."""
LONGEST: Final = LINE - 8.0
SHORTEST: Final = 4.0
"""Samples of a period."""
DC_HZ: Final = 10.0
"""What is slower is taken out of what is heard."""


@unit(
    "pluck",
    fields=[
        *RANDOM,
        ("line", "f8", (LINE,)),
        ("at", "i8"),
        ("burst", "i8"),
        ("trig", "f8"),
        ("period", "f8"),
        ("decay", "f8"),
        ("gain", "f8"),
        ("read", "f8", (2,)),
        ("sounded", "f8"),
        ("heard", "f8"),
    ],
    inputs=[
        Input("hz", 440.0, "frequency, Hz; at most a quarter of the rate"),
        Input("decay", 2.0, "time in which the lowest tones fall by 60 dB, s"),
        Input("bright", 0.5, "how slowly high tones fall, 0 to 1"),
        Input("trig", 1.0, "plucks when it rises above 0"),
    ],
    doc="a plucked string",
    scaled=["hz"],
    prepare=seeded,
)
def pluck(pointer: Any) -> None:
    """The loop, sample by sample."""
    own = carray(pointer, (1,))[0]
    hz, decay, bright, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out, rate = wire(own.outputs[0]), own.rate
    kept = 1 - 2 * math.pi * DC_HZ / rate
    for n in range(QUANTUM):
        period = rate / max(within(hz[n], 0.0, rate, 1.0), 1e-3)
        period = min(max(period, SHORTEST), LONGEST)
        lasts = samples_of(decay[n], rate)
        if period != own.period or lasts != own.decay:
            own.period, own.decay = period, lasts
            own.gain = math.exp2(-9.965784284662087 * period / lasts)
        if rises(own.trig, trig[n]):
            own.burst = int(period)
        own.trig = trig[n]
        side = 0.25 * (1 - within(bright[n], 0.0, 1.0, 0.5))
        found = _between(own, period - 1)
        looped = own.gain * ((1 - 2 * side) * own.read[0] + side * (found + own.read[1]))
        own.read[1] = own.read[0]
        own.read[0] = found
        if own.burst > 0:
            own.burst -= 1
            looped = draw(own.seed, own.drawn)
            own.drawn += ONE
        looped = audible(looped)
        own.line[own.at] = looped
        own.at = (own.at + 1) & (LINE - 1)
        own.heard = looped - own.sounded + kept * audible(own.heard)
        own.sounded = looped
        out[n] = np.float32(0.7 * own.heard)


@zone
def _between(own: Record, delay: float) -> float:
    """What was written so many samples before the one that is written now."""
    whole = int(delay)
    part = delay - whole
    at = own.at - whole
    newer = own.line[(at + 1) & (LINE - 1)]
    here = own.line[at & (LINE - 1)]
    older = own.line[(at - 1) & (LINE - 1)]
    oldest = own.line[(at - 2) & (LINE - 1)]
    # Lagrange's weights at -1, 0, 1, 2.
    up, down, far = part + 1, part - 1, part - 2
    found: float = (
        -part * down * far / 6 * newer
        + up * down * far / 2 * here
        - up * part * far / 2 * older
        + up * part * down / 6 * oldest
    )
    return found


UNITS: Final = (pluck,)
