"""A tone's wave: sine, saw, square, triangle, pulse, noise.

In: a voice's phase. Out: a quantum of samples, -1 .. 1. Invariants: the frequency is exact to 1e-5 Hz for ever, for the
phase is a whole number; no offset; what jumps is band-limited, see ``jumps``. Thread: the callback's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.jumps import PERIOD, add_jumps
from gapless.play.sound.bank.lanes import noise, phases
from gapless.play.sound.bank.layout import PAD
from gapless.play.sound.bank.vector import (
    LANES,
    fused,
    lesser,
    load,
    size,
    splat,
    store,
    where_less,
)
from gapless.play.sound.trigger import NOISE, SAW, SINE, TRIANGLE
from gapless.play.sound.unit import QUANTUM, Record
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]
f32 = np.float32

HALF: Final = PERIOD // 2
QUARTER: Final = PERIOD // 4
SEED: Final = 0x9E3779B9
"""Between the random numbers of two voices: 2^32 times the golden ratio, so that they are far from each other."""

# sin(pi x) = x (A + B x^2 + ...) for 0 <= x <= 0.5, fitted at Chebyshev's points; the error is below 2e-7.
SINE_1: Final = f32(3.141592640)
SINE_3: Final = f32(-5.167710077)
SINE_5: Final = f32(2.550077387)
SINE_7: Final = f32(-0.598290411)
SINE_9: Final = f32(0.077655912)


@zone
def first_phase(wave: int) -> int:
    """Where a wave begins: where it is 0 and rises, if there is such a place."""
    if wave == SAW:
        return HALF
    return QUARTER if wave == TRIANGLE else 0


@zone
def play_tone(own: Record, slot: int, row: Floats, at: int) -> None:
    """Write a quantum of the wave to ``row[at : at + QUANTUM]``; ``PAD`` before and after is touched."""
    wave, phase, step = own.wave[slot], own.phase[slot], own.step[slot]
    turn = own.turn[slot]
    if wave == SINE:
        for n in range(0, QUANTUM, LANES):
            store(row, at + n, sine_of(phases(phase + n * step, step)))
    elif wave == NOISE:
        counter = own.serial[slot] * SEED + own.age[slot]
        for n in range(0, QUANTUM, LANES):
            store(row, at + n, noise(counter + n))
    elif wave == TRIANGLE:
        one = splat(f32(1))
        for n in range(0, QUANTUM, LANES):
            half = size(phases(phase + n * step, step))
            store(row, at + n, half + half - one)
        slope = 8.0 * step / PERIOD
        clear_ends(row, at)
        add_jumps(row, at, own.corners, phase, step, turn, 0, slope)
        add_jumps(row, at, own.corners, phase, step, turn, HALF, -slope)
    else:
        for n in range(0, QUANTUM, LANES):
            store(row, at + n, phases(phase + n * step + HALF, step))
        clear_ends(row, at)
        add_jumps(row, at, own.jumps, phase, step, turn, 0, -2.0)
        if wave != SAW:
            # A pulse is the difference of two saws.
            width = own.width[slot]
            for n in range(0, QUANTUM, LANES):
                store(
                    row, at + n, load(row, at + n) - phases(phase + n * step + HALF - width, step)
                )
            add_jumps(row, at, own.jumps, phase, step, turn, width, 2.0)
    own.phase[slot] = (phase + QUANTUM * step) & (PERIOD - 1)


@zone
def sine_of(half_turns: Any) -> Any:
    """``sin(pi x)`` for vectors of -1 .. 1."""
    turns = size(half_turns)
    x = lesser(turns, splat(f32(1)) - turns)
    square = x * x
    sum_ = fused(splat(SINE_9), square, splat(SINE_7))
    sum_ = fused(sum_, square, splat(SINE_5))
    sum_ = fused(sum_, square, splat(SINE_3))
    sum_ = fused(sum_, square, splat(SINE_1))
    value = sum_ * x
    zero = splat(f32(0))
    return where_less(half_turns, zero, zero - value, value)


@zone
def clear_ends(row: Floats, at: int) -> None:
    """What corrects jumps is added there too, and never heard."""
    zero = splat(f32(0))
    store(row, at - PAD, zero)
    store(row, at + QUANTUM, zero)
