"""All voices of a bank for one quantum.

In: slots. Out: both channels. Invariants: a voice that has come to its end gives its slot back: it was released or sent
away and is below -100 dB, or its sample is over. Thread: the callback's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.envelope import apply_envelope, is_steady
from gapless.play.sound.bank.filtered import add_mix, clear_mix, play_filters
from gapless.play.sound.bank.layout import FORGETTING, FREE, PAD, PAIR, ROW, SECOND
from gapless.play.sound.bank.sampled import play_sample
from gapless.play.sound.bank.slots import free_slot
from gapless.play.sound.bank.tone import play_tone
from gapless.play.sound.bank.vector import (
    LANES,
    Vector,
    fused,
    largest,
    load,
    size,
    splat,
    store,
    where_less,
)
from gapless.play.sound.trigger import TONE
from gapless.play.sound.unit import QUANTUM, Record
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]
f32 = np.float32

INAUDIBLE: Final = 1e-5
"""-100 dB."""
NO_SOUND: Final = f32(1e6)
"""What is larger in a recording, or no number, is silence."""


@zone
def play_voices(own: Record, left: Floats, right: Floats) -> None:
    """Write a quantum of both channels."""
    zero = splat(f32(0))
    for n in range(0, QUANTUM, LANES):
        store(left, n, zero)
        store(right, n, zero)
    any_filtered = False
    for pair in range(own.used.shape[0]):
        if own.used[pair] == 0:
            continue
        filtered, fading = 0, False
        for slot in range(pair * PAIR, (pair + 1) * PAIR):
            if own.kind[slot] == FREE:
                continue
            if own.filtered[slot] != 0:
                _play_source(own, slot, slot % PAIR)
                filtered += 1
                fading = fading or own.vanish[slot] != 0
            else:
                ended = _play_plain(own, slot, left, right)
                _grow_older(own, slot, ended)
        if filtered > 0:
            if not any_filtered:
                clear_mix(own)
                any_filtered = True
            play_filters(own, pair * PAIR, fading)
            for slot in range(pair * PAIR, (pair + 1) * PAIR):
                if own.kind[slot] != FREE and own.filtered[slot] != 0:
                    _grow_older(own, slot, False)
    if any_filtered:
        add_mix(own, left, right)


@zone
def _play_source(own: Record, slot: int, row: int) -> None:
    """What goes into a voice's filter; a voice that has to go fades behind it, where nothing rings."""
    at = row * ROW + PAD
    play_tone(own, slot, own.rows, at)
    _distort(own.rows, at, own.crush[slot])
    if is_steady(own, slot):
        level = splat(own.sustain[slot])
        for n in range(at, at + QUANTUM, LANES):
            store(own.rows, n, load(own.rows, n) * level)
    else:
        apply_envelope(own, slot, own.rows, at, 1.0, 0.0)


@zone
def _play_plain(own: Record, slot: int, left: Floats, right: Floats) -> bool:
    """A whole voice without a filter; whether it has come to its end."""
    at = PAIR * ROW
    ended = False
    if own.kind[slot] == TONE:
        at += PAD
        play_tone(own, slot, own.rows, at)
    else:
        ended = play_sample(own, slot)
        if own.channels[slot] > 1:
            _add_row(own, slot, at, left, own.left[slot])
            _add_row(own, slot, SECOND * ROW, right, own.right[slot])
            return ended
    factor = _finish_row(own, slot, at)
    gain_left, gain_right = splat(factor * own.left[slot]), splat(factor * own.right[slot])
    for n in range(0, QUANTUM, LANES):
        heard = _sane(load(own.rows, at + n))
        store(left, n, fused(heard, gain_left, load(left, n)))
        store(right, n, fused(heard, gain_right, load(right, n)))
    _hear(own, slot, at, factor * max(own.left[slot], own.right[slot]))
    return ended


@zone
def _add_row(own: Record, slot: int, at: int, target: Floats, gain: f32) -> None:
    """One channel of two."""
    factor = _finish_row(own, slot, at)
    gains = splat(factor * gain)
    for n in range(0, QUANTUM, LANES):
        store(target, n, fused(_sane(load(own.rows, at + n)), gains, load(target, n)))
    _hear(own, slot, at, factor * gain)


@zone
def _finish_row(own: Record, slot: int, at: int) -> f32:
    """Distortion and envelope; the factor that is left to do."""
    _distort(own.rows, at, own.crush[slot])
    if is_steady(own, slot):
        return f32(own.sustain[slot])
    apply_envelope(own, slot, own.rows, at, own.fade[slot], own.vanish[slot])
    return f32(1)


@zone
def _sane(vector: Vector) -> Vector:
    return where_less(size(vector), splat(NO_SOUND), vector, splat(f32(0)))


@zone
def _hear(own: Record, slot: int, at: int, gain: f32) -> None:
    """How loud a voice is: the end of the quantum tells, for it is asked again in the next one."""
    peak = gain * largest(size(_sane(load(own.rows, at + QUANTUM - LANES))))
    own.level[slot] = max(peak, own.level[slot] * FORGETTING)


@zone
def _grow_older(own: Record, slot: int, ended: bool) -> None:  # noqa: FBT001  Numba has no keyword-only arguments
    age = own.age[slot] + QUANTUM
    own.age[slot] = age
    if own.vanish[slot] != 0:
        own.fade[slot] -= QUANTUM * own.vanish[slot]
        ended = ended or own.fade[slot] <= 0
    if age >= own.ends[slot]:
        rings = max(abs(own.first[slot]), abs(own.second[slot]))
        ended = ended or rings * max(own.left[slot], own.right[slot]) < INAUDIBLE
    if ended:
        free_slot(own, slot)


@zone
def _distort(row: Floats, at: int, crush: f32) -> None:
    if crush == 0:
        return
    one, factor = splat(f32(1)), splat(crush)
    for n in range(0, QUANTUM, LANES):
        x = load(row, at + n)
        store(row, at + n, (one + factor) * x / (one + factor * size(x)))
