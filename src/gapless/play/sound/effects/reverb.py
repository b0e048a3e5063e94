"""``reverb``: a room, of eight delays that feed each other.

In: left and right. Out: both, and the room. Invariants: the delays' mixing keeps all energy (a Hadamard matrix) and
every pass loses some, so the room fades at any setting: low frequencies by 60 dB in ``0.4 * 20**room`` seconds (the
smallest rooms up to a fifth later, for the all-pass filters ring too), half the rate ``20**damp`` times sooner (less in
the smallest: ``DULLEST``). The room is about as loud as a steady sound in it, whatever its size. ``room`` and ``damp``
are read once a quantum and followed within 30 ms. Thread: the callback's.

Sources: J.-M. Jot, A. Chaigne, Digital Delay Networks for Designing Artificial Reverberators, AES 90, 1991 (the network
and its gains); M. Schroeder, Natural Sounding Artificial Reverberation, JAES 10 (3), 1962 (the all-pass filters that
make many echoes of one before it enters); J. Dattorro, Effect Design part 1, JAES 45 (9), 1997 (delays that move a
little, so that no resonance stands still and rings).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.delay_line import tap
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

LINES: Final = 8
LINE_SAMPLES: Final = 1 << 13
"""85 ms at 96 kHz."""
LINES_S: Final = (0.0233, 0.0291, 0.0349, 0.0413, 0.0487, 0.0569, 0.0667, 0.0781)
MEAN_S: Final = sum(LINES_S) / LINES

DIFFUSERS: Final = 4
"""On each side."""
DIFFUSER_SAMPLES: Final = 1 << 11
DIFFUSERS_S: Final = ((0.0048, 0.0036, 0.0127, 0.0093), (0.0051, 0.0033, 0.0119, 0.0098))
DIFFUSION: Final = 0.65

MOVE_S: Final = 0.0004
MOVE_HZ: Final = 0.6
SHORTEST_S: Final = 0.4
LONGEST: Final = 20.0
"""The largest room's time, as a multiple of the smallest's."""
DARKEST: Final = 20.0
"""How much sooner the highest frequencies fade than the lowest, at the most."""
FOLLOWED: Final = 0.05
"""Share of the way to ``room`` and ``damp`` that a quantum goes."""
DULLEST: Final = 0.8
"""Of the one-pole filter in a line; nearer to 1 it would sound on by itself."""

# Two rows of the Hadamard matrix: the ways in which the lines are heard left and right.
LEFT: Final = (1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0)
RIGHT: Final = (1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0)


def _prepare(record: npt.NDArray[np.void], rate_hz: float) -> None:
    record["room"] = -1.0
    longest = LINE_SAMPLES - 2 * MOVE_S * rate_hz - 4
    record["lengths"] = np.minimum(np.array(LINES_S) * rate_hz, longest)
    diffusers = np.round(np.array(DIFFUSERS_S) * rate_hz)
    record["diffuser_lengths"] = np.clip(diffusers, 1, DIFFUSER_SAMPLES - 1)


def rt60_s(room: float) -> float:
    """How long a room takes to fade by 60 dB."""
    return SHORTEST_S * math.pow(LONGEST, min(max(room, 0.0), 1.0))


@zone
def _set(own: Record, room: float, damp: float) -> None:
    """Gains of the lines, and how dark they are, on the way to what is asked for."""
    followed = FOLLOWED if own.room >= 0.0 else 1.0
    own.room += followed * (room - own.room)
    own.damp += followed * (damp - own.damp)
    fade_s = SHORTEST_S * math.pow(LONGEST, own.room)
    sooner = math.pow(DARKEST, own.damp)
    for line in range(LINES):
        own.gains_before[line] = own.gains[line]
        own.gains[line] = math.pow(10.0, -3.0 * own.lengths[line] / (own.rate * fade_s))
        # So that the pass's gain at half the rate is as many times lower, in decibels.
        top = math.pow(own.gains[line], sooner - 1.0)
        own.kept[line] = min((1.0 - top) / (1.0 + top), DULLEST)
    # A steady sound's power in the lines, after so many passes as it lasts.
    lasting = math.pow(10.0, -6.0 * MEAN_S / fade_s)
    own.level = math.sqrt((1.0 / lasting - 1.0) / LINES)


@zone
def _diffuse(own: Record, side: int) -> None:
    """Many echoes of what came in on one side, into ``own.entered``."""
    sound, at = wire(own.inputs[side]), own.at
    for n in range(QUANTUM):
        x = audible(float(sound[n]))
        for stage in range(DIFFUSERS):
            line = own.diffusers[side, stage]
            place = at + n
            back = line[(place - own.diffuser_lengths[side, stage]) & (DIFFUSER_SAMPLES - 1)]
            kept = x - DIFFUSION * back
            line[place & (DIFFUSER_SAMPLES - 1)] = np.float32(settled(kept))
            x = back + DIFFUSION * kept
        own.entered[side, n] = np.float32(x)


@zone
def _listen(own: Record, line: int, phase: float, step: float) -> None:
    """What comes out of a line, its losses taken, into ``own.passed``."""
    ring, passed = own.lines[line], own.passed[line]
    moved = MOVE_S * own.rate
    begin = moved * math.sin(2 * math.pi * (phase + line / LINES))
    end = moved * math.sin(2 * math.pi * (phase + step + line / LINES))
    delay, change = own.lengths[line] + begin, (end - begin) / QUANTUM
    kept, gain, dark = own.kept[line], own.gains_before[line], own.dark[line]
    # In a ramp, or a room that changes would click.
    rise = (own.gains[line] - gain) / QUANTUM
    for n in range(QUANTUM):
        dark = (1.0 - kept) * tap(ring, own.at + n, delay + n * change) + kept * dark
        gain += rise
        passed[n] = np.float32(gain * dark)
    own.dark[line] = settled(dark)


@zone
def _pair(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> None:
    """Their sum and their difference, of which Hadamard's matrix is made; no energy is won or lost."""
    for n in range(QUANTUM):
        added, taken = a[n] + b[n], a[n] - b[n]
        a[n], b[n] = np.float32(math.sqrt(0.5)) * added, np.float32(math.sqrt(0.5)) * taken


