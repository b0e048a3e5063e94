"""``instances``: a bus, or a unit, as an instrument: copies of its graph that triggers set off, each with an envelope.

In: orders of kind ``INSTANCE``, and of ``RELEASE``. Out: the copies that sound, left and right. Invariants: only copies
that sound are run; a copy that is taken from its voice goes on without a step, for its envelope, its gains and its
phases do. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.image import call_unit
from gapless.play.sound.trigger import (
    ATTACK_S,
    DECAY_S,
    GAIN,
    PAN,
    QUEUE,
    RELEASE_S,
    SPEED,
    SUSTAIN,
    done,
    due,
)
from gapless.play.sound.trigger import RELEASE as LET_GO
from gapless.play.sound.unit import QUANTUM, Record, unit, wire, word_at
from gapless.realtime.zone import zone

MOST: Final = 64
"""Copies."""
LEAST_ATTACK_S: Final = 0.002
LEAST_RELEASE_S: Final = 0.01
GLIDE: Final = 0.02
"""Share of the way that a gain goes in a sample: 1 ms."""

# Stages of an envelope.
FREE: Final = 0
ATTACK: Final = 1
DECAY: Final = 2
RELEASE: Final = 3


@unit(
    "instances",
    fields=[
        *QUEUE,
        ("count", "i8"),
        ("calls", "i8"),  # address of int64 [count, n_calls, 2]
        ("n_calls", "i8"),
        # Addresses of wires, written here: what frequencies are multiplied by, and 1 while a voice is held.
        ("ratio", "i8", (MOST,)),
        ("gate", "i8", (MOST,)),
        # Addresses of wires, written by the copies.
        ("left", "i8", (MOST,)),
        ("right", "i8", (MOST,)),
        # Voices.
        ("stage", "i8", (MOST,)),
        ("number", "i8", (MOST,)),  # which came before which
        ("group", "i8", (MOST,)),
        ("begins", "i8", (MOST,)),  # sample of this quantum
        ("releases", "i8", (MOST,)),  # position
        ("level", "f8", (MOST,)),
        ("gains", "f8", (MOST, 2)),
        ("wanted", "f8", (MOST, 2)),
        ("factor", "f8", (MOST,)),
        ("rises", "f8", (MOST,)),
        ("falls", "f8", (MOST,)),
        ("sustain", "f8", (MOST,)),
        ("fades", "f8", (MOST,)),
        ("started", "i8"),
        ("stolen", "i8"),
        ("sounding", "i8"),
    ],
    inputs=[],
    outputs=2,
    doc="a bus as an instrument",
)
def instances(pointer: Any) -> None:
    """Start what is due, run what sounds."""
    own = carray(pointer, (1,))[0]
    start = word_at(own.clock)
    left, right = wire(own.outputs[0]), wire(own.outputs[1])
    for n in range(QUANTUM):
        left[n] = right[n] = np.float32(0.0)
    place = due(own, start + QUANTUM)
    while place >= 0:
        if own.queue[place].kind == LET_GO:
            _let_go(own, place, start)
        else:
            _start(own, place, start)
        done(own)
        place = due(own, start + QUANTUM)
    own.sounding = 0
    for k in range(own.count):
        if own.stage[k] == FREE:
            continue
        own.sounding += 1
        ratio, gate = wire(own.ratio[k]), wire(own.gate[k])
        begins = own.begins[k]
        for n in range(QUANTUM):
            # A sample of 0 before it, also where a voice follows upon another: units are set off by what rises.
            gate[n] = (
                np.float32(1.0) if n > begins and start + n < own.releases[k] else np.float32(0.0)
            )
            if n >= begins:
                ratio[n] = own.factor[k]
        for call in range(own.n_calls):
            at = own.calls + (k * own.n_calls + call) * 16
            call_unit(word_at(at), word_at(at + 8))
        from_left, from_right = wire(own.left[k]), wire(own.right[k])
        for n in range(QUANTUM):
            if n >= begins:
                _advance(own, k, start + n)
                own.gains[k, 0] += GLIDE * (own.wanted[k, 0] - own.gains[k, 0])
                own.gains[k, 1] += GLIDE * (own.wanted[k, 1] - own.gains[k, 1])
            level = own.level[k]
            # Level at both ends, so that nothing has a corner.
            level *= level * (3 - 2 * level)
            left[n] += np.float32(level * own.gains[k, 0] * from_left[n])
            right[n] += np.float32(level * own.gains[k, 1] * from_right[n])
        own.begins[k] = -1


@zone
def _start(own: Record, place: int, start: int) -> None:
    """Give an order a copy: one that is free, or else the oldest of those that are released, or else the oldest."""
    order = own.queue[place]
    chosen = -1
    for k in range(own.count):
        if own.stage[k] == FREE:
            chosen = k
            break
    if chosen < 0:
        chosen = _oldest(own)
        own.stolen += 1
    k = chosen
    if own.stage[k] == FREE:
        own.level[k] = 0.0
        own.gains[k, 0] = own.gains[k, 1] = 0.0
    values = order.values
    angle = min(max(values[PAN], 0.0), 1.0) * math.pi / 2
    own.wanted[k, 0] = values[GAIN] * math.cos(angle)
    own.wanted[k, 1] = values[GAIN] * math.sin(angle)
    if own.stage[k] == FREE:
        own.gains[k, 0], own.gains[k, 1] = own.wanted[k, 0], own.wanted[k, 1]
    own.factor[k] = values[SPEED]
    own.begins[k] = max(order.at - start, 0)
    own.releases[k] = start + own.begins[k] + order.hold
    own.rises[k] = 1 / (max(values[ATTACK_S], LEAST_ATTACK_S) * own.rate)
    own.sustain[k] = min(max(values[SUSTAIN], 0.0), 1.0)
    own.falls[k] = (1 - own.sustain[k]) / (max(values[DECAY_S], LEAST_ATTACK_S) * own.rate)
    own.fades[k] = 1 / (max(values[RELEASE_S], LEAST_RELEASE_S) * own.rate)
    own.stage[k] = ATTACK
    own.started += 1
    own.number[k] = own.started
    own.group[k] = order.cut


@zone
def _let_go(own: Record, place: int, start: int) -> None:
    """End the hold of a group's voices."""
    order = own.queue[place]
    for k in range(own.count):
        if own.group[k] == order.cut:
            own.releases[k] = min(own.releases[k], max(order.at, start))


@zone
def _oldest(own: Record) -> int:
    oldest = 0
    for k in range(1, own.count):
        released, sooner = own.stage[k] == RELEASE, own.stage[oldest] == RELEASE
        if (released and not sooner) or (released == sooner and own.number[k] < own.number[oldest]):
            oldest = k
    return oldest


@zone
def _advance(own: Record, k: int, at: int) -> None:
    """The envelope by one sample: straight lines."""
    stage = own.stage[k]
    if stage != RELEASE and at >= own.releases[k]:
        stage = RELEASE
    if stage == ATTACK:
        own.level[k] = min(own.level[k] + own.rises[k], 1.0)
        if own.level[k] >= 1.0:
            stage = DECAY
    elif stage == DECAY:
        own.level[k] = max(own.level[k] - own.falls[k], own.sustain[k])
    elif stage == RELEASE:
        own.level[k] -= own.fades[k]
        if own.level[k] <= 0.0:
            own.level[k] = 0.0
            stage = FREE
    own.stage[k] = stage
