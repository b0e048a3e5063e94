"""How a voice begins: the orders of a quantum, and what each says, made into numbers that the voices play by.

In: the queue. Out: slots. Invariants: every voice begins in its sample, or at once if that has gone by; an order may
say anything, also what is no number: nothing that it says harms other voices. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gapless.play.sound.bank.filtered import forget_filter, set_filter
from gapless.play.sound.bank.jumps import PERIOD
from gapless.play.sound.bank.sampled import FASTEST, FRAME
from gapless.play.sound.bank.slots import cut_group, find_slot, release_group, steal, take_slot
from gapless.play.sound.bank.tone import first_phase
from gapless.play.sound.bank.vector import LANES
from gapless.play.sound.numbers import within
from gapless.play.sound.trigger import (
    ACCELERATE,
    ATTACK_S,
    BEGIN,
    CAPACITY,
    CUTOFF_HZ,
    DECAY_S,
    END,
    GAIN,
    HZ,
    NOISE,
    PAN,
    RELEASE,
    RELEASE_S,
    RESONANCE,
    SAMPLE,
    SHAPE,
    SINE,
    SPEED,
    SQUARE,
    SUSTAIN,
    TONE,
    WIDTH,
    done,
    due,
)
from gapless.play.sound.unit import QUANTUM, Record, word_at
from gapless.realtime.native import samples_view
from gapless.realtime.zone import zone

f32 = np.float32

EDGE_S: Final = 0.001
"""Shortest fade where a sound would begin or end with a click."""
LONGEST_S: Final = 600.0
"""Of each part of an envelope."""
FOREVER: Final = 1e15
"""Samples."""
LOUDEST: Final = 64.0
"""Gain."""
SLOWEST: Final = 2.0**-10
"""Frames per sample; below it nothing is heard."""
MOST_BEND: Final = 8.0
"""Octaves."""
SILENT: Final = 1e-3
"""A recording that begins or ends below it, -60 dB, does so without a click."""
HIGHEST: Final = 0.45
"""Frequency of a tone, in sampling rates."""


@zone
def take_orders(own: Record) -> None:
    """Begin all voices of this quantum."""
    first = word_at(own.clock)
    # Who posts may go on while we take.
    for _ in range(CAPACITY):
        order = due(own, first + QUANTUM)
        if order < 0:
            return
        offset = int(min(max(own.queue[order].at - first, 0), QUANTUM - 1))
        if own.queue[order].kind == RELEASE:
            release_group(own, own.queue[order].cut, offset)
        else:
            begin_voice(own, order, offset)
        done(own)


@zone
def begin_voice(own: Record, order: int, offset: int) -> None:
    """Give an order's voice a slot, from a sample of this quantum on."""
    wanted = own.queue[order]
    values = wanted.values
    filtered = wanted.kind == TONE and values[CUTOFF_HZ] > 0
    slot = find_slot(own, filtered) if _is_playable(own, order) else -1
    if slot < 0:
        own.unheard += 1
        return
    if wanted.cut != 0:
        cut_group(own, wanted.cut, offset)
    if own.sounding >= own.max_voices:
        steal(own, offset)
    take_slot(own, slot, wanted.kind)
    own.serial[slot] = own.started
    own.started += 1
    own.group[slot] = wanted.cut
    own.age[slot] = -offset
    own.vanish[slot] = 0
    own.fade[slot] = 1
    forget_filter(own, slot)
    gain = within(values[GAIN], 0.0, LOUDEST, 0.0)
    pan = within(values[PAN], 0.0, 1.0, 0.5)
    # Sines of both, because the cosine of a right angle is not quite 0.
    own.left[slot] = gain * math.sin((1 - pan) * math.pi / 2)
    own.right[slot] = gain * math.sin(pan * math.pi / 2)
    own.level[slot] = gain
    shape = within(values[SHAPE], 0.0, 0.99, 0.0)
    own.crush[slot] = 2 * shape / (1 - shape)
    own.filtered[slot] = 0
    if wanted.kind == TONE:
        _begin_tone(own, order, slot)
        if filtered:
            own.filtered[slot] = 1
            resonance = within(values[RESONANCE], 0.0, 1.0, 0.0)
            set_filter(own, slot, values[CUTOFF_HZ], resonance)
    else:
        _begin_sample(own, order, slot)


@zone
def _is_playable(own: Record, order: int) -> bool:
    wanted = own.queue[order]
    if wanted.kind == TONE:
        playable: bool = wanted.wave >= SINE and wanted.wave <= NOISE
        return playable
    if wanted.kind != SAMPLE or wanted.sound == 0 or wanted.length <= 0:
        return False
    mono_or_stereo: bool = 1 <= wanted.channels <= 2
    return mono_or_stereo and abs(wanted.values[SPEED]) >= SLOWEST


