"""All units, by the names that the language knows them by. Compiled only when the first of a kind is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gapless.play.sound import arithmetic, control, envelopes, noises
from gapless.play.sound.effects import (
    amplitude,
    distortion,
    dynamics,
    echo,
    limiter,
    moving_delay,
    phaser,
    reduction,
    reverb,
)
from gapless.play.sound.filters import comb, dj, equaliser, ladder, plain, resonant
from gapless.play.sound.oscillators import drums, pluck, sines, supertones, waves, wavetable
from gapless.play.sound.unit import Unit, catalogue

ROOMS: Final = (
    (arithmetic, control, envelopes, noises),
    (drums, pluck, sines, supertones, waves, wavetable),
    (comb, dj, equaliser, ladder, plain, resonant),
    (amplitude, distortion, dynamics, echo, limiter, moving_delay, phaser, reduction, reverb),
)

UNITS: Final[Mapping[str, Unit]] = catalogue(
    [unit for room in ROOMS for module in room for unit in module.UNITS]
)

INSTRUMENTS: Final = frozenset(
    unit.name
    for module in (noises, drums, pluck, sines, supertones, waves, wavetable)
    for unit in module.UNITS
) - {"phasor", "impulse", "lfnoise0", "lfnoise1"}
"""Units that ``s`` may name."""
