"""Nothing that a unit's machine code calls may wait, allocate or fail: see ``test_zone_gate``, which catches offenders."""

from __future__ import annotations

import pytest

from gapless.play.sound.unit import Unit
from gapless.testing.play_parts import ALL_UNITS, CALLING
from gapless.testing.zone import BY_ADDRESS, forbidden_calls

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]


@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
def test_a_unit_stays_in_the_zone(unit: Unit) -> None:
    allowed = {BY_ADDRESS} if unit in CALLING else set()
    assert forbidden_calls(unit.compiled) <= allowed
