"""The low-pass filters of thirty-two voices at once, one in each lane of two vectors, and their mix.

In: a row of samples for each voice. Out: both channels' sums. Invariants: what a lane without a filter holds is not
heard; the filter is stable at all its settings, which do not change while a voice sounds; the order of all sums is that
of the slots. Thread: the callback's.

The filter is a state variable filter of two poles whose integrators are trapezoids, so that it is the analogue one up
to the bilinear transform's bend of the frequencies. Two vectors are worked on in turn, because each sample of a filter
waits for the one before.

Source: A. Simper, "Solving the continuous SVF equations using trapezoidal integration and equivalent currents",
Cytomic, 2013.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.envelope import swell
from gapless.play.sound.bank.lanes import turn
from gapless.play.sound.bank.layout import FORGETTING, PAD, ROW
from gapless.play.sound.bank.vector import (
    LANES,
    Vector,
    fused,
    greater,
    load,
    size,
    splat,
    store,
    where_less,
)
from gapless.play.sound.unit import QUANTUM, Record
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]
f32 = np.float32

BLOCK: Final = QUANTUM * LANES
LOWEST_HZ: Final = 5.0
HIGHEST: Final = 0.49
"""Of the sampling rate."""
LEAST_DAMPING: Final = 0.02
"""At resonance 1: a quality of 50. At 0 it is one half, without any."""


@zone
def set_filter(own: Record, slot: int, cutoff_hz: float, resonance: float) -> None:
    """Make the filter of a voice; its state is 0."""
    cutoff = min(max(cutoff_hz / own.rate, LOWEST_HZ / own.rate), HIGHEST)
    damping = 2 - (2 - LEAST_DAMPING) * resonance
    gain = math.tan(math.pi * cutoff)
    bottom = 1 / (1 + gain * (gain + damping))
    own.own_first[slot] = 2 * bottom - 1
    own.cross[slot] = 2 * gain * bottom
    own.inward[slot] = 2 * gain * gain * bottom
    own.first[slot] = own.second[slot] = 0


@zone
def forget_filter(own: Record, slot: int) -> None:
    """Let nothing come from a slot's lane."""
    own.own_first[slot] = own.cross[slot] = own.inward[slot] = 0
    own.first[slot] = own.second[slot] = own.left[slot] = own.right[slot] = 0


@zone
def clear_mix(own: Record) -> None:
    """Before the first pair of a quantum."""
    for n in range(0, 2 * BLOCK, LANES):
        store(own.mixed, n, splat(f32(0)))


@zone
def play_filters(own: Record, slot: int, fading: bool) -> None:  # noqa: FBT001  Numba has no keyword-only arguments
    """Add the voices of a pair of vectors to the mix.

    Args:
        own: the bank.
        slot: the pair's first.
        fading: whether one of them has to go.
    """
    for half in range(2):
        for n in range(0, QUANTUM, LANES):
            source = half * LANES * ROW + PAD + n
            turn(own.rows, source, ROW, own.turned, half * BLOCK + n * LANES)
    next_ = slot + LANES
    first_a, first_b = load(own.first, slot), load(own.first, next_)
    second_a, second_b = load(own.second, slot), load(own.second, next_)
    own_a, own_b = load(own.own_first, slot), load(own.own_first, next_)
    cross_a, cross_b = load(own.cross, slot), load(own.cross, next_)
    inward_a, inward_b = load(own.inward, slot), load(own.inward, next_)
    # What comes out is half the sum of the second state before and after.
    half_ = splat(f32(0.5))
    left_a, left_b = half_ * load(own.left, slot), half_ * load(own.left, next_)
    right_a, right_b = half_ * load(own.right, slot), half_ * load(own.right, next_)
    fade_a, fade_b = load(own.fade, slot), load(own.fade, next_)
    vanish_a, vanish_b = load(own.vanish, slot), load(own.vanish, next_)
    for n in range(0, BLOCK, LANES):
        error_a = load(own.turned, n) - second_a
        error_b = load(own.turned, BLOCK + n) - second_b
        later_a = fused(inward_a, error_a, fused(cross_a, first_a, second_a))
        later_b = fused(inward_b, error_b, fused(cross_b, first_b, second_b))
        first_a = fused(cross_a, error_a, own_a * first_a)
        first_b = fused(cross_b, error_b, own_b * first_b)
        heard_a, heard_b = second_a + later_a, second_b + later_b
        second_a, second_b = later_a, later_b
        if fading:
            heard_a = heard_a * swell(fade_a)
            heard_b = heard_b * swell(fade_b)
            fade_a, fade_b = fade_a - vanish_a, fade_b - vanish_b
        mixed = fused(heard_b, left_b, fused(heard_a, left_a, load(own.mixed, n)))
        store(own.mixed, n, mixed)
        mixed = fused(heard_b, right_b, fused(heard_a, right_a, load(own.mixed, BLOCK + n)))
        store(own.mixed, BLOCK + n, mixed)
    _keep(own, slot, first_a, second_a)
    _keep(own, next_, first_b, second_b)


@zone
def _keep(own: Record, slot: int, first: Vector, second: Vector) -> None:
    """The states, and how loud the voices are; of the states one is large when the other passes 0."""
    store(own.first, slot, first)
    store(own.second, slot, second)
    zero = splat(f32(0))
    gain = greater(load(own.left, slot), load(own.right, slot))
    before = load(own.level, slot)
    heard = greater(greater(size(first), size(second)) * gain, before * splat(FORGETTING))
    # Lanes without a filter belong to voices that are heard elsewhere.
    store(own.level, slot, where_less(zero, load(own.cross, slot), heard, before))


@zone
def add_mix(own: Record, left: Floats, right: Floats) -> None:
    """Add the sums over all lanes to a quantum of both channels."""
    for n in range(0, QUANTUM, LANES):
        for channel in range(2):
            turn(own.mixed, channel * BLOCK + n * LANES, LANES, own.turned, 0)
            total = load(own.turned, 0)
            for lane in range(1, LANES):
                total = total + load(own.turned, lane * LANES)
            target = left if channel == 0 else right
            store(target, n, load(target, n) + total)