@zone
def _set_envelope(own: Record, order: int, slot: int, shortest_s: float, unsaid: float) -> None:
    """Attack, decay, sustain and release.

    The attack takes ``shortest_s`` at least. Without a hold the release begins behind attack and decay, and ``unsaid``
    samples.
    """
    values = own.queue[order].values
    attack = max(within(values[ATTACK_S], 0.0, LONGEST_S, 0.0), shortest_s) * own.rate
    decay = within(values[DECAY_S], 0.0, LONGEST_S, 0.0) * own.rate
    sustain = within(values[SUSTAIN], 0.0, 1.0, 1.0)
    own.attack[slot] = attack
    own.rise[slot] = 1 / attack if attack > 1 else 0.0
    own.fall[slot] = 1 / max(decay, 1.0)
    # Neither decay nor sustain: an envelope that was not said.
    own.sustain[slot] = sustain if decay > 0 or sustain > 0 else 1.0
    release = max(within(values[RELEASE_S], 0.0, LONGEST_S, 0.0), EDGE_S) * own.rate
    own.ebb[slot] = 1 / max(release, 1.0)
    hold = own.queue[order].hold
    own.hold[slot] = min(float(hold), FOREVER) if hold > 0 else attack + decay + unsaid
    own.settled[slot] = int(attack + decay) + 1
    own.released[slot] = int(own.hold[slot])
    own.ends[slot] = int(own.hold[slot] + release) + 1


@zone
def _begin_tone(own: Record, order: int, slot: int) -> None:
    wanted = own.queue[order]
    values = wanted.values
    own.wave[slot] = wanted.wave
    hz = within(values[HZ], 0.0, HIGHEST * own.rate, 0.0)
    step = int(hz / own.rate * PERIOD)
    own.step[slot] = max(step, 1)
    own.turn[slot] = 1 / own.step[slot]
    own.phase[slot] = (first_phase(wanted.wave) + own.age[slot] * own.step[slot]) & (PERIOD - 1)
    width = 0.5 if wanted.wave == SQUARE else within(values[WIDTH], 0.01, 0.99, 0.5)
    own.width[slot] = int(width * PERIOD)
    _set_envelope(own, order, slot, EDGE_S, 0.0)


@zone
def _begin_sample(own: Record, order: int, slot: int) -> None:
    wanted = own.queue[order]
    values = wanted.values
    length = wanted.length
    own.sound[slot], own.length[slot], own.channels[slot] = wanted.sound, length, wanted.channels
    begin = within(values[BEGIN], 0.0, 1.0, 0.0)
    end = within(values[END], 0.0, 1.0, 1.0)
    low = min(int(min(begin, end) * length + 0.5), length - 1)
    high = min(max(int(max(begin, end) * length + 0.5), low + 1), length)
    own.low[slot], own.high[slot] = low, high
    speed = min(max(float(values[SPEED]), -FASTEST), FASTEST)
    own.speed[slot] = speed
    own.place[slot] = (low if speed > 0 else high - 1) * FRAME
    # A loop without an end goes round once.
    own.loops[slot] = 1 if wanted.loop != 0 and wanted.hold > 0 else 0
    long = float(wanted.hold) if wanted.hold > 0 else (high - low) / abs(speed)
    bend = within(values[ACCELERATE], -MOST_BEND, MOST_BEND, 0.0)
    own.bend[slot] = 2.0 ** (bend * LANES / max(long, LANES))
    own.bent[slot] = long if bend != 0 else -FOREVER
    # A drum keeps its attack; what begins or ends in the midst of a sound is faded.
    loud_begin = low > 0 or _is_loud(own, slot, 0)
    loud_end = high < length or _is_loud(own, slot, length - 1)
    sudden = low > 0 if speed > 0 else loud_end
    _set_envelope(own, order, slot, EDGE_S if sudden else 0.0, FOREVER)
    stops = loud_end if speed > 0 else loud_begin
    own.tail[slot] = EDGE_S * own.rate if stops and own.loops[slot] == 0 else 0.0


@zone
def _is_loud(own: Record, slot: int, frame: int) -> bool:
    channels = own.channels[slot]
    samples = samples_view(own.sound[slot], own.length[slot] * channels)
    last = channels - 1
    loud: bool = (
        abs(samples[frame * channels]) > SILENT or abs(samples[frame * channels + last]) > SILENT
    )
    return loud
