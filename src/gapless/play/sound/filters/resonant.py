"""``rlpf rhpf svf_lp svf_hp svf_bp svf_notch``: two poles, set by a cutoff and a resonance.

In: a sound. Out: it, filtered. Invariants: those of ``state_variable``. Resonance 0 is a quality factor of 0.5, 1 is
100: next to oscillation, the peak 40 dB high. Thread: the callback's.
"""

from __future__ import annotations

from typing import Any, Final

from numba.np.numpy_support import carray

from gapless.play.sound.filters.state_variable import STATES, run_by_resonance
from gapless.play.sound.unit import Input, Unit, unit

TAIL_S: Final = 0.1
INPUTS: Final = (
    Input("in", 0.0, "sound"),
    Input("hz", 1000.0, "cutoff or centre, Hz"),
    Input("resonance", 0.5, "0..1, next to oscillation"),
)


def _low_pass(pointer: Any) -> None:
    run_by_resonance(carray(pointer, (1,))[0], 0.0, 0.0, 1.0)


def _high_pass(pointer: Any) -> None:
    run_by_resonance(carray(pointer, (1,))[0], 1.0, -1.0, -1.0)


LOW: Final = "resonant low-pass, 12 dB an octave"
HIGH: Final = "resonant high-pass, 12 dB an octave"
rlpf: Final = Unit("rlpf", _low_pass, fields=STATES, inputs=INPUTS, doc=LOW, tail_s=TAIL_S)
svf_lp: Final = Unit("svf_lp", _low_pass, fields=STATES, inputs=INPUTS, doc=LOW, tail_s=TAIL_S)
rhpf: Final = Unit("rhpf", _high_pass, fields=STATES, inputs=INPUTS, doc=HIGH, tail_s=TAIL_S)
svf_hp: Final = Unit("svf_hp", _high_pass, fields=STATES, inputs=INPUTS, doc=HIGH, tail_s=TAIL_S)


@unit("svf_bp", fields=STATES, inputs=INPUTS, doc="resonant band-pass, peak gain 1", tail_s=TAIL_S)
def svf_bp(pointer: Any) -> None:
    """What is about the centre."""
    run_by_resonance(carray(pointer, (1,))[0], 0.0, 1.0, 0.0)


@unit(
    "svf_notch", fields=STATES, inputs=INPUTS, doc="all but a band, set by resonance", tail_s=TAIL_S
)
def svf_notch(pointer: Any) -> None:
    """What is not about the centre."""
    run_by_resonance(carray(pointer, (1,))[0], 1.0, -1.0, 0.0)


UNITS: Final = (rlpf, rhpf, svf_lp, svf_hp, svf_bp, svf_notch)
