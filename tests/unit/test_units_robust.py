"""All units of the catalogue: whatever comes in, they go on, are the same each time, and are allowed in the zone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gapless.play.sound.catalogue import UNITS
from gapless.play.sound.unit import Unit
from gapless.testing.units import Bench
from gapless.testing.zone import forbidden_calls

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-robust")]

RATE_HZ = 44_100
BAD = np.array([math.nan, math.inf, -math.inf, 1e30, -1e30, 0.0, -1.0, 1e-30], np.float32)
every_unit = pytest.mark.parametrize("unit", UNITS.values(), ids=lambda unit: unit.name)


def good(unit: Unit, n_samples: int) -> dict[str, Any]:
    """Ordinary inputs: noise where a signal comes in, strokes where there are triggers, else what is the default."""
    time = np.arange(n_samples) / RATE_HZ
    inputs: dict[str, Any] = {}
    for number, one in enumerate(unit.inputs):
        name = "in_" if one.name == "in" else one.name
        if one.name in {"trig", "gate"}:
            inputs[name] = (time * 8 % 1 < 0.5).astype(np.float32)
        elif unit.name.startswith("lfnoise"):
            inputs[name] = 3000.0  # often enough for its power to be told in a second
        elif one.default is None or one.name in {"in", "in2"}:
            inputs[name] = 0.3 * np.random.default_rng(number).standard_normal(n_samples)
        else:
            inputs[name] = one.default
    return inputs


def power(sound: npt.NDArray[np.float32]) -> float:
    return float(np.mean(sound.astype(np.float64) ** 2))


@every_unit
def test_after_bad_input_a_second_of_good_makes_it_good_again(unit: Unit) -> None:
    names = ["in_" if one.name == "in" else one.name for one in unit.inputs]
    pick = np.random.default_rng(1)
    fresh = Bench(unit)
    fresh.run(RATE_HZ, **good(unit, RATE_HZ))
    expected = power(fresh.run(RATE_HZ, **good(unit, RATE_HZ)))
    # All at once and each at another sample; one thing for long; and one input alone, the others good.
    mixed: dict[str, Any] = {name: BAD[pick.integers(0, len(BAD), 6400)] for name in names}
    steady: list[dict[str, Any]] = [dict.fromkeys(names, float(bad)) for bad in BAD]
    alone = [
        {**good(unit, 640), name: float(bad)} for name in names for bad in (math.nan, 1e30, -1e30)
    ]
    bench = Bench(unit)
    for bad in [mixed, *steady, *alone, mixed]:
        bench.run(640 if bad is not mixed else 6400, **bad)
    bench.run(RATE_HZ, **good(unit, RATE_HZ))
    after = bench.run(RATE_HZ, **good(unit, RATE_HZ))
    assert np.isfinite(after).all()
    assert power(after) == pytest.approx(expected, rel=0.5, abs=1e-6)


@every_unit
def test_the_same_input_gives_the_same_bits(unit: Unit) -> None:
    first, second = (Bench(unit).run(6400, **good(unit, 6400)).tobytes() for _ in range(2))
    assert first == second


@every_unit
def test_a_unit_calls_nothing_that_the_zone_forbids(unit: Unit) -> None:
    assert unit.address
    assert forbidden_calls(unit._compiled) == set()


@every_unit
def test_a_unit_is_described(unit: Unit) -> None:
    assert unit.doc
    assert all(one.doc for one in unit.inputs)
    names = [one.name for one in unit.inputs]
    assert len(set(names)) == len(names)
    assert set(unit.scaled) <= set(names)
    assert ("hz" not in names) or ("hz" in unit.scaled) or unit.is_effect or "noise" in unit.name
