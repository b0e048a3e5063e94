"""``noise`` (``white_noise``), ``pink_noise``, ``brown_noise``, ``lfnoise0``, ``lfnoise1``: what has no period.

In: nothing, or how often. Out: noise, the same for the same seed. Invariants: no two samples of a seed are drawn alike;
a record's ``seed`` may be set before it is first run, so that two of them differ. Thread: the callback's.

Pink noise is white noise through the half of an integrator, 1 / sqrt(1 - 1/z), as a sum of one-pole filters whose poles
lie two octaves apart; their weights are the least squares in its frequency response, found for the rate that is used.
Measured at 44.1 kHz, octave by octave from 40 Hz to 20 kHz: -2.6 to -3.2 dB per octave.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import step_of
from gapless.play.sound.random import ONE, RANDOM, draw, seeded
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

POLES: Final = 8
LOWEST_HZ: Final = 5.0
PINK_RMS: Final = 0.25
BROWN_RMS: Final = 0.25
BROWN_CORNER_HZ: Final = 10.0
WHITE_RMS: Final = 3**-0.5


def _white(pointer: Any) -> None:
    own = carray(pointer, (1,))[0]
    out, seed, drawn = wire(own.outputs[0]), own.seed, own.drawn
    for n in range(QUANTUM):
        out[n] = np.float32(draw(seed, drawn + np.uint64(n)))
    own.drawn = drawn + np.uint64(QUANTUM)


noise = unit("noise", fields=RANDOM, inputs=[], doc="white noise, -1 to 1", prepare=seeded)(_white)
white_noise = unit(
    "white_noise", fields=RANDOM, inputs=[], doc="the same as noise", prepare=seeded
)(_white)


@cache
def pink_filter(rate_hz: float) -> npt.NDArray[np.float64]:
    """Poles and weights, float64 [2, POLES + 1]; the last weight is that of the input itself."""
    poles = np.exp(-2 * np.pi * LOWEST_HZ * 4.0 ** np.arange(POLES) / rate_hz)
    hz = np.geomspace(LOWEST_HZ, 0.46 * rate_hz, 400)
    delay = np.exp(-2j * np.pi * hz / rate_hz)
    wanted = np.sqrt(rate_hz / hz) * np.exp(0.5j * (np.pi * hz / rate_hz - np.pi / 2))
    basis = np.column_stack([1 / (1 - np.outer(delay, poles)), np.ones_like(delay)])
    scaled = basis / np.abs(wanted)[:, None]
    both = np.vstack([scaled.real, scaled.imag])
    aim = wanted / np.abs(wanted)
    weights = np.linalg.lstsq(both, np.concatenate([aim.real, aim.imag]), rcond=None)[0]
    # What the filter makes of white noise: the sums of all products of two of its poles' responses.
    powers = 1 / (1 - np.outer(poles, poles))
    power = weights[:-1] @ powers @ weights[:-1] + weights[-1] * (2 * weights.sum() - weights[-1])
    return np.array([[*poles, 0.0], weights * (PINK_RMS / WHITE_RMS / np.sqrt(power))])


def _prepare_pink(record: npt.NDArray[np.void], rate_hz: float) -> None:
    seeded(record, rate_hz)
    record["poles"], record["weights"] = pink_filter(rate_hz)


@unit(
    "pink_noise",
    fields=[
        *RANDOM,
        ("poles", "f8", (POLES + 1,)),
        ("weights", "f8", (POLES + 1,)),
        ("held", "f8", (POLES + 1,)),
    ],
    inputs=[],
    doc="pink noise: -3 dB per octave, 0.25 RMS",
    prepare=_prepare_pink,
)
def pink_noise(pointer: Any) -> None:
    """All filters at the same time: what each has held is not needed by the others."""
    own = carray(pointer, (1,))[0]
    out, seed, drawn = wire(own.outputs[0]), own.seed, own.drawn
    held, poles, weights = own.held, own.poles, own.weights
    for n in range(QUANTUM):
        white = draw(seed, drawn + np.uint64(n))
        total = 0.0
        for k in range(POLES + 1):
            held[k] = poles[k] * held[k] + white
            total += weights[k] * held[k]
        out[n] = np.float32(total)
    own.drawn = drawn + np.uint64(QUANTUM)


@unit(
    "brown_noise",
    fields=[*RANDOM, ("level", "f8")],
    inputs=[],
    doc="brown noise: -6 dB per octave above 10 Hz, 0.25 RMS",
    prepare=seeded,
)
def brown_noise(pointer: Any) -> None:
    """White noise summed up, and slowly forgotten."""
    own = carray(pointer, (1,))[0]
    out, seed, drawn, level = wire(own.outputs[0]), own.seed, own.drawn, own.level
    kept = np.exp(-2 * np.pi * BROWN_CORNER_HZ / own.rate)
    gain = np.sqrt(1 - kept * kept) * (BROWN_RMS / WHITE_RMS)
    for n in range(QUANTUM):
        level = kept * level + gain * draw(seed, drawn + np.uint64(n))
        out[n] = np.float32(level)
    own.level = level
    own.drawn = drawn + np.uint64(QUANTUM)


HELD: Final[list[tuple[Any, ...]]] = [*RANDOM, ("phase", "f8"), ("before", "f8"), ("next", "f8")]
OFTEN: Final = Input("hz", 4.0, "new numbers per second")


@unit(
    "lfnoise0",
    fields=HELD,
    inputs=[OFTEN],
    doc="a random number from -1 to 1, held until the next",
    prepare=seeded,
)
def lfnoise0(pointer: Any) -> None:
    """Draw when a period is over."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    inverse_rate, phase, held = 1 / own.rate, own.phase, own.next
    if own.drawn == 0:
        phase = 1.0
    for n in range(QUANTUM):
        if phase >= 1.0:
            phase -= 1.0
            held = draw(own.seed, own.drawn)
            own.drawn += ONE
        out[n] = np.float32(held)
        phase += abs(step_of(hz[n], inverse_rate))
    own.phase, own.next = phase, held


@unit(
    "lfnoise1",
    fields=HELD,
    inputs=[OFTEN],
    doc="straight lines between random numbers from -1 to 1",
    prepare=seeded,
)
def lfnoise1(pointer: Any) -> None:
    """Draw when a period is over, and go there."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    inverse_rate, phase, before, following = 1 / own.rate, own.phase, own.before, own.next
    if own.drawn == 0:
        phase = 1.0
        following = draw(own.seed, own.drawn)
        own.drawn += ONE
    for n in range(QUANTUM):
        if phase >= 1.0:
            phase -= 1.0
            before = following
            following = draw(own.seed, own.drawn)
            own.drawn += ONE
        out[n] = np.float32(before + phase * (following - before))
        phase += abs(step_of(hz[n], inverse_rate))
    own.phase, own.before, own.next = phase, before, following


UNITS: Final = (noise, white_noise, pink_noise, brown_noise, lfnoise0, lfnoise1)