@zone
def _feed(own: Record) -> None:
    """Mix what came out of the lines, and put it into them with what came in."""
    for distance in (1, 2, 4):
        for line in range(LINES):
            if line & distance == 0:
                _pair(own.passed[line], own.passed[line + distance])
    start = own.at & (LINE_SAMPLES - 1)
    for line in range(LINES):
        ring, passed, entered = own.lines[line], own.passed[line], own.entered[line & 1]
        for n in range(QUANTUM):
            ring[start + n] = np.float32(settled(passed[n] + entered[n]))


@zone
def _hear(own: Record, side: int, level: float) -> None:
    """The lines' sum for one side, into ``own.heard``."""
    for n in range(QUANTUM):
        own.heard[side, n] = 0.0
    for line in range(LINES):
        sign = np.float32(RIGHT[line] if side else LEFT[line])
        for n in range(QUANTUM):
            own.heard[side, n] += sign * own.passed[line, n]
    # In a ramp from the level before.
    for n in range(QUANTUM):
        share = (n + 1) / QUANTUM
        own.heard[side, n] *= np.float32(level + share * (own.level - level))


@unit(
    "reverb",
    fields=[
        ("at", "i8"),
        ("phase", "f8"),
        ("room", "f8"),
        ("damp", "f8"),
        ("kept", "f8", (LINES,)),
        ("level", "f8"),
        ("lengths", "f8", (LINES,)),
        ("gains", "f8", (LINES,)),
        ("gains_before", "f8", (LINES,)),
        ("dark", "f8", (LINES,)),
        ("diffuser_lengths", "i8", (2, DIFFUSERS)),
        ("entered", "f4", (2, QUANTUM)),
        ("heard", "f4", (2, QUANTUM)),
        ("passed", "f4", (LINES, QUANTUM)),
        ("diffusers", "f4", (2, DIFFUSERS, DIFFUSER_SAMPLES)),
        ("lines", "f4", (LINES, LINE_SAMPLES)),
    ],
    inputs=[
        Input("in", 0.0, "sound, left"),
        Input("in2", 0.0, "right"),
        Input("room", 0.5, "size, 0..1: fades by 60 dB in 0.4 s .. 8 s"),
        Input("mix", 0.3, "0 the sound alone, 1 the room alone"),
        Input("damp", 0.3, "how dark, 0..1: the highest fade 20**damp times sooner"),
    ],
    outputs=2,
    doc="a room",
    prepare=_prepare,
    tail_s=2.5,
)
def reverb(pointer: Any) -> None:
    """Delays are longer than a quantum, so each is read for all of it before any is written."""
    own = carray(pointer, (1,))[0]
    left, right, mix = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[3])
    out_left, out_right = wire(own.outputs[0]), wire(own.outputs[1])
    level = own.level
    _set(
        own,
        held(float(wire(own.inputs[2])[0]), 0.0, 1.0),
        held(float(wire(own.inputs[4])[0]), 0.0, 1.0),
    )
    _diffuse(own, 0)
    _diffuse(own, 1)
    step = MOVE_HZ * QUANTUM / own.rate
    for line in range(LINES):
        _listen(own, line, own.phase, step)
    _hear(own, 0, level)
    _hear(own, 1, level)
    _feed(own)
    for n in range(QUANTUM):
        wet = held(float(mix[n]), 0.0, 1.0)
        x_left, x_right = audible(float(left[n])), audible(float(right[n]))
        out_left[n] = np.float32(x_left + wet * (own.heard[0, n] - x_left))
        out_right[n] = np.float32(x_right + wet * (own.heard[1, n] - x_right))
    own.phase = own.phase + step - math.floor(own.phase + step)
    own.at += QUANTUM


UNITS: Final = (reverb,)
