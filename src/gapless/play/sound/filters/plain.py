"""``lpf hpf bpf notch allpass``: two poles, set by a cutoff and a quality factor.

In: a sound. Out: it, filtered. Invariants: those of ``state_variable``; 0.707 is the flattest ``q``; pass bands, and
the peak of ``bpf``, have gain 1. Thread: the callback's.
"""

from __future__ import annotations

from typing import Any, Final

from numba.np.numpy_support import carray

from gapless.play.sound.filters.state_variable import STATES, run_by_q
from gapless.play.sound.unit import Input, unit

TAIL_S: Final = 0.1
INPUTS: Final = (
    Input("in", 0.0, "sound"),
    Input("hz", 1000.0, "cutoff or centre, Hz"),
    Input("q", 0.7, "quality factor, 0.05..100: higher is narrower"),
)


@unit("lpf", fields=STATES, inputs=INPUTS, doc="low-pass, 12 dB an octave", tail_s=TAIL_S)
def lpf(pointer: Any) -> None:
    """What is below the cutoff."""
    run_by_q(carray(pointer, (1,))[0], 0.0, 0.0, 1.0)


@unit("hpf", fields=STATES, inputs=INPUTS, doc="high-pass, 12 dB an octave", tail_s=TAIL_S)
def hpf(pointer: Any) -> None:
    """What is above the cutoff."""
    run_by_q(carray(pointer, (1,))[0], 1.0, -1.0, -1.0)


@unit("bpf", fields=STATES, inputs=INPUTS, doc="band-pass, hz / q wide", tail_s=TAIL_S)
def bpf(pointer: Any) -> None:
    """What is about the centre."""
    run_by_q(carray(pointer, (1,))[0], 0.0, 1.0, 0.0)


@unit("notch", fields=STATES, inputs=INPUTS, doc="all but a band hz / q wide", tail_s=TAIL_S)
def notch(pointer: Any) -> None:
    """What is not about the centre."""
    run_by_q(carray(pointer, (1,))[0], 1.0, -1.0, 0.0)


@unit(
    "allpass", fields=STATES, inputs=INPUTS, doc="turns phases, by 180 degrees at hz", tail_s=TAIL_S
)
def allpass(pointer: Any) -> None:
    """All of it, its phases turned."""
    run_by_q(carray(pointer, (1,))[0], 1.0, -2.0, 0.0)


UNITS: Final = (lpf, hpf, bpf, notch, allpass)
