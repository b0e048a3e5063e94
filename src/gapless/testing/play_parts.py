"""All units of the synthesiser: those of the catalogue, and those that graphs are put together with."""

from __future__ import annotations

from typing import Final

from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.sound.instances import instances
from gapless.play.sound.mixer import blend, copy, fade_in, mix
from gapless.play.sound.steps import steps

CALLING: Final = (instances,)
"""They run other units."""
ALL_UNITS: Final = (*UNITS.values(), VOICES, mix, blend, copy, fade_in, steps, *CALLING)
