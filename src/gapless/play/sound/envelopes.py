"""``adsr asr ar ad env line xline curve segments``: how something comes and goes.

In: times, levels, and a gate or trigger; both count when they rise above 0, and a gate also when it falls back.
Out: 0 to 1, or between the levels. Invariants: a gated or struck envelope that is started again goes on from where it
is, without a step; times are read as they are at each sample; one of 0 s takes one sample. Thread: the callback's.

The default of a gate is 1, so an envelope that nobody starts begins with the sound, and stays.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import rises, samples_of, sane, within
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

ATTACK: Final = Input("attack", 0.01, "time to rise, s")
DECAY: Final = Input("decay", 0.1, "time to fall to the sustained level, s")
SUSTAIN: Final = Input("sustain", 0.7, "level while the gate is open, 0 to 1")
RELEASE: Final = Input("release", 0.2, "time to fall from 1 to 0, s")
GATE: Final = Input("gate", 1.0, "open above 0")
TRIG: Final = Input("trig", 1.0, "starts it when it rises above 0")

FALL_60_DB: Final = -6.907755278982137
"""The natural logarithm of a thousandth."""
FAINTEST: Final = 1e-6
"""What an exponential line has instead of 0."""
POINTS: Final = 7
NEARLY: Final = 1 - 1e-6
"""From here on it is 1, lest a time that is no whole number of samples in a float32 takes one more."""

# Stages.
ENDED: Final = 0
RISING: Final = 1
FALLING: Final = 2

GATED: Final = [("level", "f8"), ("stage", "i8"), ("gate", "f8")]


@zone
def _gated(own: Record, gate: float, sustain: float, times: tuple[float, float, float]) -> float:
    """The next sample of an envelope of straight lines, of times of attack, decay and release."""
    attack, decay, release = times
    if rises(own.gate, gate):
        own.stage = RISING
    own.gate = gate
    level: float = own.level
    if not gate > 0.0:
        own.stage = ENDED
        level = max(level - 1 / samples_of(release, own.rate), 0.0)
    elif own.stage == RISING:
        level += 1 / samples_of(attack, own.rate)
        if level > NEARLY:
            level = 1.0
            own.stage = FALLING
    else:
        wanted = within(sustain, 0.0, 1.0, 1.0)
        falls, climbs = (1 - wanted) / samples_of(decay, own.rate), 1 / samples_of(attack, own.rate)
        # Up, if the sustained level was raised meanwhile.
        level = max(level - falls, wanted) if level > wanted else min(level + climbs, wanted)
    own.level = level
    return level


@unit(
    "adsr",
    fields=GATED,
    inputs=[ATTACK, DECAY, SUSTAIN, RELEASE, GATE],
    doc="rises, falls to a level, stays there while the gate is open, then falls to 0: straight lines",
)
def adsr(pointer: Any) -> None:
    """Sample by sample."""
    own = carray(pointer, (1,))[0]
    attack, decay, sustain, release, gate = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = np.float32(_gated(own, gate[n], sustain[n], (attack[n], decay[n], release[n])))


@unit(
    "env",
    fields=GATED,
    inputs=[Input("in", None, "signal"), ATTACK, DECAY, SUSTAIN, RELEASE, GATE],
    doc="the signal times an adsr",
)
def env(pointer: Any) -> None:
    """Sample by sample."""
    own = carray(pointer, (1,))[0]
    signal, attack, decay, sustain, release, gate = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
        wire(own.inputs[5]),
    )
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        level = _gated(own, gate[n], sustain[n], (attack[n], decay[n], release[n]))
        out[n] = np.float32(level * signal[n])


@unit(
    "asr",
    fields=GATED,
    inputs=[ATTACK, RELEASE, GATE],
    doc="rises to 1, stays there while the gate is open, then falls to 0: straight lines",
)
def asr(pointer: Any) -> None:
    """Sample by sample."""
    own = carray(pointer, (1,))[0]
    attack, release, gate = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = np.float32(_gated(own, gate[n], 1.0, (attack[n], attack[n], release[n])))


TRIGGERED: Final = [("level", "f8"), ("stage", "i8"), ("trig", "f8")]


@unit(
    "ar",
    fields=TRIGGERED,
    inputs=[ATTACK, RELEASE, TRIG],
    doc="rises to 1 and falls to 0 again, once for each trigger: straight lines",
)
def ar(pointer: Any) -> None:
    """Sample by sample."""
    own = carray(pointer, (1,))[0]
    attack, release, trig = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, level, stage, before = wire(own.outputs[0]), own.level, own.stage, own.trig
    for n in range(QUANTUM):
        if rises(before, trig[n]):
            stage = RISING
        before = trig[n]
        if stage == RISING:
            level += 1 / samples_of(attack[n], own.rate)
            if level > NEARLY:
                level = 1.0
                stage = FALLING
        else:
            level = max(level - 1 / samples_of(release[n], own.rate), 0.0)
        out[n] = np.float32(level)
    own.level, own.stage, own.trig = level, stage, before


@unit(
    "ad",
    fields=[*TRIGGERED, ("decay", "f8"), ("kept", "f8")],
    inputs=[
        ATTACK,
        Input("decay", 0.1, "time in which it falls by 60 dB, s"),
        TRIG,
    ],
    doc="rises to 1 along a straight line and falls exponentially, once for each trigger",
)
def ad(pointer: Any) -> None:
    """The coefficient is computed when the time changes."""
    own = carray(pointer, (1,))[0]
    attack, decay, trig = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, level, stage, before = wire(own.outputs[0]), own.level, own.stage, own.trig
    for n in range(QUANTUM):
        if rises(before, trig[n]):
            stage = RISING
        before = trig[n]
        lasts = samples_of(decay[n], own.rate)
        if lasts != own.decay:
            own.decay = lasts
            own.kept = math.exp(FALL_60_DB / lasts)
        if stage == RISING:
            level += 1 / samples_of(attack[n], own.rate)
            if level > NEARLY:
                level = 1.0
                stage = FALLING
        else:
            level *= own.kept
            level = level if level > FAINTEST else 0.0
        out[n] = np.float32(level)
    own.level, own.stage, own.trig = level, stage, before


# Behind what is theirs alone: Numba takes a record that begins like another one for that one.
ONCE: Final = [("progress", "f8"), ("trig", "f8")]
START: Final = Input("start", 0.0, "level at the start")
END: Final = Input("end", 1.0, "level at the end, which stays")
SECONDS: Final = Input("seconds", 1.0, "time from one to the other, s")


@zone
def _progress(own: Record, trig: float, seconds: float) -> float:
    """How much of the way is gone, 0 to 1; then a sample further."""
    if rises(own.trig, trig):
        own.progress = 0.0
    own.trig = trig
    gone: float = own.progress
    further = gone + 1 / samples_of(seconds, own.rate)
    own.progress = further if further < NEARLY else 1.0
    return gone


@unit(
    "line",
    fields=ONCE,
    inputs=[START, END, SECONDS, TRIG],
    doc="a straight line, once for each trigger",
)
def line(pointer: Any) -> None:
    """Sample by sample."""
    own = carray(pointer, (1,))[0]
    start, end, seconds, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        gone = _progress(own, trig[n], seconds[n])
        out[n] = np.float32(start[n] + gone * (end[n] - start[n]))


@unit(
    "xline",
    fields=[("first", "f8"), ("last", "f8"), ("logarithm", "f8"), *ONCE],
    inputs=[
        Input("start", 1.0, "level at the start, not 0"),
        Input("end", 0.001, "level at the end, which stays; of the same sign"),
        SECONDS,
        TRIG,
    ],
    doc="an exponential line, once for each trigger",
)
def xline(pointer: Any) -> None:
    """An end that is 0, or of the other sign, is one millionth instead."""
    own = carray(pointer, (1,))[0]
    start, end, seconds, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        gone = _progress(own, trig[n], seconds[n])
        sign = -1.0 if start[n] < 0.0 else 1.0
        first = max(sign * sane(start[n]), FAINTEST)
        last = max(sign * sane(end[n]), FAINTEST)
        if first != own.first or last != own.last:
            own.first, own.last = first, last
            own.logarithm = math.log(last / first)
        reached = first * math.exp(own.logarithm * gone) if gone < 1.0 else last
        out[n] = np.float32(sign * reached)


@unit(
    "curve",
    fields=ONCE,
    inputs=[
        START,
        END,
        SECONDS,
        Input("bend", -4.0, "0 straight, below 0 quick at first, above 0 slow at first"),
        TRIG,
    ],
    doc="a bent line, once for each trigger",
)
def curve(pointer: Any) -> None:
    """A piece of an exponential function: (1 - exp(bend * x)) / (1 - exp(bend))."""
    own = carray(pointer, (1,))[0]
    start, end, seconds, bend, trig = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        gone = _progress(own, trig[n], seconds[n])
        bent = within(bend[n], -50.0, 50.0, 0.0)
        if abs(bent) > 1e-3 and gone < 1.0:
            gone = math.expm1(bent * gone) / math.expm1(bent)
        out[n] = np.float32(start[n] + gone * (end[n] - start[n]))


@unit(
    "segments",
    fields=[*ONCE, ("segment", "i8"), ("from_level", "f8"), ("level", "f8"), ("started", "i8")],
    inputs=[
        Input("level0", None, "level at the start"),
        *(
            Input(f"{name}{k}", default, doc)
            for k in range(1, POINTS + 1)
            for name, default, doc in (
                ("seconds", -1.0, "time to the next level, s; below 0: there is none"),
                ("level", 0.0, "level there"),
            )
        ),
        TRIG,
    ],
    doc="straight lines through up to eight levels, once for each trigger; the last one stays",
)
def segments(pointer: Any) -> None:
    """Started again while it goes, it goes to the first level in a sample."""
    own = carray(pointer, (1,))[0]
    first, trig, out = wire(own.inputs[0]), wire(own.inputs[2 * POINTS + 1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        if rises(own.trig, trig[n]) or own.started == 0:
            own.started = 1
            own.segment = 0
            own.progress = 0.0
            own.from_level = own.level = sane(first[n])
        own.trig = trig[n]
        out[n] = np.float32(own.level)
        if own.segment < POINTS:
            seconds = wire(own.inputs[1 + 2 * own.segment])[n]
            target = sane(wire(own.inputs[2 + 2 * own.segment])[n])
            # Not there, or NaN: it stays where it is.
            if seconds >= 0.0:
                own.progress += 1 / samples_of(seconds, own.rate)
                if own.progress > NEARLY:
                    own.level = own.from_level = target
                    own.progress = 0.0
                    own.segment += 1
                else:
                    own.level = own.from_level + own.progress * (target - own.from_level)


UNITS: Final = (adsr, asr, ar, ad, env, line, xline, curve, segments)
