"""``compressor sidechain_compressor``: less of what is loud.

In: left and right; what to listen to. Out: both, times one gain. Invariants: the gain is that of the louder side for
both, so the image stays; without ``makeup_db`` it is at most 1. Thread: the callback's.

Source: D. Giannoulis, M. Massberg, J. Reiss, Digital Dynamic Range Compressor Design, JAES 60 (6), 2012: feed-forward,
the level and the smoothing in decibels, a branch for attack and release, a quadratic knee.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

KNEE_DB: Final = 6.0
FLOOR: Final = 1e-6
"""-120 dB: what is softer has this level."""
DECIBELS: Final = 20.0 / math.log(10.0)
MOST_RATIO: Final = 1000.0
SLOWEST_S: Final = 10.0
QUICKEST_S: Final = 1e-5

FIELDS: Final = [
    ("reduction_db", "f8"),
    ("attack_s", "f8"),
    ("attack", "f8"),
    ("release_s", "f8"),
    ("release", "f8"),
    ("louder", "f4", (QUANTUM,)),
]
SETTINGS: Final = (
    Input("threshold_db", -20.0, "above it, -120..24 dB"),
    Input("ratio", 4.0, "decibels in for one decibel out, 1..1000"),
    Input("attack_s", 0.01, "time constant, up to 10 s"),
    Input("release_s", 0.1, "time constant, up to 10 s"),
    Input("makeup_db", 0.0, "gain afterwards, -60..60 dB"),
)


@zone
def wanted_db(over_db: float, ratio: float) -> float:
    """The gain for a level so far above the threshold."""
    slope = 1.0 / ratio - 1.0
    if over_db <= -0.5 * KNEE_DB:
        return 0.0
    if over_db < 0.5 * KNEE_DB:
        into = over_db + 0.5 * KNEE_DB
        return slope * into * into / (2.0 * KNEE_DB)
    return slope * over_db


@zone
def _run(own: Record, heard: npt.NDArray[np.float32], first: int) -> None:
    """A quantum, of what ``heard`` tells; ``first`` is the place of ``threshold_db`` among the inputs."""
    left, right = wire(own.inputs[0]), wire(own.inputs[1])
    threshold_db, ratio = wire(own.inputs[first]), wire(own.inputs[first + 1])
    attack_s, release_s = wire(own.inputs[first + 2]), wire(own.inputs[first + 3])
    makeup_db = wire(own.inputs[first + 4])
    out_left, out_right = wire(own.outputs[0]), wire(own.outputs[1])
    reduction = own.reduction_db
    for n in range(QUANTUM):
        asked = held(float(attack_s[n]), QUICKEST_S, SLOWEST_S)
        if asked != own.attack_s:
            own.attack_s = asked
            own.attack = math.exp(-1.0 / (asked * own.rate))
        asked = held(float(release_s[n]), QUICKEST_S, SLOWEST_S)
        if asked != own.release_s:
            own.release_s = asked
            own.release = math.exp(-1.0 / (asked * own.rate))
        level_db = DECIBELS * math.log(max(float(heard[n]), FLOOR))
        over_db = level_db - held(float(threshold_db[n]), -120.0, 24.0)
        target = wanted_db(over_db, held(float(ratio[n]), 1.0, MOST_RATIO))
        keep = own.attack if target < reduction else own.release
        reduction = target + keep * (reduction - target)
        gain = math.exp((reduction + held(float(makeup_db[n]), -60.0, 60.0)) / DECIBELS)
        x_left, x_right = audible(float(left[n])), audible(float(right[n]))
        out_left[n], out_right[n] = np.float32(gain * x_left), np.float32(gain * x_right)
    own.reduction_db = reduction


@unit(
    "compressor",
    fields=FIELDS,
    inputs=[Input("in", 0.0, "sound, left"), Input("in2", 0.0, "right"), *SETTINGS],
    outputs=2,
    doc="makes less of what is above a threshold",
)
def compressor(pointer: Any) -> None:
    """It listens to what it changes."""
    own = carray(pointer, (1,))[0]
    left, right = wire(own.inputs[0]), wire(own.inputs[1])
    for n in range(QUANTUM):
        own.louder[n] = max(abs(audible(left[n])), abs(audible(right[n])))
    _run(own, own.louder, 2)


@unit(
    "sidechain_compressor",
    fields=FIELDS,
    inputs=[
        Input("in", 0.0, "sound, left"),
        Input("in2", 0.0, "right"),
        Input("side", None, "the sound it listens to"),
        *SETTINGS,
    ],
    outputs=2,
    doc="gives way to another sound",
)
def sidechain_compressor(pointer: Any) -> None:
    """It listens to another sound."""
    own = carray(pointer, (1,))[0]
    side = wire(own.inputs[2])
    for n in range(QUANTUM):
        own.louder[n] = abs(audible(side[n]))
    _run(own, own.louder, 3)


UNITS: Final = (compressor, sidechain_compressor)
